//! A key that was seen is not replaced by another one, whoever writes and
//! whatever stands in the file.

use super::*;
use crate::identity::Identity;
use proptest::prelude::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::thread;
use tempfile::TempDir;

const SERVER: &str = "127.0.0.1:9008";

fn place() -> (TempDir, PathBuf, KnownKeys) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_keys");
    let keys = KnownKeys::new(&path, SERVER);
    (folder, path, keys)
}

fn key() -> PublicKey {
    Identity::random().public()
}

#[test]
fn first_then_the_same_then_changed_until_accepted() {
    let (_folder, path, keys) = place();
    let (old, new) = (key(), key());
    assert_eq!(keys.get("bob").unwrap(), None);
    assert_eq!(keys.check("bob", &old).unwrap(), KeyStatus::First);
    assert_eq!(keys.check("bob", &old).unwrap(), KeyStatus::Same);
    for _ in 0..2 {
        assert_eq!(keys.check("bob", &new).unwrap(), KeyStatus::Changed);
    }
    assert_eq!(keys.get("bob").unwrap(), Some(old));

    keys.accept("bob", &new).unwrap();
    assert_eq!(keys.check("bob", &new).unwrap(), KeyStatus::Same);
    assert_eq!(keys.check("bob", &old).unwrap(), KeyStatus::Changed);
    // And back again; to accept what is accepted adds nothing.
    keys.accept("bob", &old).unwrap();
    keys.accept("bob", &old).unwrap();
    assert_eq!(keys.check("bob", &old).unwrap(), KeyStatus::Same);
    let lines = format!("{SERVER} bob {old}\n{SERVER} bob {new}\n{SERVER} bob {old}\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), lines);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn names_are_the_same_in_any_case_and_servers_are_kept_apart() {
    let (_folder, path, keys) = place();
    let (bob, other) = (key(), key());
    assert_eq!(keys.check("Bob", &bob).unwrap(), KeyStatus::First);
    assert_eq!(keys.check("bOB", &bob).unwrap(), KeyStatus::Same);
    assert_eq!(keys.check("BOB", &other).unwrap(), KeyStatus::Changed);
    assert_eq!(keys.check("bobby", &other).unwrap(), KeyStatus::First);
    let elsewhere = KnownKeys::new(&path, "[::1]:9008");
    assert_eq!(elsewhere.check("bob", &other).unwrap(), KeyStatus::First);
    assert_eq!(keys.check("bob", &bob).unwrap(), KeyStatus::Same);
}

#[test]
fn what_another_program_has_added_counts_at_once() {
    let (_folder, path, keys) = place();
    let (old, new) = (key(), key());
    let other = KnownKeys::new(&path, SERVER);
    assert_eq!(other.check("bob", &old).unwrap(), KeyStatus::First);
    assert_eq!(keys.check("bob", &new).unwrap(), KeyStatus::Changed);
    other.accept("bob", &new).unwrap();
    assert_eq!(keys.check("bob", &new).unwrap(), KeyStatus::Same);
}

/// Of those who come at the same moment with different keys, one is first.
#[test]
fn only_one_key_is_the_first() {
    for _ in 0..10 {
        let (_folder, path, _) = place();
        let start = Barrier::new(4);
        let one = || {
            let (keys, mine) = (KnownKeys::new(&path, SERVER), key());
            start.wait();
            (mine, keys.check("bob", &mine).unwrap())
        };
        let all: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (first, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, trust)| *trust == KeyStatus::First);
        assert_eq!(first.len(), 1);
        assert!(others.iter().all(|(_, trust)| *trust == KeyStatus::Changed));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }
}

#[test]
fn a_wrong_line_is_named_and_nothing_is_decided() {
    let good = format!("{SERVER} alice {}", key());
    let table = [
        ("what?".to_owned(), "expected the server's address, a name and a key"),
        (format!("{SERVER} bob"), "expected the server's address, a name and a key"),
        (format!("{SERVER} bob {} more", key()), "expected the server's address, a name and a key"),
        (format!("localhost bob {}", key()), "the first word is no HOST:PORT"),
        (format!("{SERVER} b\u{f6}b {}", key()), "the second word is no name"),
        (format!("{SERVER} bob {}", &key().to_string()[1..]), "this is no base64"),
        (format!("{SERVER} bob AAAA"), "these are 3 bytes"),
    ];
    for (line, problem) in table {
        let (_folder, path, keys) = place();
        fs::write(&path, format!("{good}\n\n{line}\n{good}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let before = fs::read(&path).unwrap();
        for answer in [
            keys.get("alice").map(|_| ()),
            keys.check("carol", &key()).map(|_| ()),
            keys.accept("bob", &key()),
        ] {
            let said = answer.unwrap_err().to_string();
            assert!(said.contains("known_keys, line 3: ") && said.contains(problem), "{said}");
        }
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

/// Trying a key takes time, so only those that are asked for are tried.
#[test]
fn a_key_that_encrypts_for_everybody_is_never_known() {
    let (_folder, path, keys) = place();
    fs::write(&path, format!("{SERVER} bob {}=\n", "A".repeat(43))).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let said = keys.check("bob", &key()).unwrap_err().to_string();
    assert!(said.contains("line 1: ") && said.contains("would encrypt for everybody"), "{said}");
    assert_eq!(keys.check("carol", &key()).unwrap(), KeyStatus::First);
}

#[test]
fn a_last_line_without_its_end_is_ended_first() {
    let (_folder, path, keys) = place();
    let alice = key();
    fs::write(&path, format!("{SERVER} alice {alice}\r\n{SERVER} carol {alice}")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let bob = key();
    assert_eq!(keys.check("bob", &bob).unwrap(), KeyStatus::First);
    assert_eq!(keys.check("bob", &bob).unwrap(), KeyStatus::Same);
    assert_eq!(keys.check("carol", &alice).unwrap(), KeyStatus::Same);
    assert_eq!(keys.check("alice", &alice).unwrap(), KeyStatus::Same);
}

/// Some editors put one there. A line that was skipped because of it would let a
/// changed key pass as a first one.
#[test]
fn a_byte_order_mark_changes_nothing() {
    let (_folder, path, keys) = place();
    let alice = key();
    fs::write(&path, format!("\u{feff}{SERVER} alice {alice}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(keys.check("alice", &alice).unwrap(), KeyStatus::Same);
    assert_eq!(keys.check("alice", &key()).unwrap(), KeyStatus::Changed);
}

#[test]
fn a_name_that_nobody_can_have_never_gets_into_the_file() {
    let (_folder, path, keys) = place();
    for name in ["", "a b", "a\nb", "bob>carol", &"n".repeat(33)] {
        assert!(matches!(keys.check(name, &key()), Err(KnownKeysError::Name(_))), "{name:?}");
        assert!(matches!(keys.accept(name, &key()), Err(KnownKeysError::Name(_))), "{name:?}");
    }
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn a_file_that_others_can_write_to_is_refused() {
    let (_folder, path, keys) = place();
    keys.check("bob", &key()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o622)).unwrap();
    let said = keys.check("bob", &key()).unwrap_err().to_string();
    assert!(said.contains("chmod 600"), "{said}");
}

#[test]
fn the_file_does_not_grow_for_ever() {
    let (_folder, path, keys) = place();
    let known = key();
    let line = format!("{SERVER} bob {known}\n");
    fs::write(&path, line.repeat(MAX_LEN as usize / line.len())).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(keys.get("bob").unwrap(), Some(known));
    assert!(matches!(keys.check("carol", &key()), Err(KnownKeysError::Full(_))));
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(line: Vec<u8>) {
        let _ = parse(&line);
    }
}
