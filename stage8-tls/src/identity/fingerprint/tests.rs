//! The same on both sides, and another for every other key or name.

use super::*;
use crate::identity::Identity;

fn key(byte: u8) -> PublicKey {
    PublicKey::new([byte; 32]).unwrap()
}

/// Computed with Python's hashlib. A program in another language that is to
/// show the same number has these to hold itself against.
#[test]
fn the_digits_are_those_of_the_contract() {
    let (alice, bob) = (Fingerprint::new("alice", &key(9)), Fingerprint::new("bob", &key(10)));
    assert_eq!(alice.to_string(), "18354 20512 36297 00863 13486 11912");
    assert_eq!(bob.to_string(), "61634 98329 98492 19351 74553 73802");
    let both = SafetyNumber::new(("bob", &key(10)), ("alice", &key(9)));
    assert_eq!(both.to_string(), format!("{alice} {bob}"));
}

#[test]
fn both_sides_see_the_same_whatever_the_case_of_the_names() {
    for _ in 0..20 {
        let (one, other) = (Identity::random().public(), Identity::random().public());
        let number = SafetyNumber::new(("Alice", &one), ("bob", &other));
        assert_eq!(number, SafetyNumber::new(("bob", &other), ("Alice", &one)));
        assert_eq!(number, SafetyNumber::new(("BOB", &other), ("alice", &one)));
    }
}

#[test]
fn another_key_or_name_is_another_number() {
    let number = SafetyNumber::new(("alice", &key(9)), ("bob", &key(10)));
    for other in [
        SafetyNumber::new(("alice", &key(9)), ("bob", &key(11))),
        SafetyNumber::new(("alice", &key(11)), ("bob", &key(10))),
        SafetyNumber::new(("alice", &key(10)), ("bob", &key(9))),
        SafetyNumber::new(("alice", &key(9)), ("bobby", &key(10))),
    ] {
        assert_ne!(number, other);
    }
}

#[test]
fn it_is_twelve_groups_of_five_digits() {
    for _ in 0..100 {
        let (one, other) = (Identity::random().public(), Identity::random().public());
        let text = SafetyNumber::new(("alice", &one), ("bob", &other)).to_string();
        let groups: Vec<_> = text.split(' ').collect();
        assert_eq!(groups.len(), 12, "{text}");
        assert!(groups.iter().all(|g| g.len() == 5 && g.bytes().all(|b| b.is_ascii_digit())), "{text}");
    }
}
