//! The checks that all others rest on: without them there is nothing to judge.

use crate::require;
use std::time::{Duration, Instant};

/// After this a program that was going to end at once has ended.
const MOMENT: Duration = Duration::from_millis(100);

checks! {
/// For the server, from stage 2 on.
pub server_starts:

/// The command did not become a server. What it said on standard error stands below.
basic(server) fn the_server_starts_listens_and_accepts(case) {
    let server = case.server();
    let alice = case.connect("alice", &server);
    std::thread::sleep(MOMENT);
    server.still_runs();
    alice.close();
}
}

checks! {
/// For the client, from stage 2 on.
pub client_starts:

/// The command did not become a client. What it said on standard error stands below.
basic(client) fn the_client_starts_and_connects(case) {
    let server = case.scripted_server();
    let client = case.client(server.address());
    let deadline = Instant::now() + crate::patience();
    let stream = server.accept_unless(|| client.ended().is_some() || Instant::now() > deadline);
    let end = client.ended().map_or("it runs, and does not connect".to_owned(), |exit| exit.to_string());
    require(stream.is_some(), format!("the client to connect to {}", server.address()), end);
}
}
