//! The sealed envelope, as a server has to keep it.

use crate::chat::{Chat, PASSWORD};
use crate::connection::REJECTED;
use crate::envelope::Envelope;
use crate::wire::Key;
use base64::{Engine, engine::general_purpose::STANDARD};
use testkit::{checks, ivs, require};

const NOT_UTF8: &str = "[SERVER] error: line is not valid UTF-8";
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
/// Every line is sealed: stages 6 and 7.
pub envelope:

/// The very first line is sealed already: base64 of IV, ciphertext and tag. The
/// tag is over IV and ciphertext, and the two keys come from the key of chat.key
/// by HKDF (info `chat encrypt` and `chat authenticate`, no salt).
basic(server) fn the_first_line_is_a_sealed_auth_required(case) {
    let chat = Chat::start(case);
    chat.connect("alice").receives("AUTH_REQUIRED");
}

/// A new random IV for every line, or equal texts are equal lines. Take it from the
/// system's random numbers: one that counts, or begins anew with each start of the
/// program, is known beforehand.
wire(server) fn every_line_has_an_iv_of_its_own(case) {
    let mut messages = Vec::new();
    for _ in 0..2 {
        let chat = Chat::start(case);
        let [alice, bob] = chat.room();
        for _ in 0..ivs::MESSAGES / 2 {
            alice.tells(&bob, "the same text");
        }
        messages.extend(bob.received_messages());
    }
    ivs::require_random(&messages);
}

/// A client without the key, or with another one, gets one answer, sealed, and is
/// disconnected. Check the tag before anything else.
wire(server) fn a_first_line_that_is_not_sealed_well_is_rejected(case) {
    let chat = Chat::start(case);
    for (what, line) in forged(chat.envelope(), &format!("REGISTER {} {PASSWORD}", chat.name("eve"))) {
        case.note(what);
        let eve = chat.asked("eve");
        eve.peer.send(&line);
        eve.is_rejected();
    }
    chat.register("alice");
}

/// The same in the room: the line is not delivered, and its sender is told and
/// disconnected.
wire(server) fn a_message_that_is_not_sealed_well_is_rejected(case) {
    let chat = Chat::start(case);
    let bob = chat.register("bob");
    chat.registered("eve");
    for (what, line) in forged(chat.envelope(), "I was never sealed") {
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
    let lines = [alice.envelope().seal("before it"), "garbage".into(), alice.envelope().seal("after it")];
    alice.peer.send_bytes((lines.join("\n") + "\n").as_bytes());
    alice.is_rejected();
    bob.hears(&format!("{}: before it", alice.name));
    bob.hears(&format!("[SERVER] {} left (2 online)", alice.name));
    carol.send("the fence");
    bob.never_hears("after it", "the fence");
}

/// The answer to a rejected line is the same for every cause: a difference between
/// a wrong padding and a wrong tag is all that an attacker needs to decrypt a line.
wire(server) fn all_rejected_lines_get_the_same_answer(case) {
    let chat = Chat::start(case);
    for (what, line) in forged(chat.envelope(), "LOGIN alice secret") {
        case.note(what);
        let eve = chat.asked("eve");
        eve.peer.send(&line);
        let lines = eve.lines_to_the_end();
        require(lines == [REJECTED], format!("{REJECTED}, and nothing else"), format!("{lines:?}"));
    }
}

/// A text that is not UTF-8 is not delivered: the line is rejected, or is not
/// valid.
wire(server) fn bytes_that_are_no_utf8_reach_nobody(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let (carol, dave) = (chat.register("carol"), chat.register("dave"));
    carol.peer.send(&carol.envelope().seal(b"sealed \xff\xfe"));
    dave.peer.send_bytes(b"plain \xff\xfe\n");
    for sender in [&carol, &dave] {
        sender.hears_some("an error", |l| [REJECTED, NOT_UTF8].contains(&l));
    }
    alice.send("the fence");
    bob.never_hears("sealed", "the fence");
}
}

checks! {
/// The key file of our server.
pub key_option:

/// `--key FILE` names another key file than `chat.key`.
ours(server) fn key_names_the_servers_key_file(case) {
    let key = Key::random();
    let chat = Chat::start(case);
    key.write(&case.folder().join("other.key"));
    let mut other = Chat::start_with(case, &["--key", "other.key", "--db", "sqlite:other.db"]);
    other.set_envelope(Envelope::new(&key));
    other.register("alice");
    chat.register("alice");
}
}
