//! The echo protocol of stages 2 and 3.

use crate::{fail, require};
use std::time::Duration;

checks! {
/// What the server answers.
pub echo:

/// Read a line, write the same line back with its line end.
basic(server) fn every_line_is_answered_with_the_same_line(case) {
    let server = case.server();
    let alice = case.connect("alice", &server);
    for line in ["hello", "and again", "hello"] {
        alice.send(line);
        alice.receives(line);
    }
}

/// `/quit` is a command from stage 4 on; here it is a line like any other.
wire(server) fn quit_is_an_ordinary_line(case) {
    let server = case.server();
    let alice = case.connect("alice", &server);
    alice.send("/quit");
    alice.receives("/quit");
}
}

checks! {
/// What the client sends and prints.
pub lock_step:

/// The client prints `server: LINE` for each answer.
wire(client) fn the_answer_is_printed_after_server_and_colon(case) {
    let server = case.scripted_server();
    let mut client = case.client(server.address());
    let us = server.accept();
    for (line, answer) in [("hello", "hello"), ("how are you?", "fine")] {
        client.type_line(line);
        us.receives(line);
        us.send(answer);
        client.prints(&format!("server: {answer}"));
    }
}

/// Lock-step: the next line is sent only after the answer to the one before has
/// come, even if it was typed long ago.
wire(client) fn the_client_waits_for_each_answer(case) {
    let server = case.scripted_server();
    let mut client = case.client(server.address());
    let us = server.accept();
    client.try_type(b"one\ntwo\nthree\n");
    for line in ["one", "two", "three"] {
        us.receives(line);
        if us.hears_within("", Duration::from_millis(100)) {
            fail(format!("nothing before {line:?} is answered"), "another line");
        }
        us.send(line);
        client.prints(&format!("server: {line}"));
    }
}

/// An answer that comes in pieces is one answer: read to the line end.
wire(client) fn an_answer_in_pieces_is_one_answer(case) {
    let server = case.scripted_server();
    let mut client = case.client(server.address());
    let us = server.accept();
    client.type_line("hello");
    us.receives("hello");
    for piece in ["half an ", "ans", "wer\n"] {
        us.send_bytes(piece.as_bytes());
        std::thread::sleep(Duration::from_millis(25));
    }
    client.prints("server: half an answer");
}

/// An empty line is sent and answered like any other.
wire(client) fn an_empty_line_is_sent_too(case) {
    let server = case.scripted_server();
    let mut client = case.client(server.address());
    let us = server.accept();
    client.type_line("");
    us.receives("");
    us.send("");
    client.prints("server: ");
}

/// Both programs together, from the first line to the last.
wire(both) fn client_and_server_together(case) {
    let server = case.server();
    let mut client = case.client(server.address());
    client.try_type("hello\n日本語\n\nbye\n".as_bytes());
    client.end_input();
    client.ends(Duration::from_secs(5));
    let (output, expected) = (client.output(), "server: hello\nserver: 日本語\nserver: \nserver: bye\n");
    require(output == expected, format!("{expected:?}"), format!("{output:?}"));
}
}
