//! How our clients are called, and how they fail.

use super::client::{SOON, connected};
use super::start::{fails_with, help_names_the_default_address, wrong_usage};
use crate::require;
use std::time::{Duration, Instant};

checks! {
/// Every stage's client: usage and failures.
pub client_program:

/// `--help` is no failure, and names `--connect` and its default.
ours(client) fn the_clients_help_names_the_default_address(case) {
    help_names_the_default_address(case, &case.run_client(&["--help"]), "--connect");
}

/// What cannot be understood is wrong usage: exit code 2.
ours(client) fn wrong_usage_of_the_client_is_exit_code_2(case) {
    wrong_usage(&case.run_client(&["--no-such-flag"]));
    wrong_usage(&case.run_client(&["--connect"]));
}

/// A port is a number up to 65535; a larger one is wrong usage.
ours(client) fn a_port_above_65535_is_wrong_usage_of_the_client(case) {
    for address in ["127.0.0.1:65536", "localhost:70000", "localhost:http", "127.0.0.1"] {
        wrong_usage(&case.run_client(&["--connect", address]));
    }
}

/// No server listens: exit code 1, and an error that names the address.
ours(client) fn a_refused_connection_is_an_error(case) {
    // Bound but not listening: no other program can take this port meanwhile.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a spare file descriptor");
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    let address = socket.local_addr().ok().and_then(|a| a.as_socket()).expect("it is bound");
    fails_with(&case.run_client(&["--connect", &address.to_string()]), 1, &address.to_string());
}

/// A host name that does not exist: exit code 1, and an error that names it.
ours(client) fn connecting_to_an_unknown_host_is_an_error(case) {
    let host = "h".repeat(64) + ".invalid";
    fails_with(&case.run_client(&["--connect", &format!("{host}:9000")]), 1, &host);
}

/// The server breaks the connection off: the client ends without a panic.
ours(client) fn a_reset_is_no_panic_of_the_client(case) {
    let (mut client, us) = connected(case);
    client.try_type(b"hello\n");
    us.reset();
    let late = Instant::now() + Duration::from_millis(500);
    while client.ended().is_none() && Instant::now() < late {
        client.try_type(b"still there?\n");
        std::thread::sleep(Duration::from_millis(20));
    }
    client.end_input();
    client.ends(SOON);
    require(!client.errors().contains("panicked"), "no panic", client.errors());
}
}
