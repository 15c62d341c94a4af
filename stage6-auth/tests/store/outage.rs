//! A server that goes away, hangs, or comes back.

use crate::mariadb::{account, connect, fresh, fresh_url, prepare, url};
use crate::proxy::{Mode, Proxy};
use crate::suite::{append, message};
use crate::{load, trial};
use libtest_mimic::Trial;
use mysql::prelude::Queryable;
use stage6_auth::store::{SCHEMA, open};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use testkit::mariadb::MariaDb;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("mariadb::an_answer_that_is_lost", an_answer_that_is_lost),
        trial("mariadb::a_commit_that_comes_late", a_commit_that_comes_late),
        trial("mariadb::idle_connections_may_die", idle_connections_may_die),
        trial("mariadb::a_hanging_server_is_given_up_in_time", a_hanging_server),
        trial("mariadb::killed_under_load_and_started_again", killed_under_load),
        trial("mariadb::the_process_is_killed_under_load", process_killed),
    ]
}

/// The rows are there and the server said so, but nobody heard it.
fn an_answer_that_is_lost() {
    let server = fresh_url();
    let proxy = Proxy::start(&server);
    let store = open(&url(&proxy.url), &SCHEMA).unwrap();
    append(&store, &[message(1, "before")]).unwrap();
    proxy.set(Mode::LoseAnswer);
    append(&store, &[message(2, "lost"), message(3, "lost too")]).unwrap_err();
    let rows = "SELECT COUNT(*) FROM messages WHERE message LIKE 'lost%'";
    let mut conn = connect(&server);
    // The connection is lost before the database has the COMMIT.
    let started = Instant::now();
    while conn.query_first(rows).unwrap() != Some(2) {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "the test is worth nothing if they are not there"
        );
    }
    // Before anything else was stored: reading settles it too.
    assert_eq!(store.recent(10).unwrap(), [message(1, "before")]);
    append(&store, &[message(4, "lost"), message(5, "lost too")]).unwrap();
    let expected = [message(1, "before"), message(4, "lost"), message(5, "lost too")];
    assert_eq!(store.recent(10).unwrap(), expected);
    assert_eq!(open(&url(&server), &SCHEMA).unwrap().recent(10).unwrap(), expected, "for others too");
}

/// The server holds the transaction of a connection that it believes to be alive,
/// and with it the ids that come next.
fn a_commit_that_comes_late() {
    let server = fresh_url();
    let proxy = Proxy::start(&server);
    let store = open(&url(&proxy.url), &SCHEMA).unwrap();
    proxy.set(Mode::HoldCommit);
    let started = Instant::now();
    append(&store, &[message(1, "late")]).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(3));
    append(&store, &[message(2, "late")]).unwrap();
    assert_eq!(store.recent(10).unwrap(), [message(2, "late")]);
    proxy.release();
    assert_eq!(store.recent(10).unwrap(), [message(2, "late")]);
    let ids: Vec<i64> = connect(&server).query("SELECT id FROM messages ORDER BY id").unwrap();
    assert_eq!(ids, [1], "the transaction that was held has ended with its connection");
}

fn idle_connections_may_die() {
    let (admin, account) = fresh();
    let store = open(&url(&prepare(&admin, &account).url.unwrap()), &SCHEMA).unwrap();
    append(&store, &[message(1, "a")]).unwrap();
    let mut conn = connect(&admin);
    let user = &account.user;
    let all = format!("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{user}'");
    let ids: Vec<u64> = conn.query(all).unwrap();
    assert_eq!(ids.len(), 2, "the committer's and one in the pool");
    for id in ids {
        conn.query_drop(format!("KILL {id}")).unwrap();
    }
    append(&store, &[message(2, "b")]).unwrap();
    assert_eq!(store.user("nobody").unwrap(), None);
    assert_eq!(store.recent(10).unwrap().len(), 2);
}

fn a_hanging_server() {
    let server = MariaDb::start();
    let url = url(&prepare(&server.admin_url("chat"), &account("chat")).url.unwrap());
    let store = open(&url, &SCHEMA).unwrap();
    append(&store, &[message(1, "a")]).unwrap();
    server.freeze();
    // Many at once, as when a class logs in: no one waits for the others.
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| append(&store, &[message(2, "b")]).unwrap_err());
        for _ in 0..20 {
            scope.spawn(|| {
                let error = store.user("alice").unwrap_err();
                assert!(error.to_string().contains("cannot be reached"), "{error:?}");
            });
        }
    });
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    server.thaw();
    append(&store, &[message(3, "c")]).unwrap();
    let texts: Vec<_> = store.recent(10).unwrap().into_iter().map(|m| m.text).collect();
    assert_eq!(texts, ["a", "c"]);
}

fn killed_under_load() {
    let mut server = MariaDb::start();
    let url = url(&prepare(&server.admin_url("chat"), &account("chat")).url.unwrap());
    let store = open(&url, &SCHEMA).unwrap();
    let load = load::Load::start(store.clone(), 8);
    for _ in 0..4 {
        load.wait_for_more(300);
        server.kill();
        load.wait_for_refusal();
        server.restart();
    }
    load.wait_for_more(300);
    let shown = load.stop();
    let stored: Vec<String> = store.recent(usize::MAX >> 1).unwrap().into_iter().map(|m| m.text).collect();
    let different: HashSet<&String> = stored.iter().collect();
    assert_eq!(different.len(), stored.len(), "something is there twice");
    assert_eq!(stored, shown, "what was shown is what is stored, in the same order");
}

fn process_killed() {
    load::killed_processes(&fresh_url(), 4);
}
