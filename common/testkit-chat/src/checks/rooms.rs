//! Rooms: everyone is in exactly one.

use crate::chat::Chat;
use crate::checks::history::is_utc;
use crate::user::User;
use testkit::{checks, require};

/// Its answer to `/rooms`, as names and counts.
#[track_caller]
pub(super) fn rooms(user: &User) -> Vec<String> {
    user.send("/rooms");
    let line = user.hears_some("[ROOMS] …", |l| l.starts_with("[ROOMS] "));
    line["[ROOMS] ".len()..].split(',').map(str::to_owned).collect()
}

/// Its answer to `/users`, which comes at once; lists that were gathered may come
/// before it and are as good.
#[track_caller]
fn sees_exactly(user: &User, expected: &[&User]) {
    user.send("/users");
    user.hears_list(expected);
}

/// The texts that `/history` shows, and nothing but such lines.
#[track_caller]
fn history(user: &User, request: &str) -> Vec<String> {
    user.send_all([request, "/rooms"]);
    let lines = user.lines_to("the answer to the next command", |l| l.starts_with("[ROOMS] "));
    let shown = lines.into_iter().filter(|l| l.starts_with("[HISTORY] "));
    shown
        .map(|l| {
            let mut parts = l.splitn(3, ' ').skip(1);
            let (time, said) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            require(is_utc(time), "[HISTORY] TIME name: TEXT", &l);
            said.to_owned()
        })
        .collect()
}

checks! {
/// The room of a user, and the other users in it.
pub rooms_of_a_server:

/// Every user begins in the lobby, and `/rooms` shows how many users each room has.
wire(server) fn everybody_begins_in_the_lobby(case) {
    let chat = Chat::start(case);
    let [alice, _bob] = chat.room();
    let listed = rooms(&alice);
    require(listed == ["lobby 2"], "[ROOMS] lobby 2", listed.join(","));
}

/// What is said in a room stays in it: the others' rooms hear nothing of it, and
/// those in it all hear it, in both directions.
wire(server) fn a_message_stays_in_its_room(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol, dave] = chat.room();
    let rust = chat.name("rust");
    carol.joins(&rust);
    dave.joins(&rust);
    alice.tells(&bob, "for the lobby");
    carol.tells(&dave, "for the others in rust");
    alice.joins(&rust);
    alice.send("the fence");
    for listener in [&carol, &dave] {
        listener.never_hears("for the lobby", &format!("{}: the fence", alice.name));
    }
    alice.leaves();
    alice.send("the other fence");
    bob.never_hears("in rust", &format!("{}: the other fence", alice.name));
    bob.send("the last fence");
    alice.never_hears(": for the others", &format!("{}: the last fence", bob.name));
}

/// `/rooms` lists the rooms that users are in, each with their number.
wire(server) fn the_rooms_are_listed_with_their_users(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol, _dave] = chat.room();
    let rust = chat.name("rust");
    bob.joins(&rust);
    carol.joins(&rust);
    let mut listed = rooms(&alice);
    listed.sort();
    require(listed == ["lobby 2".to_owned(), format!("{rust} 2")], format!("[ROOMS] lobby 2,{rust} 2"), listed.join(","));
    carol.leaves();
    let mut listed = rooms(&alice);
    listed.sort();
    require(listed == ["lobby 3".to_owned(), format!("{rust} 1")], format!("[ROOMS] lobby 3,{rust} 1"), listed.join(","));
}

/// `/users` lists the users in this room only.
wire(server) fn users_lists_those_in_the_room(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    bob.joins(&chat.name("rust"));
    sees_exactly(&bob, &[&bob]);
    sees_exactly(&alice, &[&alice, &carol]);
}

/// `/leave` leads back to the lobby, from wherever.
wire(server) fn leaving_a_room_leads_back_to_the_lobby(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    alice.joins(&chat.name("rust"));
    alice.joins(&chat.name("zig"));
    alice.leaves();
    bob.tells(&alice, "welcome back");
    alice.tells(&bob, "it was lonely there");
}

/// When a user enters or leaves a room, all users in it get a new list, as in the
/// one room of stage 6.
wire(server) fn who_moves_changes_the_lists_of_both_rooms(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    let rust = chat.name("rust");
    bob.joins(&rust);
    alice.hears_list(&[&alice, &carol]);
    carol.joins(&rust);
    bob.hears_list(&[&bob, &carol]);
    alice.hears_list(&[&alice]);
}

/// A user that loses the connection has left its room, and is in the lobby after
/// the next login.
wire(server) fn who_comes_back_begins_in_the_lobby(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    let rust = chat.name("rust");
    alice.joins(&rust);
    carol.joins(&rust);
    let token = alice.token.clone();
    alice.connection.peer.reset();
    carol.hears_list(&[&carol]);
    let alice = chat.enter("alice", &format!("RESUME {token}"));
    alice.tells(&bob, "here I am");
}

/// A room has 1 to 32 of the characters of a name, and may begin with each of them. With any
/// other name the user stays in its room.
wire(server) fn room_names_have_1_to_32_plain_characters(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let longest = format!("{:_<32}", chat.name("Zz0.-"));
    for room in [&format!("{longest}x"), "", " ", "a/b", "a,b", "two words", "größe", "[x]", "%", "a\u{1b}[2J"] {
        alice.may_not(&format!("/join {room}"));
    }
    alice.tells(&bob, "still here");
    alice.joins(&longest);
    let listed = rooms(&bob);
    require(listed.contains(&format!("{longest} 1")), format!("{longest} 1"), listed.join(","));
    for room in ["7", "_", ".", "-", "7a", "_a", ".a", "-a", "A-", "a."] {
        alice.joins(room);
        let listed = rooms(&alice);
        require(listed.contains(&format!("{room} 1")), format!("{room} 1"), listed.join(","));
    }
}

/// `/history` shows what was said in this room, oldest first, and nothing from
/// another one.
wire(server) fn the_history_is_the_rooms_own(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    let rust = chat.name("rust");
    alice.tells(&bob, "said in the lobby");
    bob.joins(&rust);
    carol.joins(&rust);
    for n in 0..5 {
        bob.tells(&carol, &format!("said in rust {n}"));
    }
    bob.send("/publish published");
    bob.send(&format!("/msg {} between us", carol.name));
    carol.hears(&format!("[private] {}: between us", bob.name));
    alice.joins(&rust);
    let seen = history(&alice, "/history");
    let said: Vec<_> = (0..5).map(|n| format!("{}: said in rust {n}", bob.name)).collect();
    require(seen == said, "the five lines of this room", format!("{seen:?}"));
    alice.leaves();
    let seen = history(&alice, "/history");
    require(seen == [format!("{}: said in the lobby", alice.name)], "the one line of the lobby", format!("{seen:?}"));
}

/// A history that is longer than the queue of a client comes whole: it is sent on as
/// the client reads.
ours(server) fn a_long_history_comes_whole(case) {
    let chat = Chat::start_with(case, &["--queue", "100000"]);
    let [alice, bob] = chat.room();
    for n in 0..40 {
        alice.send_all((0..50).map(|i| format!("{n} {i}")));
        alice.tells(&bob, &"long ".repeat(500));
    }
    let seen = history(&bob, "/history 10000");
    require(seen.len() == 40 * 51, "2040 messages", seen.len().to_string());
    let ends = [&seen[0], &seen[2038]].map(|l| l.split_once(": ").map(|(_, text)| text));
    require(ends == [Some("0 0"), Some("39 49")], "oldest first", format!("{ends:?}"));
    bob.tells(&alice, "heard it all");
}

/// `/history N` shows the last N of them.
wire(server) fn the_history_can_be_asked_for_by_number(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    for n in 0..40 {
        alice.send(&format!("number {n}"));
    }
    bob.hears(&format!("{}: number 39", alice.name));
    for (request, first) in [("/history 3", 37), ("/history 1", 39), ("/history 35", 5), ("/history 100", 0)] {
        let seen = history(&bob, request);
        let expected: Vec<_> = (first..40).map(|n| format!("{}: number {n}", alice.name)).collect();
        require(seen == expected, format!("the numbers from {first} to 39"), format!("{seen:?}"));
    }
    for wrong in ["/history some", "/history -1", "/history +5", "/history 1_0", "/history \u{663}"] {
        bob.may_not(wrong);
    }
}

/// The rooms' histories are still there after the server was killed.
wire(server) fn the_rooms_histories_outlive_the_server(case) {
    let chat = Chat::start(case);
    let rust = chat.name("rust");
    let [alice, bob] = chat.room();
    for user in [&alice, &bob] {
        user.joins(&rust);
    }
    alice.send_all((0..200).map(|n| format!("number {n}")));
    bob.hears(&format!("{}: number 20", alice.name));
    chat.server.program.signal(testkit::Signal::KILL);
    let mut seen = 20;
    while let testkit::Next::Line(line) = bob.next() {
        seen = line.rsplit_once(": number ").and_then(|(_, n)| n.parse().ok()).unwrap_or(seen);
    }
    chat.server.program.ends(std::time::Duration::from_secs(5));
    let chat = chat.again(&[]);
    let carol = chat.register("carol");
    carol.joins(&rust);
    let kept = history(&carol, "/history 1000");
    let expected: Vec<_> = (0..kept.len()).map(|n| format!("{}: number {n}", chat.name("alice"))).collect();
    let complete = kept == expected && kept.len() > seen;
    require(complete, format!("number 0 to number {seen}, which bob has seen, or more"), format!("{} lines, {:?} the last", kept.len(), kept.last()));
}
}
