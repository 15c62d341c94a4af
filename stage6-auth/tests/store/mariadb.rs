//! What can be wrong with a server, and what happens when it goes away.

use crate::suite::{append, message, new_user};
use crate::{suite, trial};
use common::poison::IgnorePoison;
use libtest_mimic::Trial;
use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder};
use stage6_auth::store::mysql::setup::{Account, Prepared, init};
use stage6_auth::store::{DbUrl, MySqlUrl, SCHEMA, Schema, Step, StoreError, open};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use testkit::mariadb::MariaDb;

/// One server for all tests that do not kill it; each has a database of its own.
static SHARED: Mutex<Option<MariaDb>> = Mutex::new(None);

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, test) in suite::TESTS {
        trials.push(Trial::test(format!("mariadb::{name}"), move || {
            test(&open(&url(&fresh_url()), &SCHEMA)?);
            Ok(())
        }));
    }
    for (name, test) in suite::ADMIN_TESTS {
        trials.push(Trial::test(format!("mariadb::{name}"), move || {
            let (admin, account) = fresh();
            prepare(&admin, &account);
            test(&open(&url(&admin), &SCHEMA)?);
            Ok(())
        }));
    }
    trials.extend([
        trial("mariadb::init_can_be_run_again", init_can_be_run_again),
        trial("mariadb::the_admin_program_prints_the_servers_url", admin_program),
        trial("mariadb::the_account_can_add_and_read_and_nothing_else", grants),
        trial("mariadb::accounts_with_more_rights_are_noticed", excess),
        trial("mariadb::no_server_wrong_password_no_tables", what_open_says),
        trial("mariadb::versions_older_and_newer", versions_older_and_newer),
        trial("mariadb::a_weaker_setting_is_noticed", a_weaker_setting_is_noticed),
        trial("mariadb::a_server_that_takes_no_changes", read_only),
        trial("mariadb::two_servers_share_the_ids_without_a_gap", two_servers),
        trial("mariadb::what_the_table_cannot_take_is_refused_alone", refused_alone),
        trial("mariadb::a_server_that_ignores_our_character_set", character_set),
    ]);
    trials.extend(crate::outage::trials());
    trials.extend(crate::migration::mariadb_trials());
    let Some(why) = MariaDb::missing() else { return trials };
    eprintln!("ignored: all tests mariadb::*, since {why}");
    trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect()
}

/// The test harness ends the process without dropping what is static.
pub fn stop() {
    drop(shared().take());
}

/// Poisoned means that it did not start; the next test says so for itself.
fn shared() -> MutexGuard<'static, Option<MariaDb>> {
    SHARED.lock().ignore_poison()
}

pub fn url(text: &str) -> DbUrl {
    text.parse().unwrap()
}

fn mysql_url(text: &str) -> MySqlUrl {
    match url(text) {
        DbUrl::MySql(url) => url,
        other => panic!("{other}"),
    }
}

pub fn connect(text: &str) -> Conn {
    let opts = OptsBuilder::from_opts(Opts::from_url(text).unwrap()).prefer_socket(false);
    Conn::new(opts).unwrap()
}

/// A new database on the shared server: the administrator's URL, and the account's name.
pub fn fresh() -> (String, Account) {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut shared = shared();
    let server = shared.get_or_insert_with(MariaDb::start);
    (server.admin_url(&format!("chat_{n}")), account(&format!("chat_{n}")))
}

pub fn account(user: &str) -> Account {
    Account { user: user.to_owned(), hosts: Vec::new(), new_password: false }
}

pub fn prepare(admin: &str, account: &Account) -> Prepared {
    init(&mysql_url(admin), &SCHEMA, account).unwrap()
}

/// A prepared database on the shared server, for the chat server's account.
pub fn fresh_url() -> String {
    let (admin, account) = fresh();
    prepare(&admin, &account).url.unwrap()
}

fn why(text: &str) -> StoreError {
    open(&url(text), &SCHEMA).err().expect("it opened")
}

fn init_can_be_run_again() {
    let (admin, mut account) = fresh();
    let first = prepare(&admin, &account).url.unwrap();
    let store = open(&url(&first), &SCHEMA).unwrap();
    append(&store, &[message(1, "kept")]).unwrap();
    assert!(prepare(&admin, &account).url.is_none(), "the password stays as it is");
    assert!(open(&url(&first), &SCHEMA).is_ok());
    account.new_password = true;
    let second = prepare(&admin, &account).url.unwrap();
    assert_ne!(first, second);
    assert!(why(&first).to_string().contains("refuses the account"));
    let store = open(&url(&second), &SCHEMA).unwrap();
    assert_eq!(store.recent(10).unwrap(), [message(1, "kept")]);
    assert!(prepare(&admin, &account).excess.is_empty());
}

/// Through the program, since a course's `make` target will use it like that.
fn admin_program() {
    let (admin, account) = fresh();
    let run = |url: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stage6-admin"));
        command.env("CHAT_DB", url).env("CHAT_PASSWORD", "correct horse").args(arguments).output().unwrap()
    };
    let init = ["init", "--user", &account.user];
    let first = run(&admin, &init);
    assert!(first.status.success(), "{first:?}");
    let server = String::from_utf8(first.stdout).unwrap();
    let server = server.trim_end();
    let again = run(&admin, &init);
    assert!(again.status.success() && again.stdout.is_empty(), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("--new-password"));

    assert!(run(server, &["add", "alice", "--bcrypt-cost", "4"]).status.success(), "needs INSERT only");
    let denied = run(server, &["role", "alice", "admin"]);
    assert_eq!(denied.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&denied.stderr).contains("administrator's URL"), "{denied:?}");
    assert!(run(&admin, &["role", "alice", "admin"]).status.success());
    let list = run(server, &["list"]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("admin"), "{list:?}");
    let denied = run(server, &init);
    assert_eq!(denied.status.code(), Some(1), "{denied:?}");
}

fn grants() {
    let url = fresh_url();
    let store = open(&self::url(&url), &SCHEMA).unwrap();
    store.add_users(&[new_user("alice")]).unwrap();
    append(&store, &[message(1, "a")]).unwrap();
    let mut conn = connect(&url);
    for forbidden in [
        "DELETE FROM messages",
        "UPDATE messages SET message = ''",
        "UPDATE users SET role = 'admin'",
        "DROP TABLE messages",
        "TRUNCATE messages",
        "ALTER TABLE messages ADD COLUMN x INT",
        "CREATE TABLE x (x INT)",
        "REPLACE INTO users (id, username, username_key, password_hash, created_at) VALUES (1, 'x', 'x', 'x', 1)",
        "INSERT INTO users (username, username_key, password_hash, created_at) VALUES ('alice', 'alice', 'x', 1) \
         ON DUPLICATE KEY UPDATE role = 'admin'",
        "SELECT * FROM mysql.user",
        "GRANT SELECT ON messages TO 'chat'@'localhost'",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "LOCK TABLES messages WRITE",
    ] {
        let error = conn.query_drop(forbidden).expect_err(forbidden);
        assert!(error.to_string().contains("denied"), "{forbidden}: {error}");
    }
    let error = store.set_role("alice", stage6_auth::store::Role::Admin).unwrap_err();
    assert!(error.to_string().contains("does not allow this account"), "{error:?}");
    assert!(error.to_string().contains("administrator"));
    assert_eq!(store.recent(10).unwrap(), [message(1, "a")]);
}

fn excess() {
    let (admin, account) = fresh();
    prepare(&admin, &account);
    let user = &account.user;
    connect(&admin).query_drop(format!("GRANT DELETE ON {user}.users TO '{user}'@'127.0.0.1'")).unwrap();
    let excess = prepare(&admin, &account).excess;
    assert_eq!(excess.len(), 1, "{excess:?}");
    assert!(excess[0].contains("DELETE"), "{excess:?}");
}

fn what_open_says() {
    let (admin, account) = fresh();
    let good = prepare(&admin, &account).url.unwrap();
    let password = good.split([':', '@']).nth(2).unwrap();
    let wrong = good.replace(password, "wrong-password");
    let error = why(&wrong);
    assert!(error.to_string().contains("refuses the account"), "{error:?}");
    assert!(!error.to_string().contains("wrong-password"), "{error}");

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = why(&format!("mysql://chat:secret@127.0.0.1:{free}/chat"));
    assert!(refused.to_string().contains("cannot be reached"), "{refused:?}");
    assert!(!format!("{refused} {refused:?}").contains("secret"));
    let no_such_host = why("mysql://chat:secret@no-such-host.invalid/chat");
    assert!(no_such_host.to_string().contains("cannot be reached"), "{no_such_host:?}");

    let missing = why(&admin.replace("/chat_", "/missing_"));
    assert!(missing.to_string().contains("has no chat tables yet"), "{missing:?}");
    connect(&admin).query_drop("DROP TABLE schema_version").unwrap();
    let empty = why(&good);
    assert!(empty.to_string().contains("has no chat tables yet"), "{empty:?}");
    assert!(empty.to_string().contains("stage6-admin init"), "{empty}");
}

fn versions_older_and_newer() {
    const MORE: Step = Step {
        sqlite: &[],
        mysql: &["ALTER TABLE messages ADD COLUMN IF NOT EXISTS room VARCHAR(32) NOT NULL DEFAULT 'lobby'"],
        renames: &[],
    };
    const NEXT: Schema = Schema { steps: &[SCHEMA.steps[0], MORE], program: "stage7-admin" };
    let (admin, account) = fresh();
    let url = self::url(&prepare(&admin, &account).url.unwrap());
    append(&open(&url, &SCHEMA).unwrap(), &[message(1, "old")]).unwrap();
    let error = open(&url, &NEXT).err().unwrap();
    assert!(error.to_string().contains("tables of version 4 and this program needs 5"), "{error:?}");
    for _ in 0..2 {
        init(&mysql_url(&admin), &NEXT, &account).unwrap();
    }
    assert_eq!(open(&url, &NEXT).unwrap().recent(10).unwrap(), [message(1, "old")]);
    let error = open(&url, &SCHEMA).err().unwrap();
    assert!(error.to_string().contains("tables of version 5 and this program knows only 4"), "{error:?}");
    let error = init(&mysql_url(&admin), &SCHEMA, &account).unwrap_err();
    assert!(error.to_string().contains("this program knows only 4"), "{error:?}");
}

fn a_weaker_setting_is_noticed() {
    let server = MariaDb::start();
    let admin = server.admin_url("chat");
    let url = prepare(&admin, &account("chat")).url.unwrap();
    assert_eq!(open(&self::url(&url), &SCHEMA).unwrap().durability_warning().unwrap(), None);
    connect(&admin).query_drop("SET GLOBAL innodb_flush_log_at_trx_commit = 2").unwrap();
    let warning = open(&self::url(&url), &SCHEMA).unwrap().durability_warning().unwrap();
    assert!(warning.unwrap().contains("innodb_flush_log_at_trx_commit"));
}

fn two_servers() {
    const EACH: i64 = 60;
    let server = fresh_url();
    std::thread::scope(|scope| {
        for run in 0..2 {
            let store = open(&url(&server), &SCHEMA).unwrap();
            scope.spawn(move || {
                for n in 0..EACH {
                    let batch = [0, 1].map(|half| {
                        let mut message = message(2 * n + half, &format!("{run} {n}"));
                        message.id.run = run;
                        message
                    });
                    assert!(append(&store, &batch).unwrap().is_empty());
                }
            });
        }
    });
    let rows: Vec<(i64, String)> =
        connect(&server).query("SELECT id, message FROM messages ORDER BY id").unwrap();
    assert!(rows.iter().map(|row| row.0).eq(1..=4 * EACH), "{rows:?}");
    assert!(rows.chunks(2).all(|pair| pair[0].1 == pair[1].1), "a batch stays in one piece: {rows:?}");
}

/// As after somebody has made the table with a character set of their own.
fn refused_alone() {
    let (admin, account) = fresh();
    let server = prepare(&admin, &account).url.unwrap();
    let change = "ALTER TABLE messages MODIFY message TEXT CHARACTER SET latin1 NOT NULL";
    connect(&admin).query_drop(change).unwrap();
    let store = open(&url(&server), &SCHEMA).unwrap();
    let batch: Vec<_> = (0..100).map(|n| message(n, if n % 40 == 7 { "🦀" } else { "plain" })).collect();
    assert_eq!(append(&store, &batch).unwrap(), [7, 47, 87]);
    let rows: Vec<(i64, i64)> = connect(&admin).query("SELECT id, number FROM messages ORDER BY id").unwrap();
    assert!(rows.iter().map(|row| row.0).eq(1..=97), "no gap: {rows:?}");
    assert!(rows.iter().map(|row| row.1).eq((0..100).filter(|n| n % 40 != 7)), "{rows:?}");
}

/// Such a server reads what a client sends in a character set of its own unless
/// the client says otherwise later than with its first words.
fn character_set() {
    let (admin, account) = fresh();
    let server = prepare(&admin, &account).url.unwrap();
    let mut conn = connect(&admin);
    conn.query_drop("SET GLOBAL character_set_server = latin1").unwrap();
    conn.query_drop("SET GLOBAL init_connect = 'SET NAMES latin1'").unwrap();
    let store = open(&url(&server), &SCHEMA).unwrap();
    append(&store, &[message(1, "grüße 🦀")]).unwrap();
    conn.query_drop("SET GLOBAL init_connect = ''").unwrap();
    conn.query_drop("SET GLOBAL character_set_server = utf8mb4").unwrap();
    assert_eq!(open(&url(&server), &SCHEMA).unwrap().recent(1).unwrap(), [message(1, "grüße 🦀")]);
}

fn read_only() {
    let server = MariaDb::start();
    let admin = server.admin_url("chat");
    let store = open(&url(&prepare(&admin, &account("chat")).url.unwrap()), &SCHEMA).unwrap();
    connect(&admin).query_drop("SET GLOBAL read_only = ON").unwrap();
    let error = append(&store, &[message(1, "a")]).unwrap_err();
    assert!(error.to_string().contains("is read-only"), "{error:?}");
    assert!(error.to_string().contains("SET GLOBAL read_only = OFF"), "{error}");
}
