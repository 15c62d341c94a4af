//! What is expected of every store. Each test gets a fresh one.

use stage6_auth::store::{Message, MessageId, NewUser, PasswordHash, Role, Store, StoreError, rows};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

type Test = fn(&Arc<Store>);

pub const TESTS: &[(&str, Test)] = &[
    ("messages_come_back_in_order", messages_come_back_in_order),
    ("a_batch_is_stored_whole_or_not_at_all", a_batch_is_stored_whole_or_not_at_all),
    ("any_text_is_stored_verbatim", any_text_is_stored_verbatim),
    ("sql_in_a_lookup_is_just_a_name", sql_in_a_lookup_is_just_a_name),
    ("names_are_unique_whatever_their_case", names_are_unique_whatever_their_case),
    ("users_are_added_all_or_none", users_are_added_all_or_none),
    ("sessions_end_by_time_and_by_logout", sessions_end_by_time_and_by_logout),
    ("logins_and_messages_at_once", logins_and_messages_at_once),
];

/// What the server's account on MySQL may not do, for the administrator's.
pub const ADMIN_TESTS: &[(&str, Test)] = &[("roles_are_kept", roles_are_kept)];

/// Texts that break programs which build SQL from text, or cut at a NUL, or
/// cannot hold what is beyond the basic plane.
const NASTY: &[&str] = &[
    "'; DROP TABLE messages; --",
    "\" OR \"\"=\"",
    "\\'; DELETE FROM users; #",
    "Robert'); DROP TABLE users;--",
    "%_%'/*!50000 */",
    "\0before and after\0",
    "?, ?1, :a, @b, $c",
    " leading and trailing  ",
    "e\u{301} é 🦀 \u{10ffff} \u{202e}",
    "",
];

pub fn message(number: i64, text: &str) -> Message {
    let mut message = Message::new("alice".into(), text.to_owned());
    message.id = MessageId { run: 42, number };
    message.sent = 1_700_000_000_000 + number;
    message
}

pub fn append(store: &Store, batch: &[Message]) -> Result<Vec<usize>, StoreError> {
    store.append(&rows(batch))
}

pub fn new_user(name: &str) -> NewUser {
    NewUser { name: name.to_owned(), password: PasswordHash(format!("$2b$04${name}")) }
}

fn texts(store: &Arc<Store>, limit: usize) -> Vec<String> {
    store.recent(limit).unwrap().into_iter().map(|m| m.text).collect()
}

fn messages_come_back_in_order(store: &Arc<Store>) {
    assert_eq!(store.recent(20).unwrap(), []);
    let all: Vec<Message> = (1..=700).map(|n| message(n, &format!("text {n}"))).collect();
    append(store, &all[..3]).unwrap();
    append(store, &[]).unwrap();
    append(store, &all[3..]).unwrap();
    assert_eq!(store.recent(1000).unwrap(), all);
    assert_eq!(store.recent(2).unwrap(), all[698..]);
    assert_eq!(store.recent(0).unwrap(), []);
}

fn a_batch_is_stored_whole_or_not_at_all(store: &Arc<Store>) {
    // The same number twice: the last row of the batch fails.
    append(store, &[message(1, "a"), message(2, "b"), message(2, "c")]).unwrap_err();
    assert_eq!(texts(store, 10), [""; 0]);
    append(store, &[message(5, "there")]).unwrap();
    append(store, &[message(3, "a"), message(4, "b"), message(5, "c")]).unwrap_err();
    assert_eq!(texts(store, 10), ["there"]);
    append(store, &[message(6, "goes on")]).unwrap();
    assert_eq!(texts(store, 10), ["there", "goes on"]);
}

fn any_text_is_stored_verbatim(store: &Arc<Store>) {
    let long = "🦀".repeat(1024);
    let mut batch = Vec::new();
    for (number, text) in (1..).zip(NASTY.iter().copied().chain([long.as_str()])) {
        let mut message = message(number, text);
        // The server lets no such name in, but the store must not depend on that.
        message.name = text.chars().take(32).collect::<String>().into();
        batch.push(message);
    }
    append(store, &batch).unwrap();
    assert_eq!(store.recent(100).unwrap(), batch);
    for (n, text) in NASTY.iter().enumerate() {
        let name: String = text.chars().take(28).chain(format!("{n}").chars()).collect();
        let new = NewUser { name: name.clone(), password: PasswordHash(text.to_string()) };
        store.add_users(std::slice::from_ref(&new)).unwrap();
        let user = store.user(&name).unwrap().unwrap();
        assert_eq!((user.name, user.password), (name, new.password));
    }
    assert_eq!(store.users().unwrap().len(), NASTY.len());
}

fn sql_in_a_lookup_is_just_a_name(store: &Arc<Store>) {
    store.add_users(&[new_user("alice")]).unwrap();
    for name in ["' OR '1'='1", "alice' --", "alice\0", "alice ", "alicé", "a%", "_lice", ""] {
        assert_eq!(store.user(name).unwrap(), None, "{name:?}");
        assert!(matches!(store.set_role(name, Role::Admin), Err(StoreError::NoSuchUser(_))), "{name:?}");
    }
    assert_eq!(store.user("alice").unwrap().unwrap().role, Role::Member);
}

fn names_are_unique_whatever_their_case(store: &Arc<Store>) {
    store.add_users(&[new_user("Alice")]).unwrap();
    for name in ["alice", "ALICE", "aLiCe"] {
        match store.add_users(&[new_user(name)]) {
            Err(StoreError::NameTaken(taken)) => assert_eq!(taken, name),
            other => panic!("{other:?}"),
        }
        assert_eq!(store.user(name).unwrap().unwrap().name, "Alice");
    }
    assert_eq!(store.user("alic").unwrap(), None);
}

fn users_are_added_all_or_none(store: &Arc<Store>) {
    store.add_users(&[new_user("bob")]).unwrap();
    let names = ["alice", "carol", "BOB", "dave"];
    match store.add_users(&names.map(new_user)) {
        Err(StoreError::NameTaken(name)) => assert_eq!(name, "BOB"),
        other => panic!("{other:?}"),
    }
    let list = || store.users().unwrap().into_iter().map(|u| u.name).collect::<Vec<_>>();
    assert_eq!(list(), ["bob"]);
    store.add_users(&["Carol", "alice"].map(new_user)).unwrap();
    assert_eq!(list(), ["alice", "bob", "Carol"], "sorted whatever the case");
}

fn roles_are_kept(store: &Arc<Store>) {
    store.add_users(&[new_user("Alice")]).unwrap();
    for role in [Role::Admin, Role::Admin, Role::Member, Role::Admin] {
        store.set_role("aLICE", role).unwrap();
        assert_eq!(store.user("alice").unwrap().unwrap().role, role);
    }
    assert!(matches!(store.set_role("bob", Role::Admin), Err(StoreError::NoSuchUser(_))));
}

fn sessions_end_by_time_and_by_logout(store: &Arc<Store>) {
    store.add_users(&[new_user("alice"), new_user("bob")]).unwrap();
    let bob = store.user("bob").unwrap().unwrap();
    // Bytes that are no text, and one that ends where the other goes on.
    let (first, second) = ([0xff; 32], [0; 32]);
    for token in [first, second] {
        store.save_session(&token, &bob, 200).unwrap();
    }
    assert_eq!(store.session_user(&first, 199).unwrap().as_ref(), Some(&bob));
    assert_eq!(store.session_user(&first, 200).unwrap(), None);
    assert_eq!(store.session_user(&[0xfe; 32], 150).unwrap(), None);
    for _ in 0..2 {
        store.end_session(&first, 150).unwrap();
        assert_eq!(store.session_user(&first, 150).unwrap(), None);
    }
    store.end_session(&[7; 32], 150).unwrap();
    assert_eq!(store.session_user(&second, 150).unwrap(), Some(bob));
}

/// With SQLite, transactions that get in each other's way fail at once in spite
/// of any timeout unless they are begun in the right manner.
fn logins_and_messages_at_once(store: &Arc<Store>) {
    let number = AtomicI64::new(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                let n = number.fetch_add(1, Ordering::Relaxed);
                append(store, &[message(n, "x")]).unwrap();
            }
        });
        for thread in 0..4u8 {
            scope.spawn(move || {
                for n in 0..25u8 {
                    let name = format!("user-{thread}-{n}");
                    store.add_users(&[new_user(&name)]).unwrap();
                    let user = store.user(&name).unwrap().unwrap();
                    let mut token = [thread; 32];
                    token[0] = n;
                    store.save_session(&token, &user, 9).unwrap();
                    assert_eq!(store.session_user(&token, 2).unwrap(), Some(user));
                    store.end_session(&token, 3).unwrap();
                    store.recent(5).unwrap();
                }
            });
        }
    });
    assert_eq!(store.users().unwrap().len(), 100);
    assert_eq!(store.recent(1000).unwrap().len(), 100);
}
