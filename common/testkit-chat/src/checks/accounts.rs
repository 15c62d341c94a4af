//! Names, passwords, and what a failed login tells.

use crate::chat::{Chat, PASSWORD, WRONG};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use testkit::{checks, require, require_in_time};

/// SQL that would show, were it ever read as such.
const INJECTIONS: [&str; 5] =
    ["' OR '1'='1", "x'; DROP TABLE users; --", "\" OR \"\"=\"", "1); DELETE FROM messages; --", "%' --"];

checks! {
/// What a name may be.
pub names:

/// 1 to 32 of the letters `A` to `Z` and `a` to `z`, the digits `0` to `9`, `_`, `.` and `-`:
/// no letters and digits of other alphabets, which `\w` may let in.
wire(server) fn names_have_1_to_32_plain_characters(case) {
    let chat = Chat::start(case);
    let longest = format!("{:_<32}", chat.name("Zz0.-"));
    let alice = chat.enter("alice", &format!("REGISTER {longest} {PASSWORD}"));
    require(alice.name == longest, &longest, &alice.name);
    // A server in another language may keep this name from an earlier check.
    let shortest = chat.asked("x");
    shortest.send(&format!("REGISTER x {PASSWORD}"));
    let may_be_had = |l: &str| l.starts_with("AUTH_SUCCESS x ") || l == "AUTH_FAILED name already taken";
    shortest.receives_some("AUTH_SUCCESS for the name x, or that it is taken", may_be_had);
    let inside = ["al ice", "al\tice", "al/ice", "al,ice", "a:b", "a'b", "a%b", "aliçe", "ali\u{441}e", "al²", "al٣", "alice\u{200b}"];
    let begun = ["álice", "日本", "[SERVER]", "%", " alice"];
    // With the end that makes names new: no other check may have registered one of them.
    let named = inside.iter().chain(&begun).map(|name| chat.name(name));
    for name in named.chain([format!("{longest}x")]) {
        let eve = chat.asked("eve");
        eve.send("REGISTER");
        eve.receives("ENTER_USERNAME");
        eve.send(&name);
        // It may say so at once, or when it has the password.
        if eve.receives_some("the next step", |l| l == "ENTER_PASSWORD" || l.starts_with("AUTH_FAILED ")) == "ENTER_PASSWORD" {
            eve.send(PASSWORD);
            eve.is_refused();
        }
    }
}

/// Files are called after names, and the server's own lines begin with `[SERVER]`.
ours(server) fn a_name_that_could_be_taken_for_something_else_is_refused(case) {
    let chat = Chat::start(case);
    for name in [".", "..", "-rf", "_", "server", "SERVER"] {
        chat.refuses("eve", &format!("REGISTER {name} {PASSWORD}"));
    }
    chat.register("alice");
}

/// A name is taken in whatever case it is written: `Alice` is `alice`. Make it
/// unique in the database, not by looking first: two may come at once.
wire(server) fn a_name_is_unique_whatever_its_case(case) {
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    for name in [alice.name.clone(), alice.name.to_uppercase(), alice.name.replace("al", "Al")] {
        chat.refuses("eve", &format!("REGISTER {name} another password"));
    }
}

/// Whatever the case at login, the name is shown as it was registered.
wire(server) fn a_name_is_shown_as_registered(case) {
    let chat = Chat::start(case);
    let name = chat.name("AliceCooper");
    let bob = chat.register("bob");
    let alice = chat.enter("alice", &format!("REGISTER {name} {PASSWORD}"));
    alice.send("/quit");
    bob.hears_some("alice to leave", |l| l.contains(" left ("));
    let alice = chat.enter("alice", &format!("LOGIN {} {PASSWORD}", name.to_lowercase()));
    require(alice.name == name, &name, &alice.name);
    bob.hears_some("her arrival", |l| l.starts_with(&format!("[SERVER] {name} joined")));
    alice.tells(&bob, "hello");
    require(alice.users.contains(&name), format!("{name} in the list"), alice.users.join(","));
}

/// Eight register the same name at once: one of them gets it, and its password is the one that counts.
/// Leave it to the database to say that the name is taken.
wire(server) fn one_of_many_gets_the_name(case) {
    let chat = Chat::start(case);
    let crowd: Vec<_> = (0..8).map(|n| chat.asked(&format!("eve {n}"))).collect();
    for (n, eve) in crowd.iter().enumerate() {
        let name = if n % 2 == 0 { chat.name("alice") } else { chat.name("ALICE") };
        eve.send(&format!("REGISTER {name} password {n}"));
    }
    let answers = crowd.iter().map(|eve| eve.hears_some("an answer", |l| l.starts_with("AUTH_")));
    let let_in: Vec<_> = answers.map(|answer| answer.starts_with("AUTH_SUCCESS ")).collect();
    let count = let_in.iter().filter(|is_in| **is_in).count();
    require(count == 1, "one AUTH_SUCCESS", count.to_string());
    drop(crowd);
    // The winner's, and two others: who guesses more may be made to wait.
    let winner = let_in.iter().position(|is_in| *is_in).unwrap_or_default();
    for n in [winner, (winner + 1) % 8, (winner + 7) % 8] {
        let line = chat.asked("alice");
        line.send(&format!("LOGIN {} password {n}", chat.name("alice")));
        let answer = line.hears_some("an answer", |l| l.starts_with("AUTH_"));
        let expected = if let_in[n] { "AUTH_SUCCESS" } else { WRONG };
        require(answer.starts_with(expected), format!("{expected} for password {n}"), answer);
    }
}
}

checks! {
/// Passwords, and what a failed login tells.
pub passwords:

/// The right one comes in, and no other: not the beginning of it, not more than
/// it, not another case, not nothing.
wire(server) fn only_the_right_password_comes_in(case) {
    let chat = Chat::start(case);
    chat.registered("alice");
    let cut = &PASSWORD[..PASSWORD.len() - 1];
    for wrong in [cut, &format!("{PASSWORD}!"), &PASSWORD.to_uppercase(), "correct  horse", "x", "\0"] {
        let line = chat.refuses("eve", &format!("LOGIN {} {wrong}", chat.name("alice")));
        require(line == WRONG, WRONG, line);
    }
    chat.login("alice");
}

/// 8 to 72 bytes: count bytes, not characters. bcrypt reads the first 72 only, and
/// most libraries stop at a NUL, so refuse a longer password and one with a NUL:
/// its end would not count.
wire(server) fn passwords_have_8_to_72_bytes_and_no_nul(case) {
    let chat = Chat::start(case);
    let refused = ["seven77", "ééé", &"x".repeat(73), &"é".repeat(37), "with a\0in it", "\0in front", "behind it\0"];
    for password in refused {
        chat.refuses("eve", &format!("REGISTER {} {password}", chat.name("eve")));
    }
    let (longest, wide) = ("y".repeat(72), "é".repeat(4));
    for (who, password) in [("bob", "eight888"), ("carol", &wide), ("dave", &longest)] {
        chat.enter(who, &format!("REGISTER {} {password}", chat.name(who)));
    }
    let line = chat.refuses("eve", &format!("LOGIN {} {longest}z", chat.name("dave")));
    require(line == WRONG, WRONG, line);
}

/// The reason is the same for a wrong password, for a name that does not exist, and
/// for one that cannot exist. Otherwise an attacker learns which names to guess at.
wire(server) fn the_reason_tells_nothing(case) {
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    let unknown = chat.name("nobody");
    for name in [&alice.name, &alice.name.to_uppercase(), &unknown, "a/b", &"x".repeat(33)] {
        let connection = chat.asked("eve");
        for (step, next) in [("LOGIN", "ENTER_USERNAME"), (name, "ENTER_PASSWORD"), ("wrong password", WRONG)] {
            connection.send(step);
            connection.receives(next);
        }
    }
}

/// An unknown name takes as long as a wrong password, and so does one that cannot be: compute a
/// hash all the same, and compare it with something.
wire(server) fn an_unknown_name_takes_as_long_as_a_wrong_password(case) {
    let chat = Chat::start_with(case, &["--bcrypt-cost", "10", "--login-rate", "0"]);
    chat.registered("alice");
    let attempt = |name: &str| {
        let connection = chat.asked("eve");
        let start = Instant::now();
        connection.send(&format!("LOGIN {name} wrong password"));
        connection.receives(WRONG);
        start.elapsed()
    };
    // A busy machine makes some of them slow, but not all.
    let fastest = |times: Vec<Duration>| times.into_iter().min().unwrap_or_default();
    let names = [chat.name("alice"), chat.name("nobody"), chat.name("can/not")];
    let times: Vec<_> = (0..7).map(|_| names.each_ref().map(|name| attempt(name))).collect();
    let [wrong, unknown, impossible] = [0, 1, 2].map(|of| fastest(times.iter().map(|times| times[of]).collect()));
    for other in [unknown, impossible] {
        let ratio = other.as_secs_f64() / wrong.as_secs_f64();
        let about = format!("about {wrong:?}, as for a wrong password");
        require_in_time((0.3..3.3).contains(&ratio), about, format!("{other:?}"));
    }
}

/// SQL in any field is text like any other: parameters, never strings put together.
wire(server) fn sql_in_any_field_is_text(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    for (n, injection) in INJECTIONS.iter().enumerate() {
        let answers = [
            format!("LOGIN {injection}"),
            format!("LOGIN {} {injection}", alice.name),
            format!("RESUME {injection}"),
        ];
        for request in answers {
            let eve = chat.asked("eve");
            eve.send(&request);
            let answer = eve.receives_some("a refusal", |l| l.starts_with("AUTH_FAILED "));
            let leaks = ["syntax", "SQL", "sql", "near \""].iter().any(|word| answer.contains(word));
            require(!leaks, "a refusal that tells nothing of the database", answer);
        }
        let connection = chat.asked("eve");
        connection.send_all(["LOGIN", injection, "some password"]);
        connection.receives("ENTER_USERNAME");
        connection.receives("ENTER_PASSWORD");
        connection.receives(WRONG);
        alice.tells(&bob, injection);
        // As a password it is as good as any.
        chat.enter("guest", &format!("REGISTER {}{n} {injection}-long", chat.name("guest")));
    }
    let carol = chat.register("carol");
    for injection in INJECTIONS {
        let said = format!("{}: {injection}", alice.name);
        let kept = carol.history.iter().any(|line| line.ends_with(&said));
        require(kept, format!("{said:?} in the history"), format!("{:?}", carol.history));
    }
}
}

checks! {
/// How guessing is slowed.
pub login_rate:

/// `--login-rate N`: after N failures a minute the next attempt from this address
/// waits. All other users go on: those in the room, and those that log in from
/// other addresses.
ours(server, waits) fn failed_logins_slow_their_address_and_nobody_else(case) {
    let chat = Chat::start_with(case, &["--login-rate", "12", "--listen", "0.0.0.0:0"]);
    let [alice, bob] = chat.room();
    let guesser = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
    let guess = |n: usize| {
        let connection = chat.connect_from("eve", guesser);
        connection.receives("AUTH_REQUIRED");
        connection.send(&format!("LOGIN {} guess {n}", chat.name(&format!("victim{n}"))));
        connection
    };
    let start = Instant::now();
    for n in 0..12 {
        guess(n).receives(WRONG);
    }
    let slowed = guess(12);
    for n in 0..5 {
        alice.tells(&bob, &format!("do you hear me? {n}"));
    }
    chat.registered("carol");
    chat.login("carol");
    require(!slowed.has_received(WRONG), "the others served while the guesser waits", "the guesser served first");
    while !slowed.has_received(WRONG) {
        require_in_time(start.elapsed() < Duration::from_secs(15), "an answer after 5 s", "none after 15 s");
        std::thread::sleep(Duration::from_millis(20));
    }
    let waited = start.elapsed();
    require(waited > Duration::from_millis(4800), "12 guesses a minute, so the 13th after 5 s", format!("{waited:?}"));
}

/// Guesses at one name from many addresses are slowed, and its owner is not: an
/// account that locks, or whose owner waits in line with the guessers, can be locked
/// by any client.
ours(server, waits) fn failed_logins_slow_their_name_and_do_not_lock_it(case) {
    let chat = Chat::start_with(case, &["--login-rate", "20", "--listen", "0.0.0.0:0"]);
    chat.registered("alice");
    let start = Instant::now();
    let guess = |n: u8| {
        let connection = chat.connect_from("eve", IpAddr::V4(Ipv4Addr::new(127, 0, 1, n)));
        connection.receives("AUTH_REQUIRED");
        connection.send(&format!("LOGIN {} guess {n}", chat.name("alice")));
        connection
    };
    for n in 0..20 {
        guess(n).receives(WRONG);
    }
    let again: Vec<_> = (0..10).map(guess).collect();
    chat.login("alice");
    require(!again[9].has_received(WRONG), "alice let in while her guessers wait", "the guessers served first");
    again[0].receives_some("its answer", |l| l.starts_with("AUTH_FAILED "));
    let waited = start.elapsed();
    require(waited > Duration::from_millis(2800), "20 a minute, so the 21st after 3 s", format!("{waited:?}"));
}

/// Right passwords are not slowed, however many come.
ours(server) fn right_passwords_are_not_slowed(case) {
    let chat = Chat::start_with(case, &["--login-rate", "1"]);
    let bob = chat.register("bob");
    chat.registered("alice");
    for _ in 0..5 {
        bob.hears_some("alice to leave", |l| l.contains(" left ("));
        chat.login("alice").send("/quit");
    }
}
}
