//! The database is killed under load and started again; the server lives on.

use crate::chat::{Chat, Server, Writer};
use crate::check_against_database;
use stage6_auth::store::mysql::setup::{Account, init};
use stage6_auth::store::{DbUrl, SCHEMA, open};
use testkit::mariadb::MariaDb;

/// A server, and the URL for the chat's account on it.
fn prepared() -> (MariaDb, String) {
    let mariadb = MariaDb::start();
    let DbUrl::MySql(admin) = mariadb.admin_url("chat").parse().unwrap() else { unreachable!() };
    let account = Account { user: "chat".into(), hosts: Vec::new(), new_password: false };
    let url = init(&admin, &SCHEMA, &account).unwrap().url.unwrap();
    (mariadb, url)
}

pub fn killed_under_load() {
    let (mut mariadb, url) = prepared();
    let chat = Chat::new();
    let mut server = Server::start(&chat, &url);
    let reader = server.enter("reader", true);
    let writers: Vec<_> =
        (0..2).map(|n| Writer::start(server.enter(&format!("writer{n}"), true), 0)).collect();
    reader.sees_more_than(50);
    for _ in 0..3 {
        mariadb.kill();
        let before = writers[0].user().not_stored();
        writers[0].user().wait("to be told that it is not stored", |inbox| inbox.not_stored > before);
        server.still_runs();
        mariadb.restart();
        let before = reader.seen();
        reader.sees_more_than(before + 20);
    }
    check_against_database(server, reader, writers, || {
        let stored = open(&url.parse().unwrap(), &SCHEMA).unwrap().recent(10_000_000).unwrap();
        stored.into_iter().map(|m| format!("{}: {}", m.name, m.text)).collect()
    });
}

/// The database hangs, under load, and the server is told to end: it does, in
/// time and in good order.
pub fn the_end_while_frozen() {
    let (mariadb, url) = prepared();
    let chat = Chat::new();
    let server = Server::start(&chat, &url);
    let reader = server.enter("reader", true);
    let writer = Writer::start(server.enter("writer0", true), 0);
    reader.sees_more_than(20);
    mariadb.freeze();
    let (code, time) = server.terminate();
    mariadb.thaw();
    assert_eq!(code, Some(0));
    assert!(time.as_secs_f64() < 5.0, "it took {time:?}");
    reader.wait("for the notice of the shutdown", |inbox| inbox.shutdown_notice);
    writer.end();
}
