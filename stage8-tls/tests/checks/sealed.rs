//! Private messages that the server cannot read, as a client sends them.

use std::time::{Duration, Instant};
use testkit::{Next, Program, checks, fail, require, shown};
use testkit_chat::connection::Connection;
use testkit_chat::hpke::Identity;
use testkit_chat::mock_server::MockServer;

/// The graded client, logged in as alice, and the key that she has published.
#[track_caller]
pub fn alice<'c>(server: &MockServer<'c>) -> (Program, Connection<'c>, String) {
    let (client, mut us) = server.logged_in();
    us.from_a_client = false;
    let line = us.hears_some("/pubkey BASE64", |l| l.starts_with("/pubkey "));
    (client, us, line["/pubkey ".len()..].to_owned())
}

/// What alice sends next that is no question for a key; each of those is answered
/// with bob's.
#[track_caller]
pub fn next_from(us: &Connection, bob: &Identity) -> String {
    loop {
        match us.next() {
            Next::Line(line) if line.to_lowercase() == "/key bob" => {
                us.send(&format!("[KEY] bob {}", bob.public()))
            }
            Next::Line(line) => return line,
            other => fail("the next line of the client", other.to_string()),
        }
    }
}

/// Answers for bob's key until the client has shown `text`.
#[track_caller]
pub fn shows(client: &Program, us: &Connection, bob: &Identity, text: &str) {
    // A question for the key comes only where the client does not know it yet.
    us.send("carol: the fence");
    let deadline = Instant::now() + testkit::patience();
    while !client.output().contains(text) {
        require(Instant::now() < deadline, format!("{} shown", shown(text)), shown(client.output()));
        if let Next::Line(line) = us.next_by(Instant::now() + Duration::from_millis(50)) {
            require(line.to_lowercase() == "/key bob", "/key bob, or nothing", line);
            us.send(&format!("[KEY] bob {}", bob.public()));
        }
    }
}

/// What alice's client makes of `/msg bob TEXT`: opened by bob.
#[track_caller]
pub fn sealed_for_bob(
    client: &mut Program,
    us: &Connection,
    bob: &Identity,
    key: &str,
    text: &str,
) -> String {
    client.type_line(&format!("/msg bob {text}"));
    let line = next_from(us, bob);
    let Some(sealed) = line.strip_prefix("/dm bob ") else { fail("/dm bob BASE64", shown(line)) };
    let opened = bob.open("alice", key, sealed);
    require(opened.as_deref() == Ok(text), format!("{} sealed for bob", shown(text)), format!("{opened:?}"));
    sealed.to_owned()
}

/// The longest name, and the longest text that fits beside it.
const LONGEST_NAME: &str = "x2345678901234567890123456789012";
const LONGEST_TEXT: usize = 2994;

/// What has been published by people who make mistakes, or by a server that plays tricks.
const NO_KEYS: [&str; 4] = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "AAAA",
    "this is no base64 ééé",
];

/// A private message that is typed before the login goes nowhere.
#[track_caller]
fn is_silent_before_the_login(server: &MockServer) {
    let mut client = server.client();
    client.try_type(b"/msg bob a secret\n/MSG bob a secret\n");
    client.end_input();
    let us = server.asks();
    while let Next::Line(line) = us.next() {
        require(!line.to_lowercase().starts_with("/msg"), "nothing before the login", shown(line));
    }
    us.peer.half_close();
    client.ends(Duration::from_secs(5));
}

/// What is typed behind a private message waits until that is sealed; the name is bob's as
/// he is registered.
#[track_caller]
fn keeps_its_place(client: &mut Program, us: &Connection, bob: &Identity, key: &str) {
    client.try_type(b"/msg BOB a secret\nafter it\n");
    us.receives_some("/key BOB", |line| line.to_lowercase() == "/key bob");
    let early = us.next_by(Instant::now() + Duration::from_millis(300));
    require(early == Next::Nothing, "nothing before the key has come", early.to_string());
    us.send(&format!("[KEY] bob {}", bob.public()));
    let line = us.receives_some("/dm bob BASE64", |line| line.to_lowercase().starts_with("/dm bob "));
    let opened = bob.open("alice", key, &line["/dm bob ".len()..]);
    require(opened.as_deref() == Ok("a secret"), "the text, sealed for alice>bob", format!("{opened:?}"));
    us.receives("after it");
}

/// Where there is no key, nothing is sent, and what is typed next is.
#[track_caller]
fn does_without_a_key(client: &mut Program, us: &Connection) {
    client.try_type(b"/msg carol a secret\nwithout a key\n");
    us.receives("/key carol");
    us.send("[SERVER] error: carol has published no key");
    us.receives("without a key");
}

/// Nor is anything sealed with what is no key, and the client goes on.
#[track_caller]
fn does_without_what_is_no_key(client: &mut Program, us: &Connection) {
    for (number, key) in NO_KEYS.iter().enumerate() {
        client.try_type(format!("/msg dave a secret\nwith no key {number}\n").as_bytes());
        us.receives("/key dave");
        us.send(&format!("[KEY] dave {key}"));
        us.receives(&format!("with no key {number}"));
    }
}

/// A text of 2994 bytes fits, whatever the name, and a longer one is not sent.
#[track_caller]
fn keeps_to_the_length(client: &mut Program, us: &Connection, key: &str) {
    let other = Identity::new(LONGEST_NAME);
    let next = || loop {
        match us.next() {
            Next::Line(line) if line.starts_with("/key ") => {
                us.send(&format!("[KEY] {LONGEST_NAME} {}", other.public()));
            }
            next => return next,
        }
    };
    let text = "z".repeat(LONGEST_TEXT);
    client.type_line(&format!("/msg {LONGEST_NAME} {text}"));
    let next_line = next();
    let opened = match &next_line {
        Next::Line(line) => line
            .strip_prefix(&format!("/dm {LONGEST_NAME} "))
            .and_then(|sealed| other.open("alice", key, sealed).ok()),
        _ => None,
    };
    require(
        opened.as_ref() == Some(&text),
        format!("a text of {LONGEST_TEXT} bytes, sealed"),
        next_line.to_string(),
    );
    // On a pipe it may end the client.
    client.try_type(format!("/msg {LONGEST_NAME} {text}z\nthe fence\n").as_bytes());
    let next = next();
    let kept = matches!(&next, Next::End(..)) || matches!(&next, Next::Line(line) if line == "the fence");
    require(kept, format!("nothing of a text of {} bytes", text.len() + 1), next.to_string());
}

/// In other letters it is sealed or goes nowhere; mistyped it goes nowhere.
#[track_caller]
fn keeps_to_itself_what_is_mistyped(client: &mut Program, us: &Connection, bob: &Identity) {
    for text in ["/msgbob a secret", "/MSG bob a secret", "/Msg", "/msg", "/msg bob", "/msg  bob a secret"] {
        client.try_type(format!("{text}\nthe fence\n").as_bytes());
        let mut line = next_from(us, bob);
        if line.to_lowercase().starts_with("/dm ") {
            line = next_from(us, bob);
        }
        require(line == "the fence", format!("{} sealed or not sent", shown(text)), shown(line));
    }
}

checks! {
/// Owed by a client in any language.
pub sealed:

/// At the login the client publishes its key, base64 of 32 bytes, before anything that was
/// typed, and again when it comes back after a lost connection.
wire(client) fn the_client_publishes_its_key(case) {
    let server = MockServer::open(case);
    let mut client = server.client();
    // What is typed early waits.
    client.try_type(b"LOGIN alice correct horse\nhello\n");
    let mut us = server.asks();
    us.from_a_client = false;
    us.receives_login();
    us.lets_in("alice", "token-1");
    let line = us.receives_some("/pubkey BASE64", |l| l.starts_with("/pubkey "));
    let key = line["/pubkey ".len()..].to_owned();
    us.receives("hello");
    // Opening asks for a key of the right form first.
    let bob = Identity::new("bob");
    let refused = bob.open("alice", &key, "AAAA").err().unwrap_or_default();
    require(!refused.contains("key published"), "base64 of 32 bytes", &key);
    us.peer.truncate();
    let mut us = server.asks();
    us.from_a_client = false;
    us.receives("RESUME token-1");
    us.lets_in("alice", "token-2");
    us.receives(&format!("/pubkey {key}"));
}

/// `/msg bob TEXT` leaves as `/dm bob BASE64`, sealed as HPKE in mode auth, info `chat
/// e2e`, aad `alice>bob`, before what was typed behind it; the text is nowhere on the
/// wire, mistyped or before the login either.
wire(client) fn a_private_message_leaves_sealed(case) {
    let server = MockServer::open(case);
    is_silent_before_the_login(&server);
    let (mut client, us, key) = alice(&server);
    let bob = Identity::new("bob");
    keeps_its_place(&mut client, &us, &bob, &key);
    does_without_a_key(&mut client, &us);
    does_without_what_is_no_key(&mut client, &us);
    keeps_to_itself_what_is_mistyped(&mut client, &us, &bob);
    let texts = ["between you and me", "grüße, 世界 🦀", "  two  spaces ", "x", &"z".repeat(2500)];
    for text in texts {
        let first = sealed_for_bob(&mut client, &us, &bob, &key, text);
        let second = sealed_for_bob(&mut client, &us, &bob, &key, text);
        require(first != second, "the same text sealed anew", "the same line twice");
    }
    let sent = us.peer.everything();
    let sent = String::from_utf8_lossy(&sent);
    // Base64 may have the letters of /msg anywhere but at the beginning of a line.
    let is_clear = |line: &str| {
        line.contains("between you") || line.contains("secret") || line.to_lowercase().starts_with("/msg")
    };
    require(!sent.lines().any(is_clear), "no text in the clear", shown(sent.as_ref()));
    keeps_to_the_length(&mut client, &us, &key);
}
}
