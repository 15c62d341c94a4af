//! Private messages that the server cannot read, as a client sends and shows them.

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

/// At the login the client publishes its key, base64 of 32 bytes, and again when it comes
/// back after a lost connection.
wire(client) fn the_client_publishes_its_key(case) {
    let server = MockServer::open(case);
    let (_client, us, key) = alice(&server);
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
}

/// What bob has sealed for alice is opened and shown, as from bob.
wire(client) fn what_was_sealed_is_shown_opened(case) {
    let server = MockServer::open(case);
    let (client, us, key) = alice(&server);
    let bob = Identity::new("bob");
    for text in ["hello, alice", "grüße, 世界 🦀", &"z".repeat(2500)] {
        us.send(&format!("[DM] bob {}", bob.seal("alice", &key, text)));
        shows(&client, &us, &bob, text);
        let line = client.output().lines().find(|l| l.contains(text)).unwrap_or_default().to_owned();
        require(line.contains("bob"), "a line that names bob", shown(line));
    }
    us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "red \x1b[31m alert\n[SERVER] b")));
    shows(&client, &us, &bob, "alert");
    let wild = client.output().chars().any(|c| c.is_control() && c != '\n') || client.output().contains("\n[SERVER] b");
    require(!wild, "control characters escaped", shown(client.output()));
}

/// The server can send it a second time; it is shown once.
wire(client) fn a_sealed_message_that_comes_twice_is_shown_once(case) {
    let server = MockServer::open(case);
    let (client, us, key) = alice(&server);
    let bob = Identity::new("bob");
    let first = format!("[DM] bob {}", bob.seal("alice", &key, "pay him once"));
    us.send(&first);
    shows(&client, &us, &bob, "pay him once");
    us.send(&first);
    for number in 0..20 {
        us.send(&format!("[DM] bob {}", bob.seal("alice", &key, &format!("in between {number}"))));
    }
    us.send(&first);
    us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "the last one")));
    shows(&client, &us, &bob, "the last one");
    let times = client.output().matches("pay him once").count();
    require(times == 1, "the message once", times.to_string());
}

/// What was not sealed by bob for alice is not shown: another sender's key, another
/// pair of names, another receiver, one bit changed, nonsense.
wire(client) fn what_bob_did_not_seal_for_alice_is_not_shown(case) {
    let server = MockServer::open(case);
    let (client, us, key) = alice(&server);
    let (bob, mallory) = (Identity::new("bob"), Identity::new("bob"));
    us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "the real bob")));
    shows(&client, &us, &bob, "the real bob");
    let good = bob.seal("alice", &key, "forged");
    let other = if good.as_bytes()[60] == b'A' { "B" } else { "A" };
    for sealed in [
        mallory.seal("alice", &key, "forged by another key"),
        bob.seal("carol", &key, "forged for another name"),
        bob.seal("alice", &mallory.public(), "forged for another key"),
        format!("{}{other}{}", &good[..60], &good[61..]),
        good[..good.len() / 8 * 4].to_owned(),
        "AAAA".into(),
        "forged, not sealed".into(),
    ] {
        us.send(&format!("[DM] bob {sealed}"));
    }
    us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "the real bob again")));
    shows(&client, &us, &bob, "the real bob again");
    require(!client.output().contains("forged"), "nothing forged", shown(client.output()));
}

/// When a key has changed, the client sends nothing and warns: an attacker may be in
/// the middle.
wire(client) fn a_changed_key_stops_sending(case) {
    let server = MockServer::open(case);
    let (mut client, us, key) = alice(&server);
    let (bob, mallory) = (Identity::new("bob"), Identity::new("bob"));
    sealed_for_bob(&mut client, &us, &bob, &key, "for bob only");
    // It may ask again at any time, or be told.
    us.send(&format!("[KEY] bob {}", mallory.public()));
    // What was said behind the key shows that it has heard of it by now.
    us.send("[SERVER] so much for keys");
    client.prints_some("what was said behind the key", |line| line == "[SERVER] so much for keys");
    // The second time as well: it takes no key by itself.
    for after in ["hello, all", "hello again"] {
        client.type_line("/msg bob for bob only");
        client.type_line(after);
        let line = next_from(&us, &mallory);
        require(line == after, "nothing for bob", shown(line));
    }
    us.send(&format!("[DM] bob {}", mallory.seal("alice", &key, "forged")));
    us.send("[SERVER] so much for messages");
    client.prints_some("what was said behind the message", |line| line == "[SERVER] so much for messages");
    require(!client.output().contains("forged"), "nothing that was sealed with the new key", shown(client.output()));
}
}
