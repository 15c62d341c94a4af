//! What a line is, sealed or not.

use crate::chat::{Chat, PASSWORD};
use crate::connection::Connection;
use std::time::Duration;
use testkit::{checks, require, shown};

const TOO_LONG: &str = "[SERVER] error: line longer than 4096 bytes";
/// Between two pieces of one line, so that they arrive apart. A right server
/// passes however long this is; a wrong one might pass without it.
const APART: Duration = Duration::from_millis(25);

checks! {
/// What a line is.
pub lines:

/// The longest text makes a line of 4096 bytes. With its sender's name it
/// comes out longer, and nothing may be cut off.
wire(server) fn the_longest_text_is_delivered_whole(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let longest = "x".repeat(alice.longest_text());
    require(alice.encoded(&longest).len() == 4096, "a line of 4096 bytes", "another length");
    alice.tells(&bob, &longest);
    let history = chat.register("carol").history;
    let whole = history.iter().any(|l| l.ends_with(&format!("{}: {longest}", alice.name)));
    require(whole, "the whole text in the history", shown(history.join("\n")));
}

/// 4097 bytes are one too many, with a line end or without, before the login and
/// after: the error comes as every line does, and then the server closes.
wire(server) fn a_line_longer_than_4096_bytes_gets_an_error_and_the_end(case) {
    let chat = Chat::start(case);
    let ends = |line: &Connection, bytes: &[u8]| {
        let _ = line.peer.try_send(bytes);
        line.hears(TOO_LONG);
        line.peer.sees_the_end();
    };
    ends(&chat.asked("eve"), &[&[b'x'; 4097][..], b"\n"].concat());
    ends(&chat.asked("eve"), &vec![b'x'; 300_000]);
    let [alice, bob] = chat.room();
    ends(&alice, &[alice.encoded(&"y".repeat(alice.longest_text() + 1)).as_bytes(), b"\n"].concat());
    bob.hears(&format!("[SERVER] {} left (1 online)", alice.name));
    ends(&bob, &vec![b'x'; 300_000]);
}

/// TCP is a stream: a line may come in pieces, and several at once.
wire(server) fn lines_may_come_in_pieces_and_together(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let line = alice.encoded("in three pieces") + "\r\n";
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

/// The whole login may come at once, and the first messages with it.
wire(server) fn the_login_may_come_in_one_packet(case) {
    let chat = Chat::start(case);
    let bob = chat.register("bob");
    let connection = chat.connect("alice");
    connection.send_all(["REGISTER", &chat.name("alice"), PASSWORD, "hello", "and again"]);
    bob.hears(&format!("{}: hello", chat.name("alice")));
    bob.hears(&format!("{}: and again", chat.name("alice")));
}

/// An empty line, sealed or not, says nothing: it is not delivered, and is no
/// error.
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

/// What stands before the end of the stream is a line, also without a line end; a
/// client that closes its half has left, and the server closes too.
wire(server) fn a_last_line_without_line_end_counts(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    alice.peer.send_bytes(alice.encoded("the last words").as_bytes());
    alice.peer.half_close();
    bob.hears(&format!("{}: the last words", alice.name));
    bob.hears(&format!("[SERVER] {} left (1 online)", alice.name));
    alice.lines_to_the_end();
}
}
