//! What the client of stage 5 sends and shows.

use super::wire::Key;
use base64::{Engine, engine::general_purpose::STANDARD};
use testkit::{checks, ivs, require, shown};

checks! {
/// Owed by a client in any language.
pub client:

/// The line is base64 of 16 bytes of IV and the ciphertext: AES-256-CBC under
/// the key of `chat.key` (64 hexadecimal digits are 32 bytes, not 64), PKCS#7. An empty
/// line is not sent. Nor is what is too long or not UTF-8: it ends the client with exit code 1.
wire(client) fn what_is_typed_is_sent_encrypted(case) {
    let key = Key::for_client(case);
    let server = case.scripted_server();
    let mut client = case.client(server.address());
    let us = server.accept();
    client.type_line("");
    for text in ["x", "hello", "exactly 15 byte", "exactly 16 bytes", "17 bytes, one mor", "  grüße, 世界 🙂  "] {
        client.type_line(text);
        let (_, decrypted) = key.decrypt(&us.receives_a_line());
        require(decrypted == text, format!("the text {text:?}"), format!("{decrypted:?}"));
    }
    client.type_line(&"z".repeat(3055));
    let (_, decrypted) = key.decrypt(&us.receives_a_line());
    require(decrypted == "z".repeat(3055), "a text of 3055 bytes", format!("{} bytes", decrypted.len()));
    for cannot_be_sent in [&[b'z'; 3056][..], b"caf\xe9"] {
        let mut client = case.client(server.address());
        let us = server.accept();
        client.try_type(&[cannot_be_sent, b"\n"].concat());
        client.exits(1);
        us.sees_the_end();
        require(us.everything().is_empty(), "nothing sent", shown(us.everything()));
    }
}

/// A new random IV for each message. Made once per connection, or counted up, it
/// shows that a user repeats a text.
wire(client) fn every_message_has_an_iv_of_its_own(case) {
    let key = Key::for_client(case);
    let server = case.scripted_server();
    // None may be that of the file.
    let mut messages = vec![key.iv.to_vec()];
    for _ in 0..2 {
        let mut client = case.client(server.address());
        let us = server.accept();
        for _ in 0..ivs::MESSAGES / 2 {
            client.type_line("the same text");
            let line = us.receives_a_line();
            key.decrypt(&line);
            messages.extend(STANDARD.decode(line));
        }
    }
    ivs::require_random(&messages);
}

/// Take what stands behind `[IP:PORT] `, decrypt it with the IV in its first 16
/// bytes, and show the text in its place.
wire(client) fn what_comes_in_is_shown_decrypted(case) {
    let key = Key::for_client(case);
    let server = case.scripted_server();
    let client = case.client(server.address());
    let us = server.accept();
    for text in ["hello", "exactly 16 bytes", "[1.2.3.4:5] not the prefix", "grüße] 世界 🙂", "a=b"] {
        us.send(&format!("[192.0.2.7:40001] {}", key.encrypt(text)));
        client.prints(&format!("[192.0.2.7:40001] {text}"));
    }
    us.send_bytes(format!("[192.0.2.7:40001] {}\r\n", key.encrypt("with CR LF")).as_bytes());
    client.prints("[192.0.2.7:40001] with CR LF");
    // The longest that fits a line, which the server makes longer by its prefix.
    let longest = "x".repeat(3055);
    us.send(&format!("[192.0.2.7:40001] {}", key.encrypt(&longest)));
    client.prints(&format!("[192.0.2.7:40001] {longest}"));
}

/// An IPv6 address has brackets of its own: `[[::1]:40001] TEXT`. The prefix
/// ends at the first `] `, not at the first `]`.
wire(client) fn the_sender_may_have_an_ipv6_address(case) {
    let key = Key::for_client(case);
    let server = case.scripted_server();
    let client = case.client(server.address());
    let us = server.accept();
    us.send(&format!("[[2001:db8::1]:40001] {}", key.encrypt("hello")));
    client.prints("[[2001:db8::1]:40001] hello");
}

/// The server has no key, so its own lines come in the clear.
wire(client) fn notices_of_the_server_are_shown_as_they_are(case) {
    let _key = Key::for_client(case);
    let server = case.scripted_server();
    let client = case.client(server.address());
    let us = server.accept();
    for notice in ["[SERVER] 192.0.2.7:40001 joined (2 online)", "[SERVER] error: line is not valid UTF-8"] {
        us.send(notice);
        client.prints(notice);
    }
}

/// A line with any mistake is shown as `(cannot decrypt)`, and the next line is
/// decrypted again. Check the length and the padding before you use them, and mind
/// that a library may throw an exception for either.
wire(client) fn a_line_that_does_not_decrypt_is_shown_as_such(case) {
    let key = Key::for_client(case);
    let server = case.scripted_server();
    let client = case.client(server.address());
    let us = server.accept();
    let good = key.encrypt("hello");
    let mut padding = STANDARD.decode(&good).unwrap_or_default();
    padding[15] ^= 0x80;
    let wrong = [
        "in the clear".to_owned(),
        "in-the-clear".to_owned(),
        "aGVsbG8=".to_owned(),
        good[..good.len() - 4].to_owned(),
        good[4..].to_owned(),
        STANDARD.encode([0; 16]),
        format!("{}!{}", &good[..8], &good[8..]),
        STANDARD.encode(padding),
        key.encrypt([0xff, 0xfe, 0xfd]),
    ];
    for line in wrong {
        us.send(&format!("[192.0.2.7:40001] {line}"));
        client.prints("[192.0.2.7:40001] (cannot decrypt)");
    }
    // Of a line that is not UTF-8 nothing is shown but a remark on standard error.
    us.send_bytes(b"[192.0.2.7:40001] caf\xe9\n");
    us.send(&format!("[192.0.2.7:40001] {good}"));
    client.prints("[192.0.2.7:40001] hello");
}

/// A user with another key file is in the room. Its lines cannot be read; the lines
/// of the others still can.
wire(client) fn what_another_key_encrypted_is_shown_as_such(case) {
    let (key, other) = (Key::for_client(case), Key::random());
    let server = case.scripted_server();
    let client = case.client(server.address());
    let us = server.accept();
    // The padding comes out right for one line in 256, and then the bytes of a
    // long text are still no UTF-8.
    for _ in 0..50 {
        us.send(&format!("[192.0.2.7:40001] {}", other.encrypt("a text that is longer than one block is")));
        client.prints("[192.0.2.7:40001] (cannot decrypt)");
    }
    us.send(&format!("[192.0.2.8:40002] {}", key.encrypt("I can read you")));
    client.prints("[192.0.2.8:40002] I can read you");
}

/// Encrypted text comes from other users as plain text does: escape its control
/// characters after decrypting, and spell out what is not seen. A line end inside it must not
/// start a line that looks like a line of another user.
wire(client) fn a_decrypted_text_cannot_drive_the_terminal(case) {
    let key = Key::for_client(case);
    let server = case.scripted_server();
    let client = case.client(server.address());
    let us = server.accept();
    us.send(&format!("[192.0.2.7:40001] {}", key.encrypt("\x1b[2J")));
    client.prints("[192.0.2.7:40001] \\x1b[2J");
    us.send(&format!("[192.0.2.7:40001] {}", key.encrypt("a\n[SERVER] b\r\0c")));
    client.prints("[192.0.2.7:40001] a\\x0a[SERVER] b\\x0d\\x00c");
    us.send(&format!("[192.0.2.7:40001] {}", key.encrypt("\u{202e}txt al\u{200b}ice")));
    client.prints("[192.0.2.7:40001] \\u{202e}txt al\\u{200b}ice");
}

/// The server must understand `!DISCONNECT`, so it goes in the clear. `/quit` becomes the same.
wire(client) fn disconnect_is_sent_in_the_clear(case) {
    let _key = Key::for_client(case);
    let server = case.scripted_server();
    for word in ["!DISCONNECT", "/quit"] {
        let mut client = case.client(server.address());
        let us = server.accept();
        client.type_line(word);
        us.receives("!DISCONNECT");
    }
}

/// At the end of its input the client closes its half only, and decrypts what
/// still comes.
wire(client) fn what_comes_after_the_end_of_input_is_shown_decrypted(case) {
    let key = Key::for_client(case);
    let server = case.scripted_server();
    let mut client = case.client(server.address());
    let us = server.accept();
    client.type_line("last words");
    client.end_input();
    key.decrypt(&us.receives_a_line());
    us.sees_the_end();
    std::thread::sleep(checks::A_WHILE);
    us.send(&format!("[192.0.2.7:40001] {}", key.encrypt("goodbye")));
    us.close();
    client.prints("[192.0.2.7:40001] goodbye");
    client.exits(0);
}

/// Two clients with the same key file understand each other through a server
/// that has none.
wire(client) fn two_clients_understand_each_other(case) {
    let _key = Key::for_client(case);
    let server = case.server();
    // They are in the room for sure; two who just connect may arrive in any order.
    let [carol, _dave] = case.room(&server);
    let mut alice = case.client(server.address());
    carol.hears_of("(3 online)");
    let mut bob = case.client(server.address());
    carol.hears_of("(4 online)");
    alice.type_line("hello bob");
    bob.prints_some("alice's text", |line| line.ends_with("] hello bob"));
    bob.type_line("hello alice");
    alice.prints_some("bob's text", |line| line.ends_with("] hello alice"));
    let seen = carol.hears_some("a line of the two", |line| !line.starts_with("[SERVER]"));
    require(!seen.contains("hello"), "nothing that carol can read", seen);
}
}
