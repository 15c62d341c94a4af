//! The server of stage 5 is that of stage 4, and what it must not do is know.

use super::wire::Key;
use testkit::checks;

checks! {
/// What the server sees of a chat that it cannot read.
pub server:

/// The server passes on what it gets, byte for byte, behind `[IP:PORT] `. It
/// has no key, and must neither decode the base64 nor wrap long lines.
basic(server) fn a_ciphertext_is_relayed_unchanged(case) {
    let server = case.server();
    let [alice, bob, carol] = case.room(&server);
    let key = Key::random();
    for text in ["hello".to_owned(), "x".repeat(1000), "y".repeat(3055)] {
        let line = key.encrypt(text);
        alice.send(&line);
        for listener in [&bob, &carol] {
            listener.receives(&format!("[{}] {line}", alice.address()));
        }
    }
}

/// The server neither needs a key file nor looks for one.
ours(server) fn the_server_starts_without_a_key_file(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    alice.send("abc=");
    bob.receives(&format!("[{}] abc=", alice.address()));
}

/// In stage 5 the log has every message as it passes, which shows what an operator
/// (or an attacker in the server) sees: which client sends when, and how long the
/// texts are, and not the texts.
ours(server) fn the_log_shows_ciphertext_and_no_text(case) {
    let key = Key::for_client(case);
    let server = case.server();
    let [bob, _carol] = case.room(&server);
    let mut alice = case.client(server.address());
    bob.hears_of("joined (3 online)");
    alice.type_line("meet me at the bridge");
    let line = bob.hears_some("what alice says", |line| !line.starts_with("[SERVER]"));
    let (_, ciphertext) = line.split_once("] ").unwrap_or_default();
    testkit::require(key.decrypt(ciphertext).1 == "meet me at the bridge", "alice's text, encrypted", &line);

    server.terminate();
    server.program.exits(0);
    let file = std::fs::read_to_string(case.folder().join("server_logs.txt")).unwrap_or_default();
    for (place, log) in [("server_logs.txt", file), ("the log on standard error", server.program.errors())] {
        testkit::require(log.contains(ciphertext), format!("the ciphertext in {place}"), "it is not there");
        testkit::require(!log.contains("bridge"), format!("no plain text in {place}"), "alice's text");
    }
}
}
