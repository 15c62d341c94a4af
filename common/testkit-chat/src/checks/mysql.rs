//! The same server on MariaDB.

use super::admin::run;
use crate::chat::Chat;
use std::time::Duration;
use testkit::mariadb::MariaDb;
use testkit::{Case, Signal, checks, require};

const NOT_STORED: &str = "[SERVER] error: message not stored, try again";

/// A prepared database, and the URL that `stageN-admin init` prints for the server.
#[track_caller]
pub fn prepared(case: &Case) -> (MariaDb, String) {
    let database = MariaDb::start();
    let init = run(case, &["init", "--db", &database.admin_url("chat")]);
    init.exits(0);
    let url = init.output().trim().to_owned();
    require(url.starts_with("mysql://"), "the URL for the server on standard output", &url);
    (database, url)
}

checks! {
/// The server on MariaDB.
pub mysql:

/// `stageN-admin init` prints the URL of an account that suffices for the server:
/// accounts, messages, sessions, history, also for the next server.
ours(server) fn the_server_runs_on_mariadb(case) {
    let (_database, url) = prepared(case);
    let chat = Chat::start_with(case, &["--db", &url]);
    let [alice, bob] = chat.room();
    for text in ["hello", "' OR '1'='1", "grüße, 世界 🦀 \x1b[31m \0", &"x".repeat(3023)] {
        alice.tells(&bob, text);
    }
    chat.server.program.signal(Signal::KILL);
    chat.server.program.ends(Duration::from_secs(5));
    let chat = chat.again(&["--db", &url]);
    let back = chat.enter("alice", &format!("RESUME {}", alice.token));
    require(back.history.len() == 4, "four messages", format!("{:?}", back.history));
    let last = back.history[2].ends_with(": grüße, 世界 🦀 \x1b[31m \0");
    require(last, "the text as it was sent", format!("{:?}", back.history[2]));
    back.send("/logout");
    back.lines_to_the_end();
    chat.refuses("alice", &format!("RESUME {}", alice.token));
    chat.login("alice");
}

/// The database is killed under the server: messages are refused and not delivered;
/// the users stay connected. When the database is back, all works as before.
ours(server) fn the_server_outlives_its_database(case) {
    let (mut database, url) = prepared(case);
    let chat = Chat::start_with(case, &["--db", &url]);
    let [alice, bob] = chat.room();
    alice.tells(&bob, "before");
    database.kill();
    for text in ["lost", "lost too"] {
        alice.send(text);
        alice.hears(NOT_STORED);
    }
    chat.refuses("alice", &format!("RESUME {}", alice.token));
    database.restart();
    super::storage::stores_again(&alice, &bob);
    bob.never_hears("lost", "stored again");
    let history = chat.register("carol").history;
    require(history.iter().any(|l| l.ends_with("before")), "what was said before", format!("{history:?}"));
    let lost = history.iter().find(|l| l.ends_with("lost") || l.ends_with("lost too"));
    require(lost.is_none(), "nothing that was refused", format!("{history:?}"));
}
}
