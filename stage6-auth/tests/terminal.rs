//! Our client, where it has more to get right than the graded checks ask for: the
//! login, and words that are no commands. Against a server played by the check.

use std::process::ExitCode;
use testkit::{Suite, checks, require};
use testkit_chat::checks::{login_pipe, login_terminal};
use testkit_chat::mock_server::MockServer;

fn main() -> ExitCode {
    Suite::new(6, env!("CARGO_BIN_EXE_stage6-server"), env!("CARGO_BIN_EXE_stage6-client"))
        .with(login_terminal())
        .with(login_pipe())
        .with(testkit_chat::checks::hostile_server())
        .with(commands())
        .run()
}

const ENTER: &str = "\r";

checks! {
/// In the room.
pub commands:

/// `/h` and `/quit now` are text to the server. The client asks before it says them.
ours(client) fn an_unknown_command_is_not_said_at_once(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = server.logged_in_on_a_terminal();
    terminal.shows_typed("alice>");
    for line in ["/h", "/quit now", "hello", "/h"] {
        terminal.types(line);
        terminal.types(ENTER);
    }
    us.receives("hello");
    terminal.shows("what to do", |rows| rows.iter().any(|row| row.contains("type it again")));
    terminal.types("/h");
    terminal.types(ENTER);
    us.receives("/h");
}

/// A paste of more rows than a 16-bit number counts.
ours(client) fn a_long_paste_is_said_line_by_line(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = server.logged_in_on_a_terminal();
    terminal.shows_typed("alice>");
    require(!terminal.raw().contains("\x1b[?2004h"), "a paste that comes as lines", "as one text");
    for part in 0..20 {
        let lines: Vec<_> = (0..100).map(|n| format!("{}{ENTER}", part * 100 + n)).collect();
        terminal.types(&lines.concat());
    }
    (0..2000).for_each(|n| us.receives(&n.to_string()));
}
}
