//! "A server outlives whatever one client does."

use crate::{Case, Server};
use std::time::{Duration, Instant};

/// Longer than the time-outs that people try out, and within a check's own limit.
pub const SILENCE: Duration = Duration::from_secs(7);

/// How long a server must go on serving. One that dies of a connection does so when the
/// thread of that connection runs, and others may be served until then.
const AFTERMATH: Duration = Duration::from_millis(100);

/// Fails unless new clients are served, and go on being served.
#[track_caller]
fn others_are_served(case: &Case, server: &Server) {
    server.still_runs();
    let path = case.delivery_path(server);
    let start = Instant::now();
    loop {
        path.sender.send("is anybody there?");
        path.receiver().hears_of("is anybody there?");
        if start.elapsed() > AFTERMATH {
            break;
        }
        std::thread::sleep(AFTERMATH / 5);
    }
    server.still_runs();
}

checks! {
/// Clients that misbehave, each followed by one that does not.
pub robustness:

/// An error on one connection (reset, broken pipe) ends that connection, never
/// the server: catch it where the connection is served.
wire(server) fn the_server_outlives_a_reset(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send("about to crash");
    path.receiver().hears_of("about to crash");
    path.sender.reset();
    others_are_served(case, &server);
}

/// A client may be gone before the server has said a word to it.
wire(server) fn the_server_outlives_connections_that_say_nothing(case) {
    let server = case.server();
    for n in 0..20 {
        let peer = case.connect("mute", &server);
        if n % 2 == 0 { peer.reset() } else { peer.close() }
    }
    others_are_served(case, &server);
}

/// Bytes of any kind may come, a TLS greeting or a web request among them.
wire(server) fn the_server_outlives_garbage(case) {
    let server = case.server();
    let garbage: Vec<u8> = (0..=255).cycle().map(|b: u8| b.wrapping_mul(167)).take(3000).collect();
    for bytes in [&garbage[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\n\0"] {
        let peer = case.connect("garbage", &server);
        let _ = peer.try_send(bytes);
        peer.half_close();
        peer.sees_the_end();
    }
    others_are_served(case, &server);
}

/// A flood and then a reset, with the server in the middle of an answer.
wire(server) fn the_server_outlives_a_flood_and_a_reset(case) {
    let server = case.server();
    let peer = case.connect("flood", &server);
    let _ = peer.try_send(&vec![b'x'; 300_000]);
    peer.reset();
    others_are_served(case, &server);
}

/// The other side may be gone while the server still writes to it.
wire(server) fn the_server_outlives_a_client_that_leaves_without_reading(case) {
    let server = case.server();
    let peer = case.connect_unread("unread", &server);
    // As much as stays below the bound above which a chat server may disconnect a client.
    for _ in 0..50 {
        if peer.try_send(format!("{}\n", "x".repeat(1000)).as_bytes()).is_err() {
            break;
        }
    }
    peer.reset();
    others_are_served(case, &server);
}

/// One byte at a time is slow, not wrong.
wire(server) fn a_client_that_sends_one_byte_at_a_time_is_served(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    for byte in b"drip, drip\n" {
        path.sender.send_bytes(&[*byte]);
        std::thread::sleep(Duration::from_millis(5));
    }
    path.delivers("drip, drip");
}
}

checks! {
/// From stage 3 on: one client's trouble is not the others'.
pub isolation:

/// A client that connects and says nothing occupies one thread, nothing else.
wire(server) fn idle_clients_keep_nobody_waiting(case) {
    let server = case.server();
    let _idle: Vec<_> = (0..20).map(|_| case.connect("idle", &server)).collect();
    others_are_served(case, &server);
}

/// There is no limit on how long a living client may be silent: no read time-out,
/// not in the middle of a line either.
wire(server, waits) fn a_silent_client_stays_connected(case) {
    let server = case.server();
    let [listening, thinking] = [case.delivery_path(&server), case.delivery_path(&server)];
    thinking.sender.send_bytes(b"I was only ");
    std::thread::sleep(SILENCE);
    thinking.sender.send_bytes(b"thinking\n");
    thinking.receiver().hears_of("I was only thinking");
    listening.sender.send("I was only listening");
    listening.receiver().hears_of("I was only listening");
}

/// A line without its end is that client's own wait: read each connection in a
/// thread of its own (or never block on one).
wire(server) fn a_client_in_the_middle_of_a_line_keeps_nobody_waiting(case) {
    let server = case.server();
    let slow = case.connect("slow", &server);
    slow.send_bytes(b"I am still think");
    others_are_served(case, &server);
}

/// A client that floods and does not read its answers does not stop the server from
/// serving others.
wire(server) fn a_flood_that_nobody_reads_keeps_nobody_waiting(case) {
    let server = case.server();
    let flood = case.connect_unread("flood", &server);
    flood.flood(&b"flood\n".repeat(1000), 100);
    others_are_served(case, &server);
}
}
