//! What any user sees is in the database, for each way to send it.

use crate::chat::Chat;
use crate::checks::storage::database;
use crate::user::User;
use rusqlite::Connection;
use std::time::{Duration, Instant};
use testkit::{checks, require};

const NOT_STORED: &str = "[SERVER] error: message not stored, try again";

/// The ways to send a text: what alice sends, and what bob, a subscriber, then
/// receives.
fn ways(alice: &User, bob: &User, text: &str) -> [(String, String); 3] {
    let name = &alice.name;
    [
        (text.to_owned(), format!("{name}: {text}")),
        (format!("/publish {text}"), format!("[pub] {name}: {text}")),
        (format!("/msg {} {text}", bob.name), format!("[private] {name}: {text}")),
    ]
}

checks! {
/// From stage 7 on.
pub durability_of_all_kinds:

/// At the moment at which a message, a publication or a private message is received
/// its row can be read in the database by any program.
ours(server) fn all_that_is_said_is_committed_before_it_is_sent_on(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    bob.subscribes(&alice);
    let database = database(case);
    let mut rows = database.prepare("SELECT count(*) FROM messages WHERE message = ?").expect("a table messages");
    for n in 0..60 {
        let text = format!("is it there? {n}");
        let (request, line) = &ways(&alice, &bob, &text)[n % 3];
        alice.send(request);
        bob.hears(line);
        let count: i64 = rows.query_row([&text], |row| row.get(0)).expect("it can be read");
        require(count == 1, format!("one row for {text:?}"), count.to_string());
    }
}

/// While the database cannot be written to, the sender gets an error, for each way
/// to send, and no user sees the text, then or later.
ours(server, waits) fn what_cannot_be_stored_reaches_nobody_by_any_way(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    bob.subscribes(&alice);
    carol.subscribes(&alice);
    carol.joins(&chat.name("rust"));
    let thief = Connection::open(case.folder().join("chat.db")).expect("an SQLite file");
    thief.execute_batch("BEGIN EXCLUSIVE").expect("nobody writes just now");
    for (request, _) in ways(&alice, &bob, "lost") {
        alice.send(&request);
        alice.hears(NOT_STORED);
    }
    thief.execute_batch("ROLLBACK").expect("the lock is ours");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !carol.has_received(&format!("[#lobby] {}: stored again", alice.name)) {
        require(Instant::now() < deadline, "messages stored again", "messages refused for 10 s");
        alice.send("stored again");
        std::thread::sleep(Duration::from_millis(100));
    }
    for listener in [&bob, &carol] {
        listener.never_hears("lost", "stored again");
    }
    alice.leaves();
    bob.send("/history");
    let seen = bob.lines_to("the history", |l| l.starts_with("[HISTORY] "));
    require(!seen.iter().any(|l| l.ends_with(": lost")), "nothing that was refused", format!("{seen:?}"));
}
}
