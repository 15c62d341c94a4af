//! Ctrl-C and SIGTERM: how a server ends.

use crate::{Exit, Signal, require};
use std::net::TcpStream;
use std::time::Duration;

/// What the contract allows an orderly end.
const ORDERLY: Duration = Duration::from_secs(5);
/// "At once", with room for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);
const NOTICE: &str = "[SERVER] server is shutting down";

checks! {
/// For every stage.
pub shutdown:

/// Handle both signals: stop accepting, end in order, exit code 0.
ours(server) fn ctrl_c_and_sigterm_end_the_server_with_exit_code_0(case) {
    for signal in [Signal::INT, Signal::TERM] {
        let server = case.server();
        server.program.signal(signal);
        server.program.exits(0);
        require(TcpStream::connect(server.address()).is_err(), "nobody listening", "a connection");
    }
}
}

checks! {
/// From stage 2 on.
pub shutdown_with_clients:

/// At SIGTERM each client is told, then its connection closed in good order:
/// a server that just ends leaves its users guessing. Before that all is delivered that had
/// come, also a text whose line end has not come yet, as at the end of a stream.
wire(server) fn clients_are_told_that_the_server_shuts_down(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send("hello");
    path.receiver().hears_of("hello");
    let lines: String = (0..1000).map(|n| format!("number {n}\n")).collect();
    path.sender.send_bytes(format!("{lines}half a line").as_bytes());
    server.terminate();
    lines.lines().for_each(|line| path.delivers(line));
    path.receiver().hears_of("half a line");
    path.sender.hears(NOTICE);
    path.sender.sees_a_clean_end();
    if !case.echoes() {
        path.receiver().hears(NOTICE);
        path.receiver().sees_a_clean_end();
    }
    server.program.ends(ORDERLY);
}

/// Ctrl-C is the same as SIGTERM.
wire(server) fn clients_are_told_at_ctrl_c_too(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send("hello");
    path.receiver().hears_of("hello");
    server.program.signal(Signal::INT);
    path.sender.hears(NOTICE);
    path.sender.sees_a_clean_end();
    server.program.ends(ORDERLY);
}

/// Neither an idle client nor one that never reads holds the end up: 5 s are the
/// bound, for any clients. Set a deadline on what is still written.
ours(server) fn a_client_that_never_reads_does_not_hold_up_the_end(case) {
    let server = case.server();
    let _stuck = stuck_client(case, &server);
    server.terminate();
    server.program.exits(0);
}

/// A second signal means now: do not wait for any client.
ours(server) fn a_second_signal_ends_the_server_at_once(case) {
    let server = case.server();
    let crowd = stuck_client(case, &server);
    server.terminate();
    // Two signals in a row may arrive as one: wait until the first has its effect.
    match crowd.get(1) {
        Some(witness) => witness.hears(NOTICE),
        None => refuses_connections(server.address()),
    }
    server.terminate();
    let exit = server.program.ends(AT_ONCE);
    require(exit != Exit::Code(101), "an end without a panic", exit.to_string());
}
}

/// A client for which the server has more to write than the sockets hold, and in
/// the chat two other clients that caused it.
#[track_caller]
fn stuck_client(case: &crate::Case, server: &crate::Server) -> Vec<crate::Peer> {
    let line = format!("{}\n", "x".repeat(4000)).repeat(16);
    if case.echoes() {
        let stuck = case.connect_unread("stuck", server);
        // Until our own writing stalls: the server does not read any more,
        // because it cannot write.
        stuck.flood(line.as_bytes(), 1000);
        return vec![stuck];
    }
    let [sender, witness] = case.room(server);
    let stuck = case.connect_unread("stuck", server);
    stuck.send("stuck is here");
    witness.hears_of("stuck is here");
    // Below 1 MiB: more, and the server would rightly drop the stuck one.
    for _ in 0..12 {
        sender.send_bytes(line.as_bytes());
    }
    vec![stuck, witness, sender]
}

/// Waits until no server accepts at `address`.
#[track_caller]
fn refuses_connections(address: std::net::SocketAddr) {
    let deadline = std::time::Instant::now() + crate::patience();
    while TcpStream::connect(address).is_ok() {
        let late = std::time::Instant::now() > deadline;
        require(!late, "a server that stops accepting", "it still accepts");
        std::thread::sleep(Duration::from_millis(10));
    }
}
