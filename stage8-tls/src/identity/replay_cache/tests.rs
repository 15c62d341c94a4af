//! Once is once: for a program that is started again, for two at a time, and
//! when there is more than the memory holds.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.identity");
    (folder, path)
}

fn small(identity: &Path, generation: usize) -> ReplayCache {
    ReplayCache { generation, ..ReplayCache::beside(identity) }
}

#[test]
fn what_was_seen_stays_seen() {
    let (_folder, identity) = place();
    let seen = ReplayCache::beside(&identity);
    assert!(seen.is_new("one").unwrap());
    assert!(!seen.is_new("one").unwrap());
    assert!(seen.is_new("two").unwrap());
    // Another run of the program.
    let again = ReplayCache::beside(&identity);
    assert!(!again.is_new("one").unwrap());
    assert!(!again.is_new("two").unwrap());
    assert!(again.is_new("three").unwrap());
    let file = identity.with_file_name("alice.identity.seen");
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn at_least_a_generation_is_remembered_and_at_most_two() {
    let (folder, identity) = place();
    let seen = small(&identity, 8);
    let mut known = Vec::new();
    for number in 0..100 {
        assert!(seen.is_new(&number.to_string()).unwrap());
        known.push(number.to_string());
        // The oldest that must still be known, and all since.
        for message in known.iter().rev().take(8) {
            assert!(!seen.is_new(message).unwrap(), "{message} after {number}");
        }
        let bytes: u64 =
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= 2 * 8 * DIGEST_LEN as u64, "{bytes}");
    }
    assert!(seen.is_new("0").unwrap());
}

#[test]
fn half_a_digest_at_the_end_harms_no_other() {
    let (_folder, identity) = place();
    let seen = ReplayCache::beside(&identity);
    assert!(seen.is_new("one").unwrap());
    let mut file = private_file::open_locked(&seen.path, 0).unwrap().0;
    file.write_all(b"half").unwrap();
    drop(file);
    assert!(!seen.is_new("one").unwrap());
    assert!(seen.is_new("two").unwrap());
    assert!(!seen.is_new("two").unwrap());
    assert!(!seen.is_new("one").unwrap());
}

/// Two clients with one identity: each message is new to one of them, also
/// while they take turns at dropping the older half.
#[test]
fn each_message_is_new_to_one_program() {
    let (_folder, identity) = place();
    let (threads, messages) = (4, 200);
    let start = Barrier::new(threads);
    let new = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let seen = small(&identity, 150);
                start.wait();
                for number in 0..messages {
                    new.fetch_add(usize::from(seen.is_new(&number.to_string()).unwrap()), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(new.into_inner(), messages);
}

#[test]
fn a_memory_that_cannot_be_kept_is_an_error() {
    let (folder, identity) = place();
    let seen = ReplayCache::beside(&folder.path().join("none").join("alice.identity"));
    assert!(matches!(seen.is_new("one"), Err(PrivateFileError::Unwritable(..))));
    let seen = ReplayCache::beside(&identity);
    fs::create_dir(&seen.path).unwrap();
    assert!(seen.is_new("one").is_err());
}
