//! Databases as the version before made them.

use crate::mariadb::{connect, fresh, prepare, url};
use crate::suite::{append, message, new_user};
use crate::trial;
use libtest_mimic::Trial;
use mysql::prelude::Queryable;
use rusqlite::Connection;
use stage6_auth::store::{Role, SCHEMA, Store, StoreError, open, sqlite};

/// Recorded from the server of that version.
const SQLITE: &str = include_str!("../../../common/testkit-chat/src/checks/stage6.sql");
const MARIADB: &str = include_str!("version1.sql");

pub fn sqlite_trials() -> Vec<Trial> {
    vec![trial("sqlite::an_older_file_keeps_what_is_in_it", sqlite)]
}

pub fn mariadb_trials() -> Vec<Trial> {
    vec![
        trial("mariadb::older_tables_keep_what_is_in_them", || mariadb(&[])),
        trial("mariadb::an_upgrade_that_was_interrupted_is_run_again", || {
            mariadb(&[
                "ALTER TABLE users RENAME COLUMN name TO username",
                "ALTER TABLE messages RENAME COLUMN seq TO id",
            ]);
        }),
    ]
}

fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    Connection::open(&path).unwrap().execute_batch(SQLITE).unwrap();
    is_too_old(crate::sqlite::open(&path).err());
    for _ in 0..2 {
        sqlite::init(&path, &SCHEMA).unwrap();
    }
    has_everything(&crate::sqlite::open(&path).unwrap());
    let ids = "SELECT group_concat(id, ' ') FROM (SELECT id FROM messages ORDER BY id)";
    let ids: String = Connection::open(&path).unwrap().query_row(ids, [], |row| row.get(0)).unwrap();
    assert_eq!(ids, "1 2 3 4 5 6");
}

fn mariadb(interrupted_after: &[&str]) {
    let (admin, account) = fresh();
    let (server, database) = admin.rsplit_once('/').unwrap();
    connect(&format!("{server}/mysql"))
        .query_drop(format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"))
        .unwrap();
    let mut conn = connect(&admin);
    for statement in MARIADB.split(";\n").filter(|statement| !statement.trim().is_empty()) {
        conn.query_drop(statement).unwrap();
    }
    is_too_old(open(&url(&admin), &SCHEMA).err());
    interrupted_after.iter().for_each(|statement| conn.query_drop(statement).unwrap());
    let server_url = prepare(&admin, &account).url.unwrap();
    prepare(&admin, &account);
    has_everything(&open(&url(&server_url), &SCHEMA).unwrap());
    let ids: Vec<i64> = conn.query("SELECT id FROM messages ORDER BY id").unwrap();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
}

fn is_too_old(error: Option<StoreError>) {
    let error = error.expect("it opened");
    assert!(error.to_string().contains("tables of version 1 and this program needs 4"), "{error:?}");
    assert!(error.to_string().contains("stage6-admin init"), "{error}");
}

fn has_everything(store: &Store) {
    let texts = |limit| store.recent(limit).unwrap().into_iter().map(|m| m.text).collect::<Vec<_>>();
    let old = texts(10);
    assert_eq!(old.len(), 4, "the one that was retracted is in no history: {old:?}");
    assert_eq!((old[0].as_str(), old[1].as_str()), ("the first message", "grüße, 世界 🦀"));
    assert_eq!((old[3].as_str(), &*store.recent(1).unwrap()[0].name), ("  hello, Alice  ", "bob"));
    assert_eq!(store.recent(1).unwrap()[0].sent, 1_795_562_788_735);
    let bob = store.user("BOB").unwrap().unwrap();
    assert_eq!((bob.role, bob.created), (Role::Admin, 1_795_562_788_734));
    assert!(bob.password.0.starts_with("$2b$04$VJ84"));
    let mut token = [0; 32];
    hex::decode_to_slice("4828F2985EEE2A9963716B819ED1A651DAC810CE3332F91FEA5AF5BBB2419F3A", &mut token)
        .unwrap();
    assert_eq!(store.session_user(&token, 1_795_562_788_732).unwrap().unwrap().name, "Alice");
    store.add_users(&[new_user("carol")]).unwrap();
    append(store, &[message(1, "new")]).unwrap();
    assert_eq!(texts(2), ["  hello, Alice  ", "new"]);
}
