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
    let (alice, bob) = (fingerprint("alice", &key(9)), fingerprint("bob", &key(10)));
    assert_eq!(alice, "18354 20512 36297 00863 13486 11912");
    assert_eq!(bob, "61634 98329 98492 19351 74553 73802");
    let both = safety_number(("bob", &key(10)), ("alice", &key(9)));
    assert_eq!(both, format!("{alice} {bob}"));
}

#[test]
fn both_sides_see_the_same_whatever_the_case_of_the_names() {
    for _ in 0..20 {
        let (one, other) = (Identity::random().public(), Identity::random().public());
        let number = safety_number(("Alice", &one), ("bob", &other));
        assert_eq!(number, safety_number(("bob", &other), ("Alice", &one)));
        assert_eq!(number, safety_number(("BOB", &other), ("alice", &one)));
    }
}

#[test]
fn another_key_or_name_is_another_number() {
    let number = safety_number(("alice", &key(9)), ("bob", &key(10)));
    for other in [
        safety_number(("alice", &key(9)), ("bob", &key(11))),
        safety_number(("alice", &key(11)), ("bob", &key(10))),
        safety_number(("alice", &key(10)), ("bob", &key(9))),
        safety_number(("alice", &key(9)), ("bobby", &key(10))),
    ] {
        assert_ne!(number, other);
    }
}

#[test]
fn it_is_twelve_groups_of_five_digits() {
    for _ in 0..100 {
        let (one, other) = (Identity::random().public(), Identity::random().public());
        let text = safety_number(("alice", &one), ("bob", &other));
        let groups: Vec<_> = text.split(' ').collect();
        assert_eq!(groups.len(), 12, "{text}");
        assert!(groups.iter().all(|g| g.len() == 5 && g.bytes().all(|b| b.is_ascii_digit())), "{text}");
    }
}
