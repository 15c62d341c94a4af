//! `stage6-admin` from outside, on SQLite. What it does on MariaDB is in `store`.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use testkit::hostile::PAYLOADS;

/// bcrypt of "correct horse", cost 4.
const HASH: &str = "$2b$04$lwOTi4mterR9lCQtvA0swOh1mC/WX4zEtP02i3HxZvLJlgs0.2fqe";

fn admin(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stage6-admin"));
    command.current_dir(folder).env_remove("CHAT_DB").env_remove("CHAT_PASSWORD").stdin(Stdio::null());
    command
}

#[track_caller]
fn run(folder: &TempDir, arguments: &[&str]) -> String {
    let output = admin(folder.path()).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The message of a run that must fail with exit code 1.
#[track_caller]
fn fails(output: Output) -> String {
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.starts_with("error: "), "{message}");
    message
}

fn add(folder: &TempDir, name: &str, password: &str) -> Output {
    let mut child = admin(folder.path())
        .args(["add", name, "--password-stdin", "--bcrypt-cost", "4"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have refused the name and gone before it reads.
    let _ = writeln!(child.stdin.take().unwrap(), "{password}");
    child.wait_with_output().unwrap()
}

fn names(folder: &TempDir) -> Vec<String> {
    let first = |line: &str| line.split_whitespace().next().unwrap().to_owned();
    run(folder, &["list"]).lines().map(first).collect()
}

#[test]
fn accounts_are_made_listed_and_given_roles() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(&folder, &["list"]), "");
    for name in ["carol", "Bob"] {
        assert!(add(&folder, name, "correct horse").status.success());
    }
    let mut command = admin(folder.path());
    let output = command.env("CHAT_PASSWORD", "from outside").args(["add", "alice", "--bcrypt-cost", "4"]);
    assert!(output.output().unwrap().status.success());
    assert_eq!(names(&folder), ["alice", "Bob", "carol"]);
    run(&folder, &["role", "bob", "admin"]);
    let list = run(&folder, &["list"]);
    let bob = list.lines().find(|line| line.starts_with("Bob")).unwrap();
    assert_eq!(bob.split_whitespace().nth(1), Some("admin"));
    assert!(!list.contains("$2"), "no hash on the screen");
}

/// A name that another program has put there. A file's name can be as bad.
#[test]
fn hostile_texts_in_a_database_and_in_a_path_are_shown_escaped() {
    let folder = tempfile::tempdir().unwrap();
    assert!(add(&folder, "alice", "correct horse").status.success());
    let database = rusqlite::Connection::open(folder.path().join("chat.db")).unwrap();
    for payload in PAYLOADS {
        let name = format!("{payload}\nroot admin");
        database.execute("UPDATE users SET username = ?1", [&name]).unwrap();
        let list = run(&folder, &["list"]);
        assert_eq!(list.lines().count(), 1, "{list:?}");
        assert!(list.contains(" member ") && !list.contains(payload), "{list:?}");
        let path = format!("sqlite:{}/chat.db", payload.replace('\0', ""));
        let error = fails(admin(folder.path()).args(["list", "--db", &path]).output().unwrap());
        assert!(error.lines().count() == 1 && !error.contains(payload), "{error:?}");
    }
}

#[test]
fn bad_names_and_passwords_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(add(&folder, "alice", "correct horse").status.success());
    assert!(fails(add(&folder, "ALICE", "correct horse")).contains("taken"));
    assert!(fails(add(&folder, "a b", "correct horse")).contains("1 to 32"));
    for password in ["", "seven77", &"x".repeat(73)] {
        assert!(fails(add(&folder, "bob", password)).contains("8 to 72 bytes"));
    }
    assert!(fails(admin(folder.path()).args(["role", "bob", "admin"]).output().unwrap()).contains("bob"));
    assert_eq!(names(&folder), ["alice"]);
}

#[test]
fn wrong_usage_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["role", "alice", "king"][..],
        &[],
        &["add"],
        &["sing"],
        &["add", "alice", "--bcrypt-cost", "3"],
        &["list", "--db", "postgres://x"],
        &["init", "--user", "o'hara"],
        &["init", "--from", "a'b"],
    ] {
        let output = admin(folder.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn the_password_is_asked_for_twice_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |first: &str, second: &str| {
        let mut command = admin(folder.path());
        command.args(["add", "alice", "--bcrypt-cost", "4"]);
        let mut terminal = rexpect::session::spawn_command(command, Some(20_000)).unwrap();
        for (prompt, typed) in [("Password: ", first), ("again: ", second)] {
            terminal.exp_string(prompt).unwrap();
            terminal.send_line(typed).unwrap();
        }
        terminal.exp_eof().unwrap()
    };
    let screen = ask("correct horse", "correct house");
    assert!(screen.contains("differ") && !screen.contains("correct"), "{screen}");
    assert_eq!(names(&folder), [""; 0]);
    let screen = ask("correct horse", "correct horse");
    assert!(screen.contains("added alice") && !screen.contains("correct"), "{screen}");
}

#[test]
fn without_a_terminal_it_says_how_to_give_the_password() {
    let folder = tempfile::tempdir().unwrap();
    // A session of its own has no terminal, even where the tests have one.
    let output = Command::new("setsid")
        .args(["--wait", env!("CARGO_BIN_EXE_stage6-admin"), "add", "alice"])
        .current_dir(folder.path())
        .env_remove("CHAT_PASSWORD")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(fails(output).contains("--password-stdin"));
}

#[test]
fn import_is_all_or_nothing_and_names_every_bad_entry() {
    let folder = tempfile::tempdir().unwrap();
    let import = |json: &str| {
        std::fs::write(folder.path().join("users.json"), json).unwrap();
        admin(folder.path()).args(["import", "users.json"]).output().unwrap()
    };
    assert!(add(&folder, "alice", "correct horse").status.success());
    let message = fails(import(&format!(
        r#"{{"good": "{HASH}", "dave": "{HASH}", "DAVE": "{HASH}", "dave": "{HASH}", "Alice": "{HASH}",
            "a b": "{HASH}", "eve": 5, "fay": "secret", "gus": "{}"}}"#,
        HASH.replace("$04$", "$31$")
    )));
    for bad in ["DAVE", "dave", "Alice", "a b", "eve", "fay", "gus"] {
        assert!(message.contains(&format!("\n  {bad}: ")), "{bad} in {message}");
    }
    assert!(!message.contains("good:") && message.contains("7 of its 9"), "{message}");
    assert!(!message.contains("secret"), "what stands for a password is not repeated");
    assert_eq!(names(&folder), ["alice"]);
    for wrong in ["", "[]", r#"{"a":"#, r#"{"a": "b"} more"#, "\u{0}"] {
        assert!(fails(import(wrong)).contains("users.json"), "{wrong}");
    }
    let kinds = ["$2a$", "$2b$", "$2y$"].map(|kind| HASH.replace("$2b$", kind));
    let [a, b, y] = kinds;
    assert!(import(&format!(r#"{{"ann": "{a}", "ben": "{b}", "Yve": "{y}"}}"#)).status.success());
    assert_eq!(names(&folder), ["alice", "ann", "ben", "Yve"]);
}

#[test]
fn init_on_sqlite_can_be_run_again() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        assert_eq!(run(&folder, &["init", "--db", "sqlite:my.db"]), "sqlite:my.db\n");
        assert_eq!(run(&folder, &["--db", "sqlite:my.db", "list"]), "");
    }
    let output = admin(folder.path()).env("CHAT_DB", "sqlite:/no/such/folder/x.db").arg("init").output();
    assert!(fails(output.unwrap()).contains("/no/such/folder/x.db"));
}
