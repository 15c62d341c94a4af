//! The same server on MariaDB.

use super::admin::run;
use super::member::Chat;
use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder};
use std::time::Duration;
use testkit::mariadb::MariaDb;
use testkit::{Case, Signal, checks, require};

const NOT_STORED: &str = "[SERVER] error: message not stored, try again";

/// A prepared database, and the URL that `stage6-admin init` prints for the server.
#[track_caller]
fn prepared(case: &Case) -> (MariaDb, String) {
    let database = MariaDb::start();
    let init = run(case, &["init", "--db", &database.admin_url("chat")]);
    init.exits(0);
    let url = init.output().trim().to_owned();
    require(url.starts_with("mysql://"), "the URL for the server on standard output", &url);
    (database, url)
}

checks! { pub mysql:

/// `stage6-admin init` prints the URL of an account that suffices for the server:
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

/// SELECT and INSERT and nothing else, so that whoever takes over the server
/// cannot change what was said.
ours(tool) fn the_servers_account_can_only_select_and_insert(case) {
    let (_database, url) = prepared(case);
    let options = OptsBuilder::from_opts(Opts::from_url(&url).expect("a URL")).prefer_socket(false);
    let mut connection = Conn::new(options).expect("the account can connect");
    for statement in ["DELETE FROM messages", "UPDATE users SET role = 'admin'", "DROP TABLE messages",
        "TRUNCATE messages", "CREATE TABLE t (a INT)", "ALTER TABLE users ADD a INT", "SELECT * FROM mysql.user",
        "GRANT ALL ON *.* TO CURRENT_USER"]
    {
        let denied = connection.query_drop(statement).is_err_and(|e| e.to_string().contains("denied"));
        require(denied, format!("{statement} denied"), "that it is allowed");
    }
    require(connection.query_drop("SELECT * FROM messages").is_ok(), "SELECT allowed", "that it is denied");
}

/// The database is killed under the server: messages are refused, and sent to
/// nobody; the chat stays. When it is back, so is everything.
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
