//! A hostile server, in the stages with a login.

use crate::mock_server::MockServer;
use std::time::Duration;
use testkit::checks;
use testkit::hostile::{PAYLOADS, require_clean, require_no_payload};

const SOON: Duration = Duration::from_secs(20);

/// What may come before the login is done, with a place for the hostile text.
const BEFORE: [&str; 7] = [
    "{}",
    "AUTH_REQUIRED{}",
    "ENTER_USERNAME {}",
    "AUTH_FAILED {}",
    "AUTH_SUCCESS {} token",
    "AUTH_SUCCESS alice {}",
    "[SERVER] error: {}",
];

/// What may come in the room.
const IN_ROOM: [&str; 20] = [
    "{}",
    "{}: hello",
    "bob: {}",
    "[SERVER] {}",
    "[SERVER] {} joined (2 online)",
    "[SERVER] you are in {} (1 online)",
    "[SERVER] announcement by {}: hello",
    "[SERVER] error: no user {}",
    "[HISTORY] 2026-01-31T09:30:00Z {}: hello",
    "[HISTORY] {} bob: hello",
    "[USERS_LIST] alice,{}",
    "[ROOMS] {} 1",
    "[SUBS] {}",
    "[#{}] bob: hello",
    "[pub] {}: hello",
    "[private] {}: hello",
    "[KEY] {} AAAA",
    "[KEY] bob {}",
    "[DM] {} AAAA",
    "[DM] bob {}",
];

fn in_the_room() -> impl Iterator<Item = String> {
    PAYLOADS.into_iter().flat_map(|payload| IN_ROOM.map(|line| line.replace("{}", payload)))
}

checks! {
/// Our own clients, beside what is asked of all clients.
pub hostile_server:

/// In place of each question, and of the answer to the login.
ours(client) fn nothing_hostile_is_printed_raw_before_the_login(case) {
    let hostile = PAYLOADS.concat() + "-and-no-more";
    for line in BEFORE.map(|line| line.replace("{}", &hostile)) {
        for is_asked in [false, true] {
            let server = MockServer::open(case);
            let mut client = server.client();
            client.try_type(b"LOGIN\nalice\ncorrect horse\n");
            client.end_input();
            let us = server.accept();
            if is_asked {
                us.send("AUTH_REQUIRED");
                us.receives_login();
            }
            us.send(&line);
            client.shows("-and-no-more");
            us.peer.half_close();
            // One that takes itself to be logged in may come back.
            if !line.starts_with("AUTH_SUCCESS") {
                client.ends(SOON);
            }
            require_clean("what a server says before the login", &client.output());
            require_clean("what a client says about it", &client.errors());
        }
    }
}

/// In the room, on a pipe.
ours(client) fn nothing_hostile_reaches_a_pipe_raw(case) {
    let server = MockServer::open(case);
    let (client, us) = server.logged_in();
    us.send_all(in_the_room());
    us.send("[SERVER] that is all");
    client.shows("[SERVER] that is all");
    require_clean("what was received", &client.output());
    require_clean("what was received", &client.errors());
}

/// On a terminal, where names and rooms are in the prompt and can be completed.
ours(client) fn nothing_hostile_reaches_a_terminal_raw(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = server.logged_in_on_a_terminal();
    us.send_all(in_the_room());
    us.send("[SERVER] that is all");
    terminal.shows("the last line", |rows| rows.iter().any(|row| row == "[SERVER] that is all"));
    // Tab, twice: what there is to choose from.
    for word in ["/msg ", "/join ", "/kick "] {
        terminal.types(&format!("{word}\t\t"));
        terminal.types("\x15");
    }
    us.send("[SERVER] and the completion");
    terminal.shows("the last line", |rows| rows.iter().any(|row| row == "[SERVER] and the completion"));
    require_no_payload(&terminal.raw());
}
}
