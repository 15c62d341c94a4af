//! Lines inside TLS as a client sees them, and the ends of a connection.

use flate2::{Decompress, FlushDecompress};
use std::time::{Duration, Instant};
use testkit::{Exit, Program, checks, require, shown};
use testkit_chat::connection::Connection;
use testkit_chat::hpke::Identity;
use testkit_chat::mock_server::MockServer;

const SOON: Duration = Duration::from_secs(5);
const OFFER: &str = "COMPRESS DEFLATE";

/// Cuts the connection off, which ends the client with an error.
#[track_caller]
fn is_cut_off(client: &Program, us: &Connection) {
    us.peer.truncate();
    client.exits(1);
}

/// What the client has sent behind its first line, inflated.
fn inflated(us: &Connection) -> Vec<u8> {
    let sent = us.peer.everything();
    let behind = sent.get(OFFER.len() + 1..).unwrap_or_default();
    let mut text = Vec::with_capacity(1000);
    // Whatever is no deflate becomes no text.
    let _ = Decompress::new(false).decompress_vec(behind, &mut text, FlushDecompress::None);
    text
}

checks! {
/// Owed by a client in any language.
pub lines:

/// A server may end its lines with CR LF: neither belongs to what it says.
wire(client) fn a_server_may_end_its_lines_with_cr_lf(case) {
    let server = MockServer::open(case);
    let mut client = server.client();
    client.try_type(b"LOGIN alice correct horse\n");
    let us = server.accept();
    let say = |us: &Connection, line: &str| us.peer.send_bytes(format!("{line}\r\n").as_bytes());
    say(&us, "AUTH_REQUIRED");
    us.receives("LOGIN alice correct horse");
    for line in ["AUTH_SUCCESS alice token-1", "[USERS_LIST] alice,bob", "bob: hello"] {
        say(&us, line);
        client.prints_some(line, |l| l == line);
    }
    let bob = Identity::new("bob");
    client.type_line("/msg bob hello");
    us.receives("/key bob");
    say(&us, &format!("[KEY] bob {}", bob.public()));
    us.receives_some("/dm bob BASE64", |line| line.starts_with("/dm bob "));
    us.peer.truncate();
    let us = server.accept();
    say(&us, "AUTH_REQUIRED");
    us.receives("RESUME token-1");
}

/// A line that is not UTF-8 is not shown, and the connection goes on. On a pipe a remark about
/// it goes to standard error: standard output is for what is received.
wire(client) fn a_line_that_is_not_utf8_is_passed_over(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    us.peer.send_bytes(b"bob: caf\xe9\nbob: after it\n");
    client.prints_some("the next line", |line| line == "bob: after it");
    client.type_line("still here");
    us.receives("still here");
    let output = client.output();
    let is_silent = !output.contains("caf") && !output.contains("UTF-8");
    require(is_silent, "nothing of the line that is not UTF-8 on standard output", shown(output));
}

/// A client accepts only a compression that it has: then all that follows is deflate. Any
/// other first line means no.
wire(client) fn a_compression_that_is_accepted_is_used(case) {
    let server = MockServer::open(case);
    let mut client = server.client();
    client.try_type(b"LOGIN alice correct horse\n");
    let us = server.accept();
    us.send_all([OFFER, "AUTH_REQUIRED"]);
    let first = us.receives_some("COMPRESS DEFLATE, or the login", |_| true);
    if first != OFFER {
        require(first.starts_with("LOGIN"), "COMPRESS DEFLATE, or the login", shown(first));
        return;
    }
    let deadline = Instant::now() + testkit::patience();
    while !inflated(&us).starts_with(b"LOGIN") {
        require(Instant::now() < deadline, "LOGIN, compressed", shown(us.peer.everything()));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What is on its way while the client half-closes is shown as well, however much it is.
wire(client) fn what_is_on_its_way_at_the_end_of_input_is_shown(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    let lines: Vec<_> = (0..4000).map(|n| format!("bob: {n} of what is on its way")).collect();
    for (at, some) in lines.chunks(100).enumerate() {
        if at == 20 {
            client.end_input();
        }
        us.send_all(some);
    }
    us.lines_to_the_end();
    us.send("bob: and this");
    us.peer.half_close();
    let exit = client.ends(SOON);
    require(exit == Exit::Code(0), "exit code 0", exit.to_string());
    let output = client.output();
    let shown: Vec<_> = output.lines().filter(|line| line.starts_with("bob: ")).collect();
    let missing = lines.iter().map(String::as_str).chain(["bob: and this"]).zip(&shown).find(|(sent, got)| sent != *got);
    require(missing.is_none() && shown.len() == lines.len() + 1, "all 4001 lines", format!("{}, {missing:?}", shown.len()));
}

/// A connection that ends without `close_notify` was cut off, which is no end in good order:
/// in the dialogue, behind `/quit`, and at the end of input the exit code is 1.
wire(client) fn a_connection_that_is_cut_off_is_an_error(case) {
    let server = MockServer::open(case);
    let mut client = server.client();
    client.try_type(b"LOGIN alice correct horse\n");
    let us = server.asks();
    us.receives_login();
    is_cut_off(&client, &us);
    for quits in [true, false] {
        let (mut client, us) = server.logged_in();
        // It is in.
        client.prints_some("[USERS_LIST]", |line| line.starts_with("[USERS_LIST]"));
        if quits {
            client.type_line("/quit");
        } else {
            client.end_input();
        }
        us.lines_to_the_end();
        us.send("bob: goodbye");
        is_cut_off(&client, &us);
        require(client.output().lines().any(|line| line == "bob: goodbye"), "what came before", shown(client.output()));
    }
}

/// Back from a lost connection, the client goes to the room where it was, before anything
/// that was typed: the server has put it into the lobby.
wire(client) fn a_client_goes_back_to_its_room(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    client.type_line("/join rust");
    us.receives("/join rust");
    us.send_all(["[SERVER] you are in Rust (2 online)", "[USERS_LIST] alice,bob"]);
    client.prints_some("the room", |line| line == "[SERVER] you are in Rust (2 online)");
    us.peer.truncate();
    let us = server.asks();
    us.receives("RESUME token-1");
    us.lets_in("alice", "token-1");
    client.type_line("hello, Rust");
    us.receives_some("/join Rust", |line| line.to_lowercase() == "/join rust");
    us.receives("hello, Rust");
}
}
