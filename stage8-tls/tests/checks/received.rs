//! Private messages that the server cannot read, as a client shows them, and what it makes of
//! others' keys.

use super::sealed::{alice, next_from, sealed_for_bob, shows};
use std::time::{Duration, Instant};
use testkit::{Next, Program, checks, on_this_machine, patience, require, shown};
use testkit_chat::hpke::Identity;
use testkit_chat::mock_server::MockServer;

checks! {
/// Owed by a client in any language.
pub received:

/// What bob has sealed for alice is opened and shown, as from bob.
wire(client) fn what_was_sealed_is_shown_opened(case) {
    let server = MockServer::open(case);
    let (client, us, key) = alice(&server);
    let bob = Identity::new("bob");
    let texts = ["hello, alice", "grüße, 世界 🦀", &"z".repeat(2500), "red \x1b[31m alert\n[SERVER] b\n", " two  blanks "];
    // All of them wait for the key.
    texts.iter().for_each(|text| us.send(&format!("[DM] bob {}", bob.seal("alice", &key, text))));
    shows(&client, &us, &bob, "two  blanks");
    let escaped = texts.map(|text| format!("[private] bob: {}", text.replace('\x1b', "\\x1b").replace('\n', "\\x0a")));
    let output = client.output();
    let lines: Vec<_> = output.lines().filter(|line| line.starts_with("[private] bob: ")).collect();
    require(lines == escaped, format!("{escaped:?}"), format!("{lines:?}"));
    let wild = output.chars().any(|c| c.is_control() && c != '\n') || output.contains("\n[SERVER] b");
    require(!wild, "control characters escaped", shown(&output));
}

/// The server can send it a second time; it is shown once, in whatever spelling: base64 is
/// strict. The same text, sealed anew, is another message.
wire(client) fn a_sealed_message_that_comes_twice_is_shown_once(case) {
    let server = MockServer::open(case);
    let (client, us, key) = alice(&server);
    let bob = Identity::new("bob");
    // Its base64 ends with `==`, and has spare bits in the character before.
    let sealed = bob.seal("alice", &key, "pay him once!");
    let first = format!("[DM] bob {sealed}");
    // Before the client knows bob's key, too.
    us.send(&first);
    us.send(&first);
    shows(&client, &us, &bob, "pay him once");
    us.send(&first);
    other_spellings(&sealed).iter().for_each(|other| us.send(&format!("[DM] bob {other}")));
    for _ in 0..2 {
        us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "once more")));
    }
    for number in 0..20 {
        us.send(&format!("[DM] bob {}", bob.seal("alice", &key, &format!("in between {number}"))));
    }
    us.send(&first);
    us.send(&format!("[DM] bob {}", bob.seal("alice", &key, "the last one")));
    shows(&client, &us, &bob, "the last one");
    let times = client.output().matches("pay him once").count();
    require(times == 1, "the message once", times.to_string());
    let times = client.output().matches("once more").count();
    require(times == 2, "two messages with the same text", times.to_string());
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
    // What does not open under bob's key may make it ask for another one.
    us.send(&format!("[DM] bob {}", mallory.seal("alice", &key, "forged")));
    us.send("[SERVER] so much for what came first");
    client.prints_some("what was said behind it", |line| line == "[SERVER] so much for what came first");
    client.type_line("I have heard of it");
    let line = next_from(&us, &mallory);
    require(line == "I have heard of it", "nothing for bob", shown(line));
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

/// What a client knows does not end with the connection: a message that comes again on the
/// next one is not shown again, and a key that has changed meanwhile is not used.
wire(client) fn what_is_known_outlives_the_connection(case) {
    let server = MockServer::open(case);
    let (mut client, us, key) = alice(&server);
    let (bob, mallory) = (Identity::new("bob"), Identity::new("bob"));
    sealed_for_bob(&mut client, &us, &bob, &key, "for bob only");
    let first = format!("[DM] bob {}", bob.seal("alice", &key, "pay him once"));
    us.send(&first);
    shows(&client, &us, &bob, "pay him once");
    us.peer.truncate();
    let us = server.asks();
    us.receives("RESUME token-1");
    us.lets_in("alice", "token-1");
    us.send(&first);
    us.send(&format!("[KEY] bob {}", mallory.public()));
    us.send(&format!("[DM] bob {}", mallory.seal("alice", &key, "forged")));
    us.send("[SERVER] so much for messages");
    client.prints_some("what was said behind them", |line| line == "[SERVER] so much for messages");
    client.type_line("/msg bob for bob only");
    client.type_line("hello, all");
    let line = next_from(&us, &mallory);
    require(line == "hello, all", "nothing for bob", shown(line));
    us.send("[SERVER] the end");
    client.prints_some("the end", |line| line == "[SERVER] the end");
    let output = client.output();
    let times = output.matches("pay him once").count();
    require(times == 1 && !output.contains("forged"), "the message once, and nothing forged", shown(output));
}

/// Names in the aad are as registered, in capitals too: one's own as `AUTH_SUCCESS` has it,
/// the other one as `[KEY]` or `[DM]` has it.
wire(client) fn names_are_sealed_as_registered(case) {
    let server = MockServer::open(case);
    let mut client = server.client();
    client.try_type(b"LOGIN alice correct horse\n");
    let mut us = server.asks();
    us.from_a_client = false;
    us.receives_login();
    us.lets_in("Alice", "token-1");
    let key = us.hears_some("/pubkey BASE64", |l| l.starts_with("/pubkey "))["/pubkey ".len()..].to_owned();
    let bob = Identity::new("Bob");
    client.type_line("/msg bOB hello, Bob");
    us.receives_some("/key bOB", |line| line.to_lowercase() == "/key bob");
    us.send(&format!("[KEY] Bob {}", bob.public()));
    let line = us.receives_some("/dm Bob BASE64", |line| line.to_lowercase().starts_with("/dm bob "));
    let opened = bob.open("Alice", &key, &line["/dm Bob ".len()..]);
    require(opened.as_deref() == Ok("hello, Bob"), "the text, sealed for Alice>Bob", format!("{opened:?}"));
    us.send(&format!("[DM] Bob {}", bob.seal("Alice", &key, "hello, Alice")));
    client.prints_some("what was sealed for Bob>Alice", |line| line == "[private] Bob: hello, Alice");
}

/// What is typed behind a private message stays behind it, however late the key comes. When
/// nothing comes that the client knows for an answer, it gives up: what was typed next is
/// not held back for ever.
wire(client, waits) fn a_private_message_waits_for_its_key_and_not_for_ever(case) {
    let server = MockServer::open(case);
    let (mut client, us, key) = alice(&server);
    let bob = Identity::new("bob");
    client.try_type(b"/msg bob a secret\nafter it\n");
    us.receives("/key bob");
    let early = us.next_by(Instant::now() + Duration::from_millis(1500));
    us.send(&format!("[KEY] bob {}", bob.public()));
    if early == Next::Nothing {
        let line = us.receives_some("/dm bob BASE64", |line| line.starts_with("/dm bob "));
        let opened = bob.open("alice", &key, &line["/dm bob ".len()..]);
        require(opened.as_deref() == Ok("a secret"), "the text, sealed for bob", format!("{opened:?}"));
        us.receives("after it");
    } else {
        // It may have given the message up, which is not sent then.
        require(early == Next::Line("after it".into()), "nothing, or \"after it\"", early.to_string());
        client.type_line("the fence");
        us.receives("the fence");
    }
    let said_before = own_lines(&client);
    client.try_type(b"/msg carol a secret\nwithout a key\n");
    us.receives("/key carol");
    us.send("[SERVER] error: ask her yourself");
    let next = us.next_by(Instant::now() + on_this_machine(Duration::from_secs(12)));
    require(next == Next::Line("without a key".into()), "\"without a key\", some seconds later", next.to_string());
    let deadline = Instant::now() + patience();
    while own_lines(&client) == said_before {
        require(Instant::now() < deadline, "a word that nothing was sent to carol", client.output());
        std::thread::sleep(Duration::from_millis(5));
    }
    // What was given up is not sent when the key comes after all.
    us.send(&format!("[KEY] carol {}", Identity::new("carol").public()));
    us.send("[SERVER] behind the key");
    client.prints_some("what was said behind the key", |line| line == "[SERVER] behind the key");
    client.type_line("the last line");
    let next = us.next_by(Instant::now() + patience());
    require(next == Next::Line("the last line".into()), "\"the last line\", and no message given up", next.to_string());
}
}

/// How many lines the client has said that are not the server's.
fn own_lines(client: &Program) -> usize {
    let servers = ["AUTH_", "ENTER_", "[SERVER] ", "[USERS_LIST] ", "[HISTORY] ", "[KEY] "];
    let shown = client.output() + &client.errors();
    shown.lines().filter(|line| !servers.iter().any(|start| line.starts_with(start))).count()
}

/// The same bytes in what a lenient reader takes for base64: other spare bits before the
/// `==` at its end, no padding, characters that are none of base64, two alphabets.
fn other_spellings(sealed: &str) -> Vec<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = sealed.trim_end_matches('=');
    let (start, last) = text.split_at(text.len() - 1);
    let value = ALPHABET.iter().position(|letter| last.as_bytes() == [*letter]).unwrap_or_default();
    let with_spare_bits = format!("{start}{}==", char::from(ALPHABET[value + 1]));
    let (first, second) = sealed.split_at(40);
    let with = |between: &str| format!("{first}{between}{second}");
    let url_safe = sealed.replace('+', "-").replace('/', "_");
    let all =
        [with_spare_bits, text.to_owned(), format!("{sealed}="), format!("{sealed} "), format!(" {sealed}")];
    let all = all.into_iter().chain([with("!"), with(" "), with("\t"), with("\r"), with("é"), url_safe]);
    all.filter(|other| other != sealed).collect()
}
