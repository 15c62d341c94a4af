//! Private messages, held against another implementation of RFC 9180: what one
//! seals, the other opens, in both directions. And a compressed connection, held against
//! zlib.
//!
//! The first is PyHPKE (`pip install pyhpke`), run by `CHAT_PYTHON`, or by `python3`
//! where that is not set. Without it there is nothing to compare with, and the
//! tests say so as ignored; with `CHAT_CI` set they fail instead.

use base64::{Engine, engine::general_purpose::STANDARD};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use stage8_tls::identity::{Identity, MAX_TEXT};
use std::fs;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/agreement/hpke.py");
const DEFLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/agreement/deflate.py");

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trial = |name, test: fn(&str)| Trial::ignorable_test(name, move || with_python(test));
    let trials = vec![
        trial("what_we_seal_is_opened_by_pyhpke", ours_is_opened),
        trial("what_pyhpke_seals_is_opened_by_us", theirs_is_opened),
        trial("pyhpke_refuses_what_we_refuse", both_refuse),
        trial("a_client_with_zlib_and_our_server_understand_each_other", zlib_agrees),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn with_python(test: fn(&str)) -> Result<Completion, Failed> {
    let python = std::env::var("CHAT_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python).args(["-c", "import pyhpke"]).output();
    if there.is_ok_and(|output| output.status.success()) {
        test(&python);
        return Ok(Completion::Completed);
    }
    let missing =
        format!("{python} has no PyHPKE (python3 -m pip install pyhpke, in a venv; CHAT_PYTHON names it)");
    match std::env::var_os("CHAT_CI") {
        Some(_) => Err(missing.into()),
        None => Ok(Completion::ignored_with(missing)),
    }
}

/// What PyHPKE answers to each of the requests.
fn ask(python: &str, requests: &[String]) -> Vec<String> {
    let mut child = Command::new(python)
        .arg(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was there a moment ago");
    // Its answers are few enough to wait in the pipe meanwhile.
    let mut input = child.stdin.take().expect("it is a pipe");
    input.write_all(requests.concat().as_bytes()).expect("it reads everything");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{SCRIPT} failed");
    let answers: Vec<_> =
        String::from_utf8(output.stdout).expect("base64").lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), requests.len());
    answers
}

fn zlib_agrees(python: &str) {
    let folder = tempfile::tempdir().expect("a folder for the server");
    let output = Command::new(python)
        .args([DEFLATE, env!("CARGO_BIN_EXE_stage8-server")])
        .current_dir(folder.path())
        .output()
        .expect("it was there a moment ago");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An identity, and its private key as the identity file has it.
struct TestUser {
    identity: Identity,
    private: String,
    _folder: TempDir,
}

fn test_user() -> TestUser {
    let folder = tempfile::tempdir().expect("a folder for an identity");
    let path = folder.path().join("some.identity");
    let (identity, _) = Identity::load_or_make(&path).expect("a new identity");
    let text = fs::read_to_string(&path).expect("it was just made");
    let private = text.trim_end().strip_prefix("private=").expect("the format of identity files").to_owned();
    TestUser { identity, private, _folder: folder }
}

fn texts() -> Vec<String> {
    let mut texts: Vec<_> =
        ["", "a", "between you and me", "Grüße 🙂", "\u{1b}[2J\0\n"].map(str::to_owned).into();
    texts.extend([15, 16, 17, 63, 64, 65, MAX_TEXT].map(|length| "x".repeat(length)));
    texts
}

fn ours_is_opened(python: &str) {
    let (alice, bob) = (test_user(), test_user());
    let open = |text: &String| {
        let sealed =
            alice.identity.seal(&bob.identity.public(), "alice", "Bob", text).expect("it is short enough");
        format!("open {} {} alice Bob {sealed}\n", bob.private, alice.identity.public())
    };
    let requests: Vec<_> = texts().iter().map(open).collect();
    for (text, answer) in texts().iter().zip(ask(python, &requests)) {
        assert_eq!(answer, STANDARD.encode(text));
    }
}

fn theirs_is_opened(python: &str) {
    let (alice, bob) = (test_user(), test_user());
    let seal = |text: &String| {
        let text = STANDARD.encode(text);
        format!("seal {} {} alice Bob {text}\n", alice.private, bob.identity.public())
    };
    let requests: Vec<_> = texts().iter().map(seal).collect();
    for (text, sealed) in texts().iter().zip(ask(python, &requests)) {
        let opened = bob.identity.open(&alice.identity.public(), "alice", "Bob", &sealed);
        assert_eq!(opened.as_ref(), Ok(text));
    }
}

fn both_refuse(python: &str) {
    let (alice, bob, carol) = (test_user(), test_user(), test_user());
    let sealed = alice.identity.seal(&bob.identity.public(), "alice", "bob", "hello").expect("it is short");
    let cases = [
        (&bob, &carol, "alice", "bob"),
        (&carol, &alice, "alice", "bob"),
        (&bob, &alice, "bob", "alice"),
        (&bob, &alice, "alice", "Bob"),
    ];
    let request = |&(to, from, sender, recipient): &(&TestUser, &TestUser, &str, &str)| {
        assert!(to.identity.open(&from.identity.public(), sender, recipient, &sealed).is_err());
        format!("open {} {} {sender} {recipient} {sealed}\n", to.private, from.identity.public())
    };
    let answers = ask(python, &cases.each_ref().map(request));
    assert_eq!(answers, ["refused"; 4]);
}
