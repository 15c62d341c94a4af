//! The server is killed under load, and so is its database; or the disk fails: what
//! anybody has seen is in the database afterwards, once.
//!
//!     cargo test -p stage6-auth --test kill                             five times
//!     cargo test -p stage6-auth --test kill -- --ignored a_hundred      a hundred times
//!
//! These tests know the envelope and the table of messages, since they have to
//! look behind the server; the graded checks do not.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod chat;
mod faults;
mod mariadb;

use chat::{Chat, Server, TestUser, Writer};
use libtest_mimic::{Arguments, Trial};
use std::collections::{HashMap, HashSet};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let missing = testkit::mariadb::MariaDb::missing();
    if let Some(why) = &missing {
        eprintln!("ignored: those with MariaDB, since {why}");
    }
    let trials = vec![
        trial("five_kills_lose_nothing", || kills(5)),
        trial("a_hundred_kills_lose_nothing", || kills(100)).with_ignored_flag(true),
        trial("writes_and_flushes_that_fail_lose_nothing", faults::failing_disk)
            .with_ignored_flag(!cfg!(target_os = "linux")),
        trial("mariadb_killed_under_load", mariadb::killed_under_load).with_ignored_flag(missing.is_some()),
        trial("the_end_with_a_frozen_mariadb", mariadb::the_end_while_frozen)
            .with_ignored_flag(missing.is_some()),
    ];
    libtest_mimic::run(&args, trials).exit_code()
}

/// Some write as fast as they can, everybody reads, and in the middle of it the
/// server is gone; `rounds` times with the same database.
fn kills(rounds: u64) {
    let chat = Chat::new();
    let mut found = Found::default();
    let mut seen_in_all = 0;
    for round in 0..rounds {
        let server = Server::start(&chat, &chat.sqlite_url());
        let reader = server.enter("reader", round == 0);
        let writers: Vec<_> =
            (0..3).map(|n| Writer::start(server.enter(&format!("writer{n}"), round == 0), round)).collect();
        reader.sees_more_than(20);
        // A different moment in the work of the committer each time.
        thread::sleep(Duration::from_micros(round * 7919 % 50_000));
        server.kill();
        let mut seen = reader.seen_to_the_end();
        assert!(seen.len() > 20, "nothing was said in round {round}");
        for writer in writers {
            seen.extend(writer.end().seen_to_the_end());
        }
        found.read(&chat);
        for line in &seen {
            assert!(found.lines.contains_key(line), "round {round}: {line:?} was seen and is not stored");
        }
        seen_in_all += seen.len();
    }
    let twice: Vec<_> = found.lines.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "stored twice: {twice:?}");
    println!("{rounds} kills: {seen_in_all} lines seen, {} stored", found.lines.len());
}

/// What is in the database, read round by round.
#[derive(Default)]
struct Found {
    /// `name: text`, and how often.
    lines: HashMap<String, usize>,
    last: i64,
}

impl Found {
    fn read(&mut self, chat: &Chat) {
        let database = rusqlite::Connection::open(chat.database()).unwrap();
        let query = "SELECT id, username, message FROM messages WHERE id > ?1 ORDER BY id";
        let mut query = database.prepare(query).unwrap();
        let mut rows = query.query([self.last]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            self.last = row.get(0).unwrap();
            let (name, text): (String, String) = (row.get(1).unwrap(), row.get(2).unwrap());
            *self.lines.entry(format!("{name}: {text}")).or_default() += 1;
        }
    }
}

/// After faults of the database: each line was either stored and shown, or its writer
/// was told that it was not.
fn check_against_database(
    mut server: Server,
    reader: TestUser,
    writers: Vec<Writer>,
    stored: impl FnOnce() -> Vec<String>,
) {
    let mut refused = 0;
    let mut sent = 0;
    let mut seen = HashSet::new();
    for writer in writers {
        let (user, lines) = writer.stop();
        user.half_close();
        sent += lines as usize;
        // It ends when all that it said was decided on.
        let (lines, not_stored) = user.seen_and_refused();
        refused += not_stored;
        seen.extend(lines);
    }
    server.still_runs();
    reader.half_close();
    seen.extend(reader.seen_to_the_end());

    let stored = once(stored());
    let missing: Vec<_> = seen.difference(&stored).take(5).collect();
    assert!(missing.is_empty(), "shown and not stored: {missing:?}");
    let unseen: Vec<_> = stored.difference(&seen).take(5).collect();
    assert!(unseen.is_empty(), "stored and shown to nobody: {unseen:?}");
    assert_eq!(stored.len() + refused, sent, "each line is stored or its writer told that it is not");
    assert!(refused > 0);
    println!("{sent} lines: {} stored and seen, {refused} refused", stored.len());
}

/// Live lines of writers, each at most once.
fn once(lines: Vec<String>) -> HashSet<String> {
    let count = lines.len();
    let set: HashSet<String> = lines.into_iter().collect();
    assert_eq!(set.len(), count, "a line was shown twice");
    set
}
