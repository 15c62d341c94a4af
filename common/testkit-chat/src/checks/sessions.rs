//! Coming back with a token, and coming twice.

use crate::chat::{Chat, PASSWORD};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use testkit::{Case, Signal, checks, fail, require};

const ELSEWHERE: &str = "[SERVER] you logged in elsewhere";

checks! {
/// Tokens.
pub sessions:

/// 256 random bits: no two alike, and none that can be guessed from another.
wire(server) fn every_session_has_a_token_of_its_own(case) {
    let chat = Chat::start(case);
    let bob = chat.register("bob");
    let mut tokens = HashSet::from([bob.token.clone()]);
    chat.registered("alice");
    for _ in 0..5 {
        bob.hears_some("alice to leave", |l| l.contains(" left ("));
        let alice = chat.login("alice");
        tokens.insert(alice.token.clone());
        alice.send("/quit");
    }
    require(tokens.len() == 6, "6 different tokens", tokens.len().to_string());
    // 43 of base64's characters, 64 of hexadecimal's.
    let shortest = tokens.iter().map(String::len).min().unwrap_or_default();
    require(shortest >= 43, "room for 256 bits in a token", format!("{shortest} characters"));
    let beginnings: HashSet<_> = tokens.iter().map(|token| &token[..8]).collect();
    require(beginnings.len() == 6, "random tokens", "tokens that begin alike");
}

/// A token brings its owner back without the password, after a lost connection.
wire(server) fn a_token_brings_its_owner_back(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let (name, token) = (alice.name.clone(), alice.token.clone());
    alice.connection.peer.reset();
    bob.hears(&format!("[SERVER] {name} left (1 online)"));
    let alice = chat.enter("alice", &format!("RESUME {token}"));
    require(alice.name == name, &name, &alice.name);
    bob.hears(&format!("[SERVER] {name} joined (2 online)"));
    alice.tells(&bob, "back again");
    // And once more, with the token that it has now.
    alice.send("!DISCONNECT");
    bob.hears(&format!("[SERVER] {name} left (1 online)"));
    chat.enter("alice", &format!("RESUME {}", alice.token)).tells(&bob, "and again");
}

/// It does so after the server was killed and started again: keep sessions in the
/// database.
wire(server) fn a_token_outlives_the_server(case) {
    let chat = Chat::start(case);
    let token = chat.register("alice").token;
    chat.server.program.signal(Signal::KILL);
    chat.server.program.ends(Duration::from_secs(5));
    let chat = chat.again(&[]);
    let alice = chat.enter("alice", &format!("RESUME {token}"));
    require(alice.name == chat.name("alice"), chat.name("alice"), &alice.name);
}

/// No other token is accepted: not with one letter changed, not shortened, not a
/// user's name.
wire(server) fn no_other_token_is_accepted(case) {
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    let token = alice.token.clone();
    alice.send("/quit");
    let first = if token.starts_with('A') { "B" } else { "A" };
    let wrong = [
        format!("{first}{}", &token[1..]),
        token[..token.len() - 2].to_owned(),
        format!("{token}AA"),
        "A".repeat(43),
        "0".repeat(64),
        alice.name.clone(),
        "%".into(),
    ];
    for wrong in wrong {
        chat.refuses("eve", &format!("RESUME {wrong}"));
    }
    chat.enter("alice", &format!("RESUME {token}"));
}

/// `/logout` ends the session and with it the token; the connection is closed in
/// good order and the others are told. It is a command, not a message.
wire(server) fn logout_ends_the_session(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    alice.send("/logout");
    bob.never_hears("/logout", &format!("[SERVER] {} left (1 online)", alice.name));
    alice.lines_to_the_end();
    chat.refuses("alice", &format!("RESUME {}", alice.token));
    chat.login("alice");
}

/// Other sessions of the same name go on.
wire(server) fn logout_ends_this_session_only(case) {
    let chat = Chat::start(case);
    let bob = chat.register("bob");
    let first = chat.register("alice");
    first.send("/quit");
    bob.hears_some("alice to leave", |l| l.contains(" left ("));
    let second = chat.login("alice");
    second.send("/logout");
    bob.hears_some("alice to leave", |l| l.contains(" left ("));
    chat.enter("alice", &format!("RESUME {}", first.token));
}
}

checks! {
/// How long a session lives.
pub session_options:

/// A session is over when its time is, `--session-ttl`, and not before.
ours(server, waits) fn a_session_is_over_when_its_time_is(case) {
    let chat = Chat::start_with(case, &["--session-ttl", "2"]);
    let bob = chat.register("bob");
    let alice = chat.register("alice");
    alice.send("/quit");
    bob.hears_some("alice to leave", |l| l.contains(" left ("));
    std::thread::sleep(Duration::from_millis(2100));
    chat.refuses("alice", &format!("RESUME {}", alice.token));
    chat.login("alice").send("/quit");
    bob.hears_some("alice to leave", |l| l.contains(" left ("));
    let chat = chat.again(&["--session-ttl", "3600"]);
    let token = chat.login("alice").token;
    let chat = chat.again(&["--session-ttl", "3600"]);
    chat.enter("alice", &format!("RESUME {token}"));
}
}

checks! {
/// A session and its own lost connection.
pub taking_over:

/// A client often reconnects before the server knows that the old connection is
/// dead. The new connection of the same session replaces the old one; no user is in
/// the room twice.
wire(server) fn a_token_takes_over_its_own_dead_connection(case) {
    let chat = Chat::start(case);
    let [dead, bob] = chat.room();
    let alice = chat.enter("alice", &format!("RESUME {}", dead.token));
    dead.hears(ELSEWHERE);
    dead.lines_to_the_end();
    bob.hears(&format!("[SERVER] {} left (1 online)", alice.name));
    bob.hears(&format!("[SERVER] {} joined (2 online)", alice.name));
    require(alice.users.len() == 2, "two in the list", alice.users.join(","));
    alice.tells(&bob, "back again");
    bob.tells(&alice, "welcome back");
}
}

/// The flags that have one name come in once only: stage 6's default.
fn rejecting(case: &Case) -> &'static [&'static str] {
    if case.stage() == 6 { &[] } else { &["--on-duplicate", "reject"] }
}

/// The flags that have the newer one stay: the default from stage 7 on.
fn replacing(case: &Case) -> &'static [&'static str] {
    if case.stage() == 6 { &["--on-duplicate", "replace"] } else { &[] }
}

/// The token of an older session is refused while a later one is in the room.
#[track_caller]
fn resumes_no_other_session(chat: &Chat) {
    let bob = chat.register("bob");
    let first = chat.register("alice");
    first.send("/quit");
    bob.hears_some("alice to leave", |l| l.contains(" left ("));
    let second = chat.login("alice");
    let line = chat.refuses("alice", &format!("RESUME {}", first.token));
    require(line == "AUTH_FAILED already logged in", "AUTH_FAILED already logged in", line);
    second.tells(&bob, "still here");
}

checks! {
/// A second login is refused, with the option or by default.
pub duplicates_rejected:

/// The token of another session does not: two clients that reconnect would replace
/// each other for ever.
wire(server) fn the_token_of_another_session_does_not(case) {
    resumes_no_other_session(&Chat::start_with(case, rejecting(case)));
}

/// One name, one connection: the second login is refused, and the first goes on. The server
/// waits a quarter of a second before that: a user who leaves and comes back at once comes in.
wire(server) fn a_second_login_is_refused(case) {
    let chat = Chat::start_with(case, rejecting(case));
    let [alice, bob] = chat.room();
    let upper = alice.name.to_uppercase();
    for name in [&alice.name, &upper] {
        let second = chat.asked("alice");
        let start = Instant::now();
        second.send(&format!("LOGIN {name} {PASSWORD}"));
        let line = second.is_refused();
        require(line == "AUTH_FAILED already logged in", "AUTH_FAILED already logged in", line);
        let waited = start.elapsed();
        require(waited > Duration::from_millis(200), "a quarter of a second before that", format!("{waited:?}"));
    }
    alice.tells(&bob, "it is still me");
    bob.tells(&alice, "so it is");
    alice.send("/quit");
    bob.hears(&format!("[SERVER] {} left (1 online)", alice.name));
    chat.login("alice");
}

/// Who leaves while the second login waits makes room for it. Wait without the lock that a client needs
/// to leave.
wire(server) fn the_first_may_leave_while_the_second_waits(case) {
    let chat = Chat::start_with(case, rejecting(case));
    let [mut first, _bob] = chat.room();
    let start = Instant::now();
    chat.refuses("alice", &chat.credentials("alice"));
    let half_of_the_wait = start.elapsed().saturating_sub(Duration::from_millis(125));
    // The check of a password may take longer this time.
    for _ in 0..3 {
        let second = chat.asked("alice");
        second.send(&chat.credentials("alice"));
        std::thread::sleep(half_of_the_wait);
        first.send("/quit");
        let answer = second.receives_some("an answer", |l| l.starts_with("AUTH_"));
        if answer.starts_with("AUTH_SUCCESS ") {
            return;
        }
        first = chat.login("alice");
    }
    fail("AUTH_SUCCESS when the first one leaves within the quarter of a second", "AUTH_FAILED, three times");
}

/// Many logins of one name at once: one comes in.
wire(server) fn of_many_logins_at_once_one_comes_in(case) {
    let chat = Chat::start_with(case, rejecting(case));
    let bob = chat.register("bob");
    chat.registered("alice");
    bob.hears_some("alice to leave", |l| l.contains(" left ("));
    let crowd: Vec<_> = (0..6).map(|n| chat.asked(&format!("alice {n}"))).collect();
    crowd.iter().for_each(|line| line.send(&chat.credentials("alice")));
    let answers = crowd.iter().map(|line| line.receives_some("an answer", |l| l.starts_with("AUTH_")));
    let let_in = answers.filter(|answer| answer.starts_with("AUTH_SUCCESS ")).count();
    require(let_in == 1, "one AUTH_SUCCESS", let_in.to_string());
}
}

checks! {
/// A second login replaces the first.
pub duplicates_replaced:

/// A second login ends the older session: its client is told and disconnected, and its
/// token is no longer accepted.
wire(server) fn a_second_login_can_replace_the_first(case) {
    let chat = Chat::start_with(case, replacing(case));
    let [older, bob] = chat.room();
    let newer = chat.login("alice");
    older.hears(ELSEWHERE);
    older.lines_to_the_end();
    newer.tells(&bob, "it is me");
    bob.tells(&newer, "welcome back");
    require(newer.users.len() == 2, "two in the list", newer.users.join(","));
    newer.send("/quit");
    newer.lines_to_the_end();
    bob.hears(&format!("[SERVER] {} left (1 online)", newer.name));
    chat.refuses("alice", &format!("RESUME {}", older.token));
}

/// Who is replaced in the middle of what it says: nothing of that comes behind its departure.
wire(server) fn who_is_replaced_says_nothing_more(case) {
    let chat = Chat::start_with(case, replacing(case));
    let [older, bob] = chat.room();
    older.send_all((0..2000).map(|n| format!("number {n}")));
    let newer = chat.login("alice");
    newer.send("the last word");
    let lines = bob.lines_to("the last word", |l| l.ends_with(": the last word"));
    let said_after = lines.iter().skip_while(|l| !l.contains(&format!("{} left (", newer.name)));
    let late: Vec<_> = said_after.filter(|l| l.contains(": number ")).collect();
    require(late.is_empty(), "nothing of the older connection after it has left", format!("{late:?}"));
}

/// The token of another session replaces no connection, here either: two clients that
/// reconnect by themselves would replace each other for ever.
wire(server) fn the_token_of_another_session_replaces_no_connection(case) {
    resumes_no_other_session(&Chat::start_with(case, replacing(case)));
}

/// However many come at once, one remains, and the list and the count know it.
wire(server) fn of_many_replacements_one_remains(case) {
    let chat = Chat::start_with(case, replacing(case));
    let bob = chat.register("bob");
    chat.register("alice");
    let crowd: Vec<_> = (0..6).map(|n| chat.asked(&format!("alice {n}"))).collect();
    crowd.iter().for_each(|line| line.send(&chat.credentials("alice")));
    for line in &crowd {
        line.receives_some("AUTH_SUCCESS", |l| l.starts_with("AUTH_SUCCESS "));
    }
    let carol = chat.register("carol");
    require(carol.users.len() == 3, "alice, bob and carol", carol.users.join(","));
    carol.send("how many of you are there?");
    bob.hears_some("carol", |l| l.contains("how many of you"));
    bob.send("/quit");
    carol.hears(&format!("[SERVER] {} left (2 online)", bob.name));
}
}
