//! The graded checks of stage 2. They know `docs/src/contract.md` and nothing of our
//! code: `STAGE2_SERVER='python3 server.py {host} {port}' cargo test -p
//! stage2-echo --test checks` grades any other program.

use std::process::ExitCode;
use std::time::Duration;
use testkit::{Suite, checks, fail, require};

fn main() -> ExitCode {
    Suite::new(2, env!("CARGO_BIN_EXE_stage2-server"), env!("CARGO_BIN_EXE_stage2-client"))
        .with(checks::server_starts())
        .with(checks::client_starts())
        .with(checks::start())
        .with(checks::server_addresses())
        .with(checks::shutdown())
        .with(checks::log())
        .with(converse())
        .with(checks::echo())
        .with(checks::server_sessions())
        .with(one_at_a_time())
        .with(checks::lines())
        .with(checks::empty_line_is_echoed())
        .with(checks::robustness())
        .with(checks::shutdown_with_clients())
        .with(checks::lock_step())
        .with(checks::piped_client())
        .with(checks::client_program())
        .with(checks::client_addresses())
        .with(checks::terminal())
        .run()
}

checks! { one_at_a_time:

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

/// Waiting clients are served in the order in which they connected. Eight can wait: the number given to
/// listen() is that of connections that nobody has accepted yet.
wire(server) fn waiting_clients_are_served_one_after_the_other(case) {
    let server = case.server();
    let names = ["alice", "bob", "carol", "dave", "eve", "frank", "grace", "heidi", "ivan"];
    let peers = names.map(|name| case.connect(name, &server));
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

/// With `--converse` each answer is what the operator of the server types: the
/// client's line is shown there, and nothing is answered before.
ours(server) fn the_operator_at_the_server_types_each_answer(case) {
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
ours(server) fn the_operator_at_the_server_can_disconnect(case) {
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

/// A client's control characters must not reach the terminal of the operator of
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
