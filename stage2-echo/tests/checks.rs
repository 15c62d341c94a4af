//! The graded checks of stage 2. They know `PROTOCOL.md` and nothing of our
//! code: `STAGE2_SERVER='python3 server.py {host} {port}' cargo test -p
//! stage2-echo --test checks` grades any other program.

use std::process::ExitCode;
use std::time::Duration;
use testkit::{Suite, checks, fail, require, rules};

fn main() -> ExitCode {
    Suite::new(2, env!("CARGO_BIN_EXE_stage2-server"), env!("CARGO_BIN_EXE_stage2-client"))
        .with(echo())
        .with(converse())
        .with(lock_step())
        .with(rules::lines())
        .with(rules::empty_line_is_echoed())
        .with(rules::hardship())
        .with(rules::ending())
        .with(rules::ending_with_clients())
        .with(rules::start())
        .with(rules::server_addresses())
        .with(rules::log())
        .with(rules::piped_client())
        .with(rules::client_program())
        .with(rules::client_addresses())
        .with(rules::terminal())
        .run()
}

checks! { echo:

/// Read a line, write the same line back with its line end.
wire(server) fn every_line_is_answered_with_the_same_line(case) {
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

/// One client at a time: no thread per client yet. The second one may connect,
/// but gets no answer while the first is there.
wire(server) fn the_second_client_waits_until_the_first_has_gone(case) {
    let server = case.server();
    let alice = case.connect("alice", &server);
    alice.send("first");
    alice.receives("first");
    let bob = case.connect("bob", &server);
    bob.send("is anybody there?");
    for line in ["one", "two", "three"] {
        alice.send(line);
        alice.receives(line);
    }
    if bob.hears_within("", Duration::from_millis(150)) {
        fail("bob to wait while alice is there", "bob was answered");
    }
    alice.close();
    bob.receives("is anybody there?");
}

/// Those who wait are served in the order in which they came.
wire(server) fn waiting_clients_are_served_one_after_the_other(case) {
    let server = case.server();
    let peers: Vec<_> = ["alice", "bob", "carol"].map(|name| case.connect(name, &server)).into();
    for peer in &peers {
        peer.send(peer.name());
    }
    for peer in peers {
        peer.receives(peer.name());
        peer.close();
    }
}

/// After `!DISCONNECT` it is the next one's turn.
wire(server) fn disconnect_makes_room_for_the_next_client(case) {
    let server = case.server();
    let alice = case.connect("alice", &server);
    let bob = case.connect("bob", &server);
    bob.send("my turn");
    alice.send("!DISCONNECT");
    bob.receives("my turn");
}
}

checks! { converse:

/// With `--converse` each answer is what the person at the server types: the
/// client's line is shown there, and nothing is answered before.
ours(server) fn the_person_at_the_server_types_each_answer(case) {
    let mut server = case.server_with(&["--listen", "127.0.0.1:0", "--converse"]);
    let alice = case.connect("alice", &server);
    for (line, answer) in [("how are you?", "fine, and you?"), ("fine too", "good")] {
        alice.send(line);
        server.program.shows(line);
        if alice.hears_within("", Duration::from_millis(50)) {
            fail("no answer before one is typed", "an answer");
        }
        server.program.type_line(answer);
        alice.receives(answer);
    }
}

/// `!DISCONNECT` typed at the server ends the connection in good order, and the
/// next client is served.
ours(server) fn the_person_at_the_server_can_disconnect(case) {
    let mut server = case.server_with(&["--listen", "127.0.0.1:0", "--converse"]);
    let alice = case.connect("alice", &server);
    alice.send("hello");
    server.program.shows("hello");
    server.program.type_line("!DISCONNECT");
    alice.sees_a_clean_end();
    let bob = case.connect("bob", &server);
    bob.send("me too");
    server.program.shows("me too");
    server.program.type_line("welcome");
    bob.receives("welcome");
}

/// A client's control characters must not reach the terminal of the person at
/// the server.
ours(server) fn converse_escapes_control_characters(case) {
    let server = case.server_with(&["--listen", "127.0.0.1:0", "--converse"]);
    let alice = case.connect("alice", &server);
    alice.send("red \x1b[31m alert");
    server.program.shows("red \\x1b[31m alert");
    let output = server.program.output() + &server.program.errors();
    require(!output.contains('\x1b'), "no raw ESC", format!("{output:?}"));
}
}

checks! { lock_step:

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
wire(client) fn client_and_server_together(case) {
    let server = case.server();
    let mut client = case.client(server.address());
    client.try_type("hello\n日本語\n\nbye\n".as_bytes());
    client.end_input();
    client.ends(Duration::from_secs(5));
    let (output, expected) = (client.output(), "server: hello\nserver: 日本語\nserver: \nserver: bye\n");
    require(output == expected, format!("{expected:?}"), format!("{output:?}"));
}
}
