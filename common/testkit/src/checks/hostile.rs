//! A hostile server, in the stages whose lines are in the clear.

use super::client::{connected, shows};
use crate::hostile::{PAYLOADS, require_clean, require_no_payload};

checks! {
/// Stages 2 to 4: our own clients, beside what is asked of all clients.
pub hostile_server:

/// On a pipe, which may lead to a terminal.
ours(client) fn nothing_hostile_reaches_a_pipe_raw(case) {
    let (mut client, us) = connected(case);
    for payload in PAYLOADS {
        for line in [payload.to_owned(), format!("[SERVER] {payload}"), format!("[127.0.0.1:4000] {payload}")] {
            shows(case, &mut client, &us, line.as_bytes());
        }
    }
    require_clean("what was received", &client.output());
    require_clean("what was received", &client.errors());
}

/// On a terminal.
ours(client) fn nothing_hostile_reaches_a_terminal_raw(case) {
    let server = case.scripted_server();
    let mut terminal = case.terminal(server.address(), &[]);
    let us = server.accept();
    for line in PAYLOADS.into_iter().chain(["that is all"]) {
        if case.echoes() {
            terminal.types("a question\r");
            us.receives("a question");
        }
        us.send(line);
    }
    terminal.shows("the last line", |rows| rows.iter().any(|row| row.ends_with("that is all")));
    require_no_payload(&terminal.raw());
}
}
