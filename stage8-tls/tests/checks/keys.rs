//! The server's part in private messages that it cannot read: whose key is which, and
//! carrying what is sealed.

use base64::{Engine, engine::general_purpose::STANDARD};
use testkit::{Signal, checks, require};
use testkit_chat::chat::Chat;
use testkit_chat::hpke::Identity;
use testkit_chat::user::User;

/// Publishes a key, and waits until that is done.
#[track_caller]
fn publishes(user: &User, key: &str) {
    user.send_all([&format!("/pubkey {key}"), "/rooms"]);
    let answers = user.lines_to("[ROOMS]", |l| l.starts_with("[ROOMS] "));
    let error = answers.iter().find(|l| l.starts_with("[SERVER] error"));
    require(error.is_none(), "a key that is taken", error.cloned().unwrap_or_default());
}

/// The server's answer to `/key`.
#[track_caller]
fn key_of(asking: &User, name: &str) -> String {
    asking.send(&format!("/key {name}"));
    asking.hears_some("[KEY] …, or an error", |l| {
        l.starts_with("[KEY] ") || l.starts_with("[SERVER] error: ")
    })
}

/// Public keys with which every private key has the same result: 0, 1, p - 1, the two of order 8, and other
/// spellings of 0 and 1 (p, p + 1, and 0 with the bit set that X25519 does not look at). p is 2^255 - 19.
#[rustfmt::skip]
const WEAK_KEYS: [&str; 8] = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "7P///////////////////////////////////////38=",
    "4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=",
    "X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc=",
    "7f///////////////////////////////////////38=",
    "7v///////////////////////////////////////38=",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA=",
];

checks! {
/// What every server owes.
pub keys:

/// `/key bob` gives what bob has published, under his name as registered.
wire(server) fn a_published_key_is_given_to_who_asks(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let key = Identity::new("bob").public();
    publishes(&bob, &key);
    for name in [&bob.name, &bob.name.to_uppercase()] {
        let answer = key_of(&alice, name);
        let expected = format!("[KEY] {} {key}", bob.name);
        require(answer == expected, expected, answer);
    }
    // Who has lost the old one publishes another.
    let key = Identity::new("bob").public();
    publishes(&bob, &key);
    let answer = key_of(&alice, &bob.name);
    require(answer.ends_with(&key), "the key published last", answer);
}

/// For a user without a published key, or without an account, there is no key.
wire(server) fn there_is_no_key_where_none_was_published(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    for name in [&bob.name, &chat.name("nobody"), "' OR '1'='1", "%"] {
        let answer = key_of(&alice, name);
        require(answer.starts_with("[SERVER] error: "), "[SERVER] error: …", answer);
    }
    alice.may_not("/key");
}

/// A key is base64 of 32 bytes, and nothing else is published; nor is one with which
/// every private key has the same result (RFC 7748, 6.1).
wire(server) fn only_a_key_can_be_published(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let key = Identity::new("bob").public();
    publishes(&bob, &key);
    for weak in WEAK_KEYS {
        bob.may_not(&format!("/pubkey {weak}"));
    }
    for wrong in ["", "a", "****", &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33]), &format!("{key}{key}"), &hex(&key)] {
        bob.may_not(&format!("/pubkey {wrong}"));
    }
    let (half, rest) = key.split_at(22);
    // One with characters in it that are none of base64, two without padding, one that is not ASCII.
    let spellings = [format!("{half}!{rest}"), format!("{half} {rest}"), format!("!{}", &key[1..])];
    // The alphabet of base64url.
    bob.may_not(&format!("/pubkey {}", STANDARD.encode([0xfb; 32]).replace('+', "-").replace('/', "_")));
    let without_padding = [key.trim_end_matches('=').to_owned(), format!("{}A", &key[..43])];
    for wrong in spellings.iter().chain(&without_padding).chain(["é".repeat(22), "é".repeat(44)].iter()) {
        bob.may_not(&format!("/pubkey {wrong}"));
    }
    let answer = key_of(&alice, &bob.name);
    require(answer.ends_with(&key), "the key that was one", answer);
}

/// `/dm bob …` reaches bob as `[DM] alice …`, as it was sent, in any room, and no
/// other user. The server does not look at what is sealed, base64 or not.
wire(server) fn what_is_sealed_reaches_one_only_and_unchanged(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    carol.subscribes(&alice);
    let (from, to) = (Identity::new("alice"), Identity::new("bob"));
    publishes(&alice, &from.public());
    publishes(&bob, &to.public());
    for text in ["between you and me", "x", &"y".repeat(2900)] {
        let sealed = from.seal("bob", &to.public(), text);
        alice.send(&format!("/dm {} {sealed}", bob.name.to_uppercase()));
        bob.hears(&format!("[DM] {} {sealed}", alice.name));
        let opened = to.open("alice", &from.public(), &sealed);
        require(opened.as_deref() == Ok(text), "the text", format!("{opened:?}"));
        alice.send("the fence");
        carol.never_hears("[DM]", ": the fence");
        bob.joins(&chat.name("rust"));
        bob.leaves();
    }
    alice.send(&format!("/dm {}  no  base64, *** ", bob.name));
    bob.hears(&format!("[DM] {}  no  base64, *** ", alice.name));
    bob.send("the other fence");
    alice.never_hears("[DM]", "the other fence");
    for user in [&bob, &chat.register("dave")] {
        let kept = user.history.iter().find(|l| l.contains("[DM]") || l.contains("/dm"));
        require(kept.is_none(), "nothing sealed in a history", format!("{kept:?}"));
    }
}

/// Where it cannot be delivered its sender is told.
wire(server) fn a_sealed_message_to_nobody_gets_an_error(case) {
    let chat = Chat::start(case);
    chat.registered("carol");
    let [alice, bob] = chat.room();
    for to in [chat.name("nobody"), chat.name("carol"), String::new()] {
        alice.may_not(&format!("/dm {to} AAAA"));
    }
    alice.may_not("/dm");
    alice.may_not(&format!("/dm {}", bob.name));
    alice.tells(&bob, "still here");
}
}

checks! {
/// What is kept.
pub keys_kept:

/// A key stays published when its owner is away, and when the server was killed.
wire(server) fn a_key_outlives_connection_and_server(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let key = Identity::new("bob").public();
    publishes(&bob, &key);
    bob.send("/quit");
    bob.lines_to_the_end();
    let expected = format!("[KEY] {} {key}", bob.name);
    let answer = key_of(&alice, &bob.name);
    require(answer == expected, &expected, answer);
    chat.server.program.signal(Signal::KILL);
    chat.server.program.ends(std::time::Duration::from_secs(5));
    let chat = chat.again(&[]);
    let answer = key_of(&chat.login("alice"), &chat.name("bob"));
    require(answer == expected, &expected, answer);
}
}

checks! {
/// How our server puts it.
pub keys_wording:

/// One user cannot fill the database with keys: at most a hundred are stored.
ours(server) fn a_user_publishes_a_hundred_keys_at_most(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let mut last = String::new();
    for _ in 0..100 {
        last = Identity::new("bob").public();
        publishes(&bob, &last);
    }
    bob.may_not(&format!("/pubkey {}", Identity::new("bob").public()));
    // The last one counts, and publishing it again is no change.
    publishes(&bob, &last);
    let answer = key_of(&alice, &bob.name);
    require(answer.ends_with(&last), "the key published last", answer);
}

/// The errors, word for word.
ours(server) fn errors_about_keys_say_what_is_missing(case) {
    let chat = Chat::start(case);
    chat.registered("carol");
    let [alice, bob] = chat.room();
    let (nobody, carol) = (chat.name("nobody"), chat.name("carol"));
    for (command, why) in [
        (format!("/key {nobody}"), format!("no user {nobody}")),
        (format!("/key {}", bob.name), format!("{} has published no key", bob.name)),
        (format!("/dm {nobody} AAAA"), format!("no user {nobody}")),
        (format!("/dm {carol} AAAA"), format!("{carol} is not online")),
    ] {
        let got = alice.may_not(&command);
        let why = format!("[SERVER] error: {why}");
        require(got == why, format!("{why:?} for {command:?}"), got);
    }
}
}

fn hex(key: &str) -> String {
    STANDARD.decode(key).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect()
}
