//! What can be wrong with a file.

use crate::suite::{append, message, new_user};
use crate::{load, trial};
use libtest_mimic::Trial;
use rusqlite::Connection;
use stage6_auth::store::sql::RECENT;
use stage6_auth::store::{self, DbUrl, SCHEMA, Schema, Step, Store, StoreError, Value, sqlite};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("sqlite::the_file_is_its_owners_alone", the_file_is_its_owners_alone),
        trial("sqlite::everything_is_there_when_opened_again", everything_is_there_when_opened_again),
        trial("sqlite::a_file_that_is_no_database", a_file_that_is_no_database),
        trial("sqlite::a_database_of_another_program", a_database_of_another_program),
        trial("sqlite::a_path_that_cannot_be_made", a_path_that_cannot_be_made),
        trial("sqlite::a_file_that_cannot_be_written", a_file_that_cannot_be_written),
        trial("sqlite::locked_by_another_process", locked_by_another_process),
        trial("sqlite::the_process_is_killed_under_load", process_killed),
        trial("sqlite::versions_older_and_newer", versions_older_and_newer),
        trial("sqlite::a_file_that_is_deleted_while_it_is_open", deleted_while_open),
        trial("sqlite::a_file_that_is_replaced_while_it_is_open", replaced_while_open),
        trial("sqlite::a_damaged_file_is_called_that", damaged),
    ]
}

pub fn fresh() -> (TempDir, Arc<Store>) {
    let (folder, path) = folder();
    let store = open(&path).unwrap();
    (folder, store)
}

pub fn open(path: &Path) -> Result<Arc<Store>, StoreError> {
    store::open(&DbUrl::Sqlite(path.to_owned()), &SCHEMA)
}

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("chat.db");
    (folder, path)
}

fn why(path: &Path) -> StoreError {
    open(path).err().expect("it opened")
}

fn the_file_is_its_owners_alone() {
    let (folder, path) = folder();
    let store = open(&path).unwrap();
    append(&store, &[message(1, "a")]).unwrap();
    let mut files = 0;
    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        files += 1;
    }
    assert!(files >= 2, "the database and its log");
}

fn everything_is_there_when_opened_again() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    append(&store, &[message(1, "a"), message(2, "b")]).unwrap();
    store.add_users(&[new_user("alice")]).unwrap();
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.recent(10).unwrap(), [message(1, "a"), message(2, "b")]);
    assert!(store.user("alice").unwrap().is_some());
}

fn a_file_that_is_no_database() {
    let (_folder, path) = folder();
    fs::write(&path, "Dear diary, ".repeat(1000)).unwrap();
    let error = why(&path);
    assert!(error.to_string().contains("is not a database file"), "{error:?}");
    assert!(fs::read_to_string(&path).unwrap().starts_with("Dear diary"), "left as it was");
}

fn a_database_of_another_program() {
    let (_folder, path) = folder();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (cake TEXT)").unwrap();
    let error = why(&path);
    assert!(error.to_string().contains("of another program"), "{error:?}");
}

fn a_path_that_cannot_be_made() {
    let (folder, _) = folder();
    let error = why(&folder.path().join("no/such/folder/chat.db"));
    assert!(error.to_string().contains("cannot open"), "{error:?}");
    let error = why(folder.path());
    assert!(error.to_string().contains("cannot open"), "{error:?}");
}

/// To root every file is writable, except where the kernel says no to anyone.
fn a_file_that_cannot_be_written() {
    let (folder, path) = folder();
    drop(open(&path).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let is_root = fs::write(folder.path().join("probe"), "").is_ok();
    if !is_root {
        let error = why(&path);
        assert!(error.to_string().contains("is read-only"), "{error:?}");
        let error = why(&folder.path().join("new.db"));
        assert!(error.to_string().contains("is read-only"), "{error:?}");
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let error = why(Path::new("/proc/chat.db"));
    assert!(["is read-only", "cannot open"].iter().any(|text| error.to_string().contains(text)), "{error:?}");
}

fn locked_by_another_process() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    // A connection of its own is to SQLite what another process is.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = Instant::now();
    let error = append(&store, &[message(1, "a")]).unwrap_err();
    assert!(error.to_string().contains("is locked by another process"), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(store.recent(10).unwrap(), [], "readers go on");
    // Many at once, as when a class logs in: nobody waits for all the others.
    let started = Instant::now();
    std::thread::scope(|scope| {
        for n in 0..10 {
            let store = &store;
            scope.spawn(move || store.add_users(&[new_user(&format!("user{n}"))]).unwrap_err());
        }
    });
    assert!(started.elapsed() < Duration::from_secs(5));
    other.execute_batch("ROLLBACK").unwrap();
    append(&store, &[message(2, "b")]).unwrap();
    assert_eq!(store.recent(10).unwrap(), [message(2, "b")]);

    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = why(&path);
    assert!(error.to_string().contains("is locked by another process"), "{error:?}");
}

fn process_killed() {
    let (_folder, path) = folder();
    load::killed_processes(&format!("sqlite:{}", path.display()), 10);
}

fn versions_older_and_newer() {
    const MORE: Step = Step {
        sqlite: &["ALTER TABLE messages ADD COLUMN room TEXT NOT NULL DEFAULT 'lobby'"],
        mysql: &[],
        renames: &[],
    };
    const NEXT: Schema = Schema { steps: &[SCHEMA.steps[0], MORE], program: "stage7-admin" };
    let (_folder, path) = folder();
    append(&open(&path).unwrap(), &[message(1, "old")]).unwrap();
    let url = DbUrl::Sqlite(path.clone());
    let error = store::open(&url, &NEXT).err().unwrap().to_string();
    assert!(error.contains("tables of version 4 and this program needs 5"), "{error}");
    assert!(error.contains("stage7-admin init"), "{error}");
    for _ in 0..2 {
        sqlite::init(&path, &NEXT).unwrap();
    }
    let store = store::open(&url, &NEXT).unwrap();
    assert_eq!(store.recent(10).unwrap(), [message(1, "old")]);
    let error = why(&path);
    assert!(error.to_string().contains("tables of version 5 and this program knows only 4"), "{error:?}");
}

fn is_gone(error: &StoreError) -> bool {
    error.to_string().contains("was deleted, moved or replaced while it was open")
}

/// SQLite would go on writing into a file that no name leads to.
fn deleted_while_open() {
    for lost in ["chat.db", "chat.db-wal"] {
        let (folder, path) = folder();
        let store = open(&path).unwrap();
        append(&store, &[message(1, "before")]).unwrap();
        let (lost, moved) = (folder.path().join(lost), folder.path().join("moved"));
        fs::rename(&lost, &moved).unwrap();
        let error = append(&store, &[message(2, "into nowhere")]).unwrap_err();
        assert!(is_gone(&error), "{lost:?}: {error}");
        let error = store.add_users(&[new_user("alice")]).unwrap_err();
        assert!(is_gone(&error), "{lost:?}: {error}");
        // To read is to show messages, or to let a user in with a token.
        let error = store.session_user(&[1; 32], 1).unwrap_err();
        assert!(is_gone(&error), "{lost:?}: {error}");
        assert!(is_gone(&store.history(RECENT, &[Value::Integer(10)]).unwrap_err()), "{lost:?}");
        // It is the same file, so nothing has to be started again.
        fs::rename(&moved, &lost).unwrap();
        append(&store, &[message(3, "after")]).unwrap();
        assert_eq!(store.recent(10).unwrap(), [message(1, "before"), message(3, "after")]);
    }
}

fn replaced_while_open() {
    let (folder, path) = folder();
    let store = open(&path).unwrap();
    for file in ["chat.db", "chat.db-wal", "chat.db-shm"] {
        fs::remove_file(folder.path().join(file)).unwrap();
    }
    let other = open(&path).unwrap();
    assert!(is_gone(&append(&store, &[message(1, "a")]).unwrap_err()));
    assert!(is_gone(&store.user("alice").unwrap_err()));
    append(&other, &[message(2, "b")]).unwrap();
    assert_eq!(other.recent(10).unwrap(), [message(2, "b")]);
}

fn damaged() {
    let is_damaged = |error: StoreError| {
        assert!(error.to_string().contains("is damaged"), "{error:?}");
        assert!(error.to_string().contains("backup"), "{error}");
    };
    let (_folder, path) = folder();
    drop(open(&path).unwrap());
    let execute = |sql: &str| Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    // A row that this program cannot have written.
    let store = open(&path).unwrap();
    store.add_users(&[new_user("alice")]).unwrap();
    execute("PRAGMA ignore_check_constraints = ON; UPDATE users SET username = CAST(x'ff' AS TEXT)");
    is_damaged(store.user("alice").unwrap_err());
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..8192].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    is_damaged(why(&path));
}
