//! The envelope, and the rules about lines, which hold for sealed lines.

use super::envelope::{Envelope, LONGEST_TEXT};
use super::line::Line;
use super::member::{Chat, PASSWORD, REJECTED};
use super::wire::Key;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::collections::HashSet;
use std::time::Duration;
use testkit::{checks, require, shown};

const TOO_LONG: &str = "[SERVER] error: line longer than 4096 bytes";
const NOT_UTF8: &str = "[SERVER] error: line is not valid UTF-8";
/// Between two pieces of one line, so that they arrive apart. A right server
/// passes however long this is; a wrong one might pass without it.
const APART: Duration = Duration::from_millis(25);

/// Lines that the holder of the key never sealed, each with what is wrong with it.
fn forged(envelope: &Envelope, text: &str) -> Vec<(&'static str, String)> {
    let good = envelope.seal(text);
    let bytes = STANDARD.decode(&good).expect("this is base64");
    let changed = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        STANDARD.encode(bytes)
    };
    let without_tag = &bytes[..bytes.len() - 32];
    vec![
        ("the text in the clear", text.to_owned()),
        ("base64 of the text", STANDARD.encode(text)),
        ("one bit of the IV changed", changed(0)),
        ("one bit of the ciphertext changed", changed(20)),
        ("one bit of the tag changed", changed(bytes.len() - 1)),
        ("the first bit of the tag changed", changed(bytes.len() - 32)),
        ("no tag", STANDARD.encode(without_tag)),
        ("the tag cut to half", STANDARD.encode(&bytes[..bytes.len() - 16])),
        ("a tag of zeros", STANDARD.encode([without_tag, &[0; 32]].concat())),
        ("cut to its first half", good[..good.len() / 8 * 4].to_owned()),
        ("without its first block", STANDARD.encode(&bytes[16..])),
        ("sealed under another key", Envelope::new(&Key::random()).seal(text)),
        ("hexadecimal in place of base64", hex::encode(&bytes)),
        ("something behind it", format!("{good}AAAA")),
        ("a space in it", format!("{} {}", &good[..8], &good[8..])),
        ("a right tag over an IV alone", STANDARD.encode(envelope.tagged(vec![7; 16]))),
        ("a right tag over half a block", STANDARD.encode(envelope.tagged(vec![7; 24]))),
        ("a line end inside the text", envelope.seal(format!("{text}\nbob: me too"))),
        ("a right tag over nothing", STANDARD.encode(envelope.tagged(Vec::new()))),
    ]
}

checks! {
/// Every line is sealed.
pub envelope:

/// The very first line is sealed already: base64 of IV, ciphertext and tag. The
/// tag is over IV and ciphertext, and the two keys come from the key of chat.key
/// by HKDF (info `chat encrypt` and `chat authenticate`, no salt).
wire(server) fn the_first_line_is_a_sealed_auth_required(case) {
    let chat = Chat::start(case);
    chat.connect("alice").receives("AUTH_REQUIRED");
}

/// A new random IV for every line, or equal texts are equal lines.
wire(server) fn every_line_has_an_iv_of_its_own(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    for _ in 0..20 {
        alice.tells(&bob, "the same text");
    }
    let received = String::from_utf8_lossy(&bob.peer.everything()).into_owned();
    let lines = received.lines().count();
    let ivs: HashSet<_> = received.lines().map(Envelope::iv).collect();
    require(ivs.len() == lines, format!("{lines} different IVs"), ivs.len().to_string());
    let beginnings: HashSet<_> = ivs.iter().map(|iv| &iv[..8]).collect();
    require(beginnings.len() == lines, "random IVs", "IVs that differ in their second half only");
}

/// Whoever comes without the key, or with another, gets one answer, sealed, and
/// the connection closed. Check the tag first, whatever else is wrong.
wire(server) fn a_first_line_that_is_not_sealed_well_is_rejected(case) {
    let chat = Chat::start(case);
    for (what, line) in forged(&chat.envelope, &format!("REGISTER {} {PASSWORD}", chat.name("eve"))) {
        case.note(what);
        let eve = chat.asked("eve");
        eve.peer.send(&line);
        eve.is_rejected();
    }
    chat.register("alice");
}

/// The same in the room: it reaches nobody, its sender is told and put out.
wire(server) fn a_message_that_is_not_sealed_well_is_rejected(case) {
    let chat = Chat::start(case);
    let bob = chat.register("bob");
    chat.registered("eve");
    for (what, line) in forged(&chat.envelope, "I was never sealed") {
        case.note(what);
        bob.hears_some("the departure of eve", |l| l.contains(" left ("));
        let eve = chat.login("eve");
        eve.peer.send(&line);
        eve.is_rejected();
    }
    chat.register("carol").send("the fence");
    bob.never_hears("never sealed", ": the fence");
}

/// What was sent before the bad line is delivered, what comes after it is not
/// read any more, and the others are told that its sender left.
wire(server) fn a_rejected_line_ends_the_connection(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    let lines = [alice.envelope.seal("before it"), "garbage".into(), alice.envelope.seal("after it")];
    alice.peer.send_bytes((lines.join("\n") + "\n").as_bytes());
    alice.is_rejected();
    bob.hears(&format!("{}: before it", alice.name));
    bob.hears(&format!("[SERVER] {} left (2 online)", alice.name));
    carol.send("the fence");
    bob.never_hears("after it", "the fence");
}

/// The answer to a rejected line is the same whatever is wrong with it: a
/// difference between a wrong padding and a wrong tag is all that an attacker
/// needs to decrypt a line.
wire(server) fn all_rejected_lines_get_the_same_answer(case) {
    let chat = Chat::start(case);
    for (what, line) in forged(&chat.envelope, "LOGIN alice secret") {
        case.note(what);
        let eve = chat.asked("eve");
        eve.peer.send(&line);
        let lines = eve.lines_to_the_end();
        require(lines == [REJECTED], format!("{REJECTED}, and nothing else"), format!("{lines:?}"));
    }
}

/// A text that is not UTF-8 reaches nobody: it is a line that fails, or one that
/// is not valid.
wire(server) fn bytes_that_are_no_utf8_reach_nobody(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let (carol, dave) = (chat.register("carol"), chat.register("dave"));
    carol.peer.send(&carol.envelope.seal(b"sealed \xff\xfe"));
    dave.peer.send_bytes(b"plain \xff\xfe\n");
    for sender in [&carol, &dave] {
        sender.hears_some("an error", |l| [REJECTED, NOT_UTF8].contains(&l));
    }
    alice.send("the fence");
    bob.never_hears("sealed", "the fence");
}
}

checks! {
/// What a line is.
pub lines:

/// Base64 of the longest text is a line of 4096 bytes. With its sender's name it
/// comes out longer, and nothing may be cut off.
wire(server) fn the_longest_text_is_delivered_whole(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let longest = "x".repeat(LONGEST_TEXT);
    require(alice.envelope.seal(&longest).len() == 4096, "a line of 4096 bytes", "another length");
    alice.tells(&bob, &longest);
    let history = chat.register("carol").history;
    let whole = history.iter().any(|l| l.ends_with(&format!("{}: {longest}", alice.name)));
    require(whole, "the whole text in the history", shown(history.join("\n")));
}

/// 4097 bytes are one too many, with a line end or without, before the login and
/// after: the error is sealed as every line is, and then the server closes.
wire(server) fn a_line_longer_than_4096_bytes_gets_an_error_and_the_end(case) {
    let chat = Chat::start(case);
    let ends = |line: &Line, bytes: &[u8]| {
        let _ = line.peer.try_send(bytes);
        line.hears(TOO_LONG);
        line.peer.sees_the_end();
    };
    ends(&chat.asked("eve"), &[&[b'x'; 4097][..], b"\n"].concat());
    ends(&chat.asked("eve"), &vec![b'x'; 300_000]);
    let [alice, bob] = chat.room();
    ends(&alice, &[alice.envelope.seal("y".repeat(LONGEST_TEXT + 1)).as_bytes(), b"\n"].concat());
    bob.hears(&format!("[SERVER] {} left (1 online)", alice.name));
    ends(&bob, &vec![b'x'; 300_000]);
}

/// TCP is a stream: a sealed line may come in pieces, and several at once.
wire(server) fn lines_may_come_in_pieces_and_together(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let line = alice.envelope.seal("in three pieces") + "\r\n";
    for piece in [&line[..5], &line[5..line.len() - 1], &line[line.len() - 1..]] {
        alice.peer.send_bytes(piece.as_bytes());
        std::thread::sleep(APART);
    }
    bob.hears(&format!("{}: in three pieces", alice.name));
    alice.send_all(["first", "second", "third"]);
    for text in ["first", "second", "third"] {
        bob.hears(&format!("{}: {text}", alice.name));
    }
}

/// The whole dialogue may come at once, and the first messages with it.
wire(server) fn the_dialogue_may_come_in_one_packet(case) {
    let chat = Chat::start(case);
    let bob = chat.register("bob");
    let line = chat.connect("alice");
    line.send_all(["REGISTER", &chat.name("alice"), PASSWORD, "hello", "and again"]);
    bob.hears(&format!("{}: hello", chat.name("alice")));
    bob.hears(&format!("{}: and again", chat.name("alice")));
}

/// An empty line, and a sealed text of no characters, say nothing: they reach
/// nobody and are no error.
wire(server) fn an_empty_line_is_ignored(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    alice.peer.send_bytes(b"\n\r\n\n");
    alice.send("");
    alice.send("after the empty lines");
    bob.never_hears(&format!("{}:", alice.name), "after the empty lines");
    bob.send("the fence");
    alice.never_hears("error", "the fence");
}

/// What stands before the end of the stream is a line, also without a line end;
/// who closes its half has left, and the server closes too.
wire(server) fn a_last_line_without_line_end_counts(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    alice.peer.send_bytes(alice.envelope.seal("the last words").as_bytes());
    alice.peer.half_close();
    bob.hears(&format!("{}: the last words", alice.name));
    bob.hears(&format!("[SERVER] {} left (1 online)", alice.name));
    alice.lines_to_the_end();
}
}
