//! What stage 7 keeps, in both databases, and a database of stage 6 that goes on
//! without loss.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use common::poison::IgnorePoison;
use libtest_mimic::{Arguments, Trial};
use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder};
use stage6_auth::store::mysql::setup::{Account, init};
use stage6_auth::store::{
    self, DbUrl, Message, MessageId, NewUser, PasswordHash, Schema, Store, rows, sqlite,
};
use stage7_rooms_pubsub::addressed_message::{Address, AddressedMessage, PRIVATE, Recipient};
use stage7_rooms_pubsub::message_store::{self, SCHEMA};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use testkit::mariadb::MariaDb;

/// Where a test's database is, and how an administrator prepares it.
enum TestDatabase {
    File(TempDir),
    Server { admin: String, account: Account },
}

static SERVER: Mutex<Option<MariaDb>> = Mutex::new(None);

impl TestDatabase {
    fn file() -> TestDatabase {
        TestDatabase::File(tempfile::tempdir().unwrap())
    }

    fn server(database: &str) -> TestDatabase {
        let mut server = SERVER.lock().ignore_poison();
        let admin = server.get_or_insert_with(MariaDb::start).admin_url(database);
        let account = Account { user: database.to_owned(), hosts: Vec::new(), new_password: true };
        TestDatabase::Server { admin, account }
    }

    /// Brings the tables to this version; the URL for a server that may read and add.
    fn prepare(&self, schema: &Schema) -> DbUrl {
        match self {
            TestDatabase::File(folder) => {
                let path = folder.path().join("chat.db");
                sqlite::init(&path, schema).unwrap();
                DbUrl::Sqlite(path)
            }
            TestDatabase::Server { admin, account } => {
                let DbUrl::MySql(url) = admin.parse().unwrap() else { panic!("{admin}") };
                init(&url, schema, account).unwrap().url.unwrap().parse().unwrap()
            }
        }
    }
}

type Test = fn(&TestDatabase);

const TESTS: [(&str, Test); 4] = [
    ("a_database_of_stage_6_goes_on_without_loss", goes_on),
    ("each_room_has_its_own_history", histories),
    ("the_last_word_on_a_subscription_counts", subscriptions),
    ("one_step_that_was_interrupted_is_run_again", interrupted),
];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let missing = MariaDb::missing();
    if let Some(why) = &missing {
        eprintln!("ignored: all tests mariadb::*, since {why}");
    }
    let mut trials = Vec::new();
    for (name, test) in TESTS {
        trials.push(Trial::test(format!("sqlite::{name}"), move || {
            test(&TestDatabase::file());
            Ok(())
        }));
        let on_mariadb = move || {
            test(&TestDatabase::server(&name[..8]));
            Ok(())
        };
        trials.push(Trial::test(format!("mariadb::{name}"), on_mariadb).with_ignored_flag(missing.is_some()));
    }
    let conclusion = libtest_mimic::run(&args, trials);
    // What is static is not dropped at the end of the process.
    drop(SERVER.lock().ignore_poison().take());
    conclusion.exit_code()
}

fn message(number: i64, text: &str) -> Message {
    let mut message = Message::new("alice".into(), text.to_owned());
    (message.id, message.sent) = (MessageId { run: 42, number }, 1_700_000_000_000 + number);
    message
}

fn said(number: i64, to: Recipient) -> AddressedMessage {
    AddressedMessage { message: message(number, &format!("text {number}")), to: Address::Users(to) }
}

fn new_user(name: &str) -> NewUser {
    NewUser { name: name.to_owned(), password: PasswordHash("$2b$04$x".into()) }
}

fn texts(store: &Arc<Store>, room: &str, limit: usize) -> Vec<String> {
    message_store::room_history(store, room, limit).unwrap().into_iter().map(|m| m.text).collect()
}

fn goes_on(database: &TestDatabase) {
    let url = database.prepare(&store::SCHEMA);
    let old = store::open(&url, &store::SCHEMA).unwrap();
    old.append(&rows(&[message(1, "old"), message(2, "older")])).unwrap();
    old.add_users(&[new_user("Alice")]).unwrap();
    drop(old);
    let error = store::open(&url, &SCHEMA).err().unwrap();
    assert!(error.to_string().contains("tables of version 4 and this program needs 5"), "{error:?}");
    assert!(error.to_string().contains("stage7-admin init"), "{error}");
    let url = database.prepare(&SCHEMA);
    let new = store::open(&url, &SCHEMA).unwrap();
    assert_eq!(
        message_store::room_history(&new, "lobby", 10).unwrap(),
        [message(1, "old"), message(2, "older")]
    );
    assert_eq!(new.user("alice").unwrap().unwrap().name, "Alice");
    new.append(&rows(&[said(3, Recipient::Room("lobby".into()))])).unwrap();
    assert_eq!(texts(&new, "lobby", 2), ["older", "text 3"]);
    let error = store::open(&url, &store::SCHEMA).err().unwrap();
    assert!(error.to_string().contains("tables of version 5 and this program knows only 4"), "{error:?}");
}

fn histories(database: &TestDatabase) {
    let store = store::open(&database.prepare(&SCHEMA), &SCHEMA).unwrap();
    let batch = [
        said(1, Recipient::Room("lobby".into())),
        said(2, Recipient::Room("rust".into())),
        said(3, Recipient::Subscribers),
        said(4, Recipient::User("rust".into(), &PRIVATE)),
        said(5, Recipient::AllUsers),
        said(6, Recipient::Room("rust".into())),
        said(7, Recipient::Room("lobby".into())),
    ];
    store.append(&rows(&batch)).unwrap();
    assert_eq!(texts(&store, "rust", 10), ["text 2", "text 6"]);
    assert_eq!(texts(&store, "lobby", 10), ["text 1", "text 7"]);
    assert_eq!(texts(&store, "lobby", 1), ["text 7"]);
    assert_eq!(texts(&store, "Rust", 10), [""; 0], "rooms go by their keys");
    assert_eq!(store.recent(10).unwrap().len(), 7, "all of it is kept");
}

fn subscriptions(database: &TestDatabase) {
    let store = store::open(&database.prepare(&SCHEMA), &SCHEMA).unwrap();
    let names = ["alice", "Bob", "carol"];
    store.add_users(&names.map(new_user)).unwrap();
    let ids = names.map(|name| store.user(name).unwrap().unwrap().id);
    let of = |name: &str| message_store::subscriptions(&store, name).unwrap().join(",");
    let begin = |who: usize, whom: usize| message_store::subscribe(&store, ids[who], ids[whom]).unwrap();
    let end = |who: usize, whom: usize| message_store::unsubscribe(&store, ids[who], ids[whom]).unwrap();
    assert_eq!(of("alice"), "");
    begin(0, 2);
    begin(0, 1);
    begin(1, 0);
    assert_eq!((of("ALICE").as_str(), of("bob").as_str(), of("nobody").as_str()), ("Bob,carol", "alice", ""));
    let is = |who: usize, whom: usize| message_store::is_subscribed(&store, ids[who], ids[whom]).unwrap();
    assert!(is(0, 1) && is(1, 0) && !is(1, 2));
    end(0, 1);
    end(0, 1);
    assert_eq!(of("alice"), "carol");
    assert!(!is(0, 1));
    assert_eq!(message_store::subscription_changes(&store, ids[0]).unwrap(), 4);
    begin(0, 1);
    assert!(is(0, 1));
    assert_eq!(of("alice"), "Bob,carol");
}

/// On MySQL each change of a table commits by itself: the program may have been
/// killed between a change and the note that it is done.
fn interrupted(database: &TestDatabase) {
    database.prepare(&SCHEMA);
    if let TestDatabase::Server { admin, .. } = database {
        let opts = OptsBuilder::from_opts(Opts::from_url(admin).unwrap()).prefer_socket(false);
        Conn::new(opts).unwrap().query_drop("DELETE FROM schema_version WHERE version = 5").unwrap();
    }
    let store = store::open(&database.prepare(&SCHEMA), &SCHEMA).unwrap();
    store.append(&rows(&[said(1, Recipient::Subscribers)])).unwrap();
}
