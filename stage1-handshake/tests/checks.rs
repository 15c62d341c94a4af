//! The graded checks of stage 1. They know `docs/src/contract.md` and nothing of our
//! code: `STAGE1_SERVER='python3 server.py {host} {port}' cargo test -p
//! stage1-handshake --test checks` grades any other program.

use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;
use testkit::{Program, Suite, checks, require};

fn main() -> ExitCode {
    Suite::new(1, env!("CARGO_BIN_EXE_stage1-server"), env!("CARGO_BIN_EXE_stage1-client"))
        .with(handshake())
        .with(checks::start())
        .with(checks::shutdown())
        .with(checks::server_addresses())
        .with(checks::client_program())
        .with(checks::client_addresses())
        .run()
}

const SOON: Duration = Duration::from_secs(5);

fn connected(client: SocketAddr, server: SocketAddr) -> String {
    format!("Connected: client {client} -> server {server}")
}

/// The program has to name a round-trip time and a segment size, each with a figure.
#[track_caller]
fn shows_what_was_settled(program: &Program) {
    let said = (program.output() + &program.errors()).to_lowercase();
    for words in [["round-trip", "round trip", "rtt"], ["segment", "segment size", "mss"]] {
        let told = said.lines().any(|line| {
            words.iter().any(|word| line.contains(word)) && line.contains(|c: char| c.is_ascii_digit())
        });
        require(told, format!("a line with a figure about {:?}", words[0]), format!("{said:?}"));
    }
}

checks! { handshake:

/// `accept` gives the client's address, `getsockname` on the connection our own:
/// print both on one line.
wire(server) fn the_server_prints_both_addresses(case) {
    let server = case.server();
    let alice = case.connect("alice", &server);
    let line = connected(alice.address(), server.address());
    server.program.prints_some(&format!("{line:?}"), |l| l == line);
}

/// The server accepts one connection, says so, and is done.
wire(server) fn the_server_ends_after_one_connection(case) {
    let server = case.server();
    let alice = case.connect("alice", &server);
    server.program.ends(SOON);
    alice.sees_a_clean_end();
    require(TcpStream::connect(server.address()).is_err(), "nobody listening", "a connection");
}

/// The client's own port is the one that the system chose: `getsockname` after
/// connecting. The server's address is the one that answered.
wire(client) fn the_client_prints_both_addresses(case) {
    let server = case.scripted_server();
    let client = case.client(server.address());
    let us = server.accept();
    let line = connected(us.remote_address(), us.address());
    client.prints_some(&format!("{line:?}"), |l| l == line);
}

/// The client connects, says so, and is done, whether or not the server closes.
wire(client) fn the_client_ends_after_connecting(case) {
    let server = case.scripted_server();
    let client = case.client(server.address());
    let us = server.accept();
    client.ends(SOON);
    us.sees_the_end();
}

/// Both sides speak of one connection: the two lines are the same.
wire(both) fn both_sides_print_the_same_line(case) {
    let server = case.server();
    let client = case.client(server.address());
    let starts = |line: &str| line.starts_with("Connected: client ");
    let (ours, theirs) = (client.prints_some("the line", starts), server.program.prints_some("the line", starts));
    require(ours == theirs, format!("{ours:?} from the server too"), theirs);
    client.ends(SOON);
    server.program.ends(SOON);
}

/// The handshake is done, even if the client sends data or resets the connection.
wire(server) fn the_server_outlives_a_reset(case) {
    let server = case.server();
    let alice = case.connect("alice", &server);
    let line = connected(alice.address(), server.address());
    let _ = alice.try_send(&[0xff; 3000]);
    alice.reset();
    server.program.prints_some(&format!("{line:?}"), |l| l == line);
}

/// Done is exit code 0, on both sides.
ours(server) fn the_server_exits_with_0(case) {
    let server = case.server();
    let _alice = case.connect("alice", &server);
    server.program.exits(0);
}

/// Done is exit code 0, on both sides.
ours(client) fn the_client_exits_with_0(case) {
    let server = case.scripted_server();
    let client = case.client(server.address());
    let _us = server.accept();
    client.exits(0);
}

/// What the handshake settled: round-trip time and maximum segment size.
ours(server) fn the_server_shows_what_the_handshake_settled(case) {
    let server = case.server();
    let _alice = case.connect("alice", &server);
    server.program.exits(0);
    shows_what_was_settled(&server.program);
}

/// What the handshake settled: round-trip time and maximum segment size.
ours(client) fn the_client_shows_what_the_handshake_settled(case) {
    let server = case.scripted_server();
    let client = case.client(server.address());
    let _us = server.accept();
    client.exits(0);
    shows_what_was_settled(&client);
}

/// An IPv6 address stands in brackets here too: `[::1]:PORT`.
ours(server) fn ipv6_addresses_stand_in_brackets(case) {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return case.note("this machine has no IPv6: nothing to check");
    }
    let server = case.server_with(&["--listen", "[::1]:0"]);
    let alice = case.connect("alice", &server);
    let line = format!("client [::1]:{} -> server [::1]:", alice.address().port());
    server.program.prints_some(&line, |l| l.contains(&line));
}
}
