//! What one client, or the end of the server, does to the others.

use crate::chat::{Chat, PASSWORD};
use crate::user::User;
use std::time::{Duration, Instant};
use testkit::checks::SILENCE;
use testkit::{Signal, checks, require, require_in_time};

/// Lines that a server has received and not read yet when it is told to end.
const LAST_WORDS: usize = 100;

checks! {
/// What one client does to the others.
pub robustness:

/// At SIGTERM and at Ctrl-C every client is told, and closed in good order. What had come by
/// then is delivered before that.
wire(server) fn everybody_is_told_that_the_server_shuts_down(case) {
    for signal in [Signal::TERM, Signal::INT] {
        let chat = Chat::start(case);
        let users: [User; 2] = chat.room();
        users[0].tells(&users[1], "hello");
        users[0].send_all((0..LAST_WORDS).map(|n| format!("number {n}")));
        let start = Instant::now();
        chat.server.program.signal(signal);
        for (user, heard) in users.iter().zip([0, LAST_WORDS]) {
            let lines = user.lines_to_the_end();
            let said = lines.iter().filter(|line| line.contains(": number ")).count();
            // For a database that is slow a server waits so long, and no longer.
            let in_time = start.elapsed() < Duration::from_secs(2);
            require(said == heard || !in_time, format!("{heard} lines that had been sent"), said.to_string());
            let told = lines.iter().any(|l| l == "[SERVER] server is shutting down");
            require(told, "[SERVER] server is shutting down", format!("{lines:?}"));
        }
        chat.server.program.ends(Duration::from_secs(5));
    }
}

/// Clients that are still logging in are told of the shutdown too.
wire(server) fn the_nameless_are_told_that_the_server_shuts_down(case) {
    let chat = Chat::start(case);
    let nameless = [chat.asked("eve"), chat.asked("mallory")];
    nameless[1].send("LOGIN");
    nameless[1].receives("ENTER_USERNAME");
    chat.server.terminate();
    for line in &nameless {
        let lines = line.lines_to_the_end();
        require(lines == ["[SERVER] server is shutting down"], "[SERVER] server is shutting down", format!("{lines:?}"));
    }
}

/// There is no limit on how long a user may be silent, but for the login: no read
/// time-out is left over from it, not in the middle of a line either.
wire(server, waits) fn a_silent_user_stays_connected(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    let line = carol.encoded("I was only thinking") + "\n";
    let (half, rest) = line.split_at(line.len() / 2);
    carol.peer.send_bytes(half.as_bytes());
    std::thread::sleep(SILENCE);
    alice.tells(&bob, "I was only listening");
    bob.tells(&alice, "So was I");
    carol.peer.send_bytes(rest.as_bytes());
    alice.hears(&format!("{}: I was only thinking", carol.name));
}

/// Of several things that end a connection none harms the others.
wire(server) fn the_server_outlives_whatever_one_client_does(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let garbage: Vec<u8> = (0..=255).cycle().map(|b: u8| b.wrapping_mul(167)).take(3000).collect();
    let web = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for bytes in [&garbage[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", web, b"\0\0\0\n\0"] {
        // Where there is TLS, under it and in it.
        for peer in [case.connect("garbage", &chat.server), chat.connect("garbage").peer] {
            let _ = peer.try_send(bytes);
            peer.half_close();
            peer.sees_the_end();
        }
    }
    for n in 0..20 {
        let peer = case.connect("mute", &chat.server);
        if n % 2 == 0 { peer.reset() } else { peer.close() }
    }
    let flood = case.connect("flood", &chat.server);
    let _ = flood.try_send(&vec![b'x'; 300_000]);
    flood.reset();
    let _unread = case.connect_unread("unread", &chat.server);
    chat.server.still_runs();
    alice.tells(&bob, "still here");
    chat.register("carol").tells(&bob, "and so am I");
}

/// Seven mebibytes are sent while one client never reads: its socket fills up, and
/// a plain write to it blocks the writing thread. Queue what it does not take, and
/// disconnect it when the queue gets too long.
wire(server) fn a_client_that_never_reads_does_not_slow_the_others(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let stuck = chat.connect_unread("stuck");
    stuck.send(&format!("REGISTER {} {PASSWORD}", chat.name("stuck")));
    alice.hears(&format!("[SERVER] {} joined (3 online)", chat.name("stuck")));
    bob.hears(&format!("[SERVER] {} joined (3 online)", chat.name("stuck")));
    let block = format!("{}\n", alice.encoded(&"x".repeat(3000))).repeat(16);
    for n in 0..110 {
        alice.peer.send_bytes(block.as_bytes());
        alice.tells(&bob, &format!("block {n}"));
    }
    bob.tells(&alice, "heard it all");
}

/// No client waits while a password is hashed, or while another client has not
/// answered yet: hash outside all locks.
wire(server) fn logins_keep_nobody_waiting(case) {
    let chat = Chat::start_with(case, &["--bcrypt-cost", "12", "--login-rate", "0"]);
    let [alice, bob] = chat.room();
    let guessers: Vec<_> = (0..8).map(|_| chat.asked("eve")).collect();
    let ten_messages = || {
        let start = Instant::now();
        for n in 0..10 {
            alice.tells(&bob, &format!("do you hear me? {n}"));
        }
        start.elapsed()
    };
    // A busy machine is slow at this, too.
    let most = Duration::from_secs(1) + 5 * ten_messages();
    for line in &guessers {
        line.send(&format!("LOGIN {} wrong password", chat.name("nobody")));
    }
    let took = ten_messages();
    require_in_time(took < most, format!("ten messages within {most:.1?}"), format!("{took:?}"));
}
}
