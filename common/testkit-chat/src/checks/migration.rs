//! A database of stage 6 under a later stage: nothing that is in it may be lost.

use crate::chat::Chat;
use crate::checks::run_admin;
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use testkit::{Case, checks, require};

const STAGE_6: &str = include_str!("stage6.sql");
/// Alice's, whose hash stands there.
const TOKEN: &str = "GX1z2mJtH7Z8M43PHMm6EopddIZ6cb7_ttG9hrA0sJc";

/// Puts the database of stage 6 where our server looks for its own.
#[track_caller]
fn put_database(case: &Case) {
    let path = case.folder().join("chat.db");
    let database = Connection::open(&path).expect("the case's folder can be written to");
    database.execute_batch(STAGE_6).expect("the script was recorded from such a database");
    // The sessions were recorded once; theirs is a day that may be over.
    let now = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";
    database
        .execute(&format!("UPDATE sessions SET created = {now}, expires = {now} + 3600000"), [])
        .expect("it is ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
}

checks! {
/// From stage 7 on.
pub migration:

/// A server does not change the tables itself: it names the command that does, and
/// ends with exit code 1. Afterwards users, passwords, roles, messages and sessions
/// are what they were.
ours(both) fn a_database_of_stage_6_goes_on_without_loss(case) {
    crate::prepare(case);
    put_database(case);
    let init = format!("stage{}-admin init", case.stage());
    let server = case.run_server(&["--listen", "127.0.0.1:0"]);
    server.exits(1);
    let said = server.errors().lines().any(|l| l.starts_with("error: ") && l.contains(&init));
    require(said, format!("error: … {init}"), server.errors());
    run_admin(case, &["init"]).exits(0);
    let chat = Chat::start(case);
    let alice = chat.enter("alice", &format!("RESUME {TOKEN}"));
    require(alice.name == "Alice", "Alice", &alice.name);
    let said: Vec<_> = alice.history.iter().map(|l| l.splitn(3, ' ').nth(2).unwrap_or_default()).collect();
    let expected =
        ["Alice: the first message", "Alice: grüße, 世界 🦀", "Alice: it's %s {} -- ;", "bob:   hello, Alice  "];
    require(said == expected, format!("{expected:?}"), format!("{said:?}"));
    let bob = chat.enter("bob", "LOGIN BOB correct horse");
    require(bob.name == "bob", "bob", &bob.name);
    bob.send("/announce still an admin");
    alice.hears("[SERVER] announcement by bob: still an admin");
    alice.tells(&bob, "and all goes on");
    chat.refuses("eve", "REGISTER ALICE another password");
    // Once more does no harm.
    drop(chat);
    run_admin(case, &["init"]).exits(0);
    let alice = Chat::start(case).enter("alice", "LOGIN alice correct horse");
    require(alice.history.iter().any(|l| l.ends_with("and all goes on")), "all that was said", format!("{:?}", alice.history));
}
}
