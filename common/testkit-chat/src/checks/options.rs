//! What our server's options do.

use crate::chat::{Chat, PASSWORD};
use crate::user::User;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use testkit::{checks, require};

checks! {
/// Options of our server.
pub options:

/// Values that make no sense are wrong usage, exit code 2, and so is a database
/// of no known kind; its URL is not repeated, for it may hold a password.
ours(server) fn options_that_make_no_sense_are_wrong_usage(case) {
    crate::prepare(case);
    for flags in [
        ["--bcrypt-cost", "3"],
        ["--bcrypt-cost", "32"],
        ["--history", "-1"],
        ["--on-duplicate", "maybe"],
        ["--login-timeout", "soon"],
        ["--session-ttl", "soon"],
        ["--login-rate", "-1"],
        ["--db", "postgres://chat:hunter22@localhost/chat"],
    ] {
        let server = case.run_server(&[&["--listen", "127.0.0.1:0"], &flags[..]].concat());
        server.exits(2);
        require(!server.errors().contains("hunter22"), "an error without the password", server.errors());
    }
}

/// `--max-clients` counts connections, logged in or not. A client above the limit
/// is told so in place of AUTH_REQUIRED.
ours(server) fn one_connection_too_many_is_told_that_the_server_is_full(case) {
    let chat = Chat::start_with(case, &["--max-clients", "2"]);
    let alice = chat.register("alice");
    let nameless = chat.asked("nameless");
    let connection = chat.connect("bob");
    connection.receives("[SERVER] error: server is full");
    connection.lines_to_the_end();
    nameless.send("/quit");
    nameless.lines_to_the_end();
    chat.register("bob").tells(&alice, "hello");
}

/// Connections that are not logged in cost their client nothing. When they have taken
/// every slot, a client from another address gets the slot of one of them.
ours(server) fn silent_connections_keep_no_other_address_out(case) {
    let chat = Chat::start_with(case, &["--max-clients", "20", "--listen", "0.0.0.0:0"]);
    let alice = chat.register("alice");
    let silent: Vec<_> = (0..19).map(|n| chat.asked(&format!("silent {n}"))).collect();
    let full = "[SERVER] error: server is full";
    chat.connect("one more of this address").receives(full);
    let newcomer = chat.connect_from("bob", IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9)));
    newcomer.receives("AUTH_REQUIRED");
    newcomer.send(&format!("REGISTER {} {PASSWORD}", chat.name("bob")));
    User::enters(newcomer).tells(&alice, "here I am");
    let told = || silent.iter().filter(|line| line.has_received(full)).count();
    let deadline = Instant::now() + Duration::from_secs(5);
    while told() == 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    require(told() == 1, "one silent connection closed", told().to_string());
}

/// `--rate N`: what is over is dropped, not stored, and its sender told once.
ours(server) fn what_is_over_the_rate_is_dropped(case) {
    let chat = Chat::start_with(case, &["--rate", "5"]);
    let [alice, bob]: [User; 2] = chat.room();
    alice.send_all((0..60).map(|n| format!("burst {n}")));
    alice.hears("[SERVER] error: too fast, 5 lines per second allowed");
    bob.tells(&alice, "I can still talk");
    let history = chat.register("carol").history;
    let stored = history.iter().filter(|line| line.contains(": burst ")).count();
    require((10..20).contains(&stored), "10 of 60 lines, or a few more", stored.to_string());
}
}
