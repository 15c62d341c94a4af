//! Our clients on a terminal: a prompt that nothing breaks.

use crate::{Case, Peer, Terminal, require};

const ENTER: &str = "\r";
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

/// Our client on a terminal, connected to a server played by the check, its
/// prompt on the screen.
#[track_caller]
fn connected(case: &Case, environment: &[(&str, &str)]) -> (Terminal, Peer) {
    let server = case.scripted_server();
    let terminal = case.terminal(server.address(), environment);
    let us = server.accept();
    terminal.shows("a prompt", |rows| !rows.is_empty());
    (terminal, us)
}

checks! {
/// From stage 2 on.
pub terminal:

/// What is typed shows, and Enter sends it.
ours(client) fn a_line_typed_on_a_terminal_is_sent(case) {
    let (mut terminal, us) = connected(case, &[]);
    terminal.types("hello");
    terminal.shows_typed("hello");
    terminal.types(ENTER);
    us.receives("hello");
}

/// The line can be edited before it is sent: arrows, backspace.
ours(client) fn the_line_can_be_edited(case) {
    let (mut terminal, us) = connected(case, &[]);
    terminal.types("hallo");
    terminal.types(&LEFT.repeat(3));
    terminal.types("\x7fe");
    terminal.shows_typed("hello");
    terminal.types(ENTER);
    us.receives("hello");
}

/// Arrow up brings back the lines typed before, the last one first.
ours(client) fn arrow_up_brings_back_what_was_typed(case) {
    let (mut terminal, us) = connected(case, &[]);
    for text in ["first", "second"] {
        terminal.types(text);
        terminal.types(ENTER);
        us.receives(text);
        us.send(&format!("heard {text}"));
        terminal.shows(&format!("heard {text}"), |rows| {
            rows.iter().any(|row| row.contains(&format!("heard {text}")))
        });
    }
    terminal.types(UP);
    terminal.shows_typed("second");
    terminal.types(UP);
    terminal.shows_typed("first");
    terminal.types(ENTER);
    us.receives("first");
}

/// `/help` explains the commands on the spot; it is not sent.
ours(client) fn help_is_shown_and_not_sent(case) {
    let (mut terminal, us) = connected(case, &[]);
    terminal.types("/help");
    terminal.types(ENTER);
    terminal.shows("/quit in the help", |rows| {
        rows.iter().any(|row| row.contains("/quit") && !row.ends_with("/help"))
    });
    terminal.types("after the help");
    terminal.types(ENTER);
    us.receives("after the help");
}

/// `/quit` ends the client in good order, exit code 0.
ours(client) fn quit_on_a_terminal_ends_the_client(case) {
    let (mut terminal, us) = connected(case, &[]);
    terminal.types("/quit");
    terminal.types(ENTER);
    us.lines_to_the_end();
    us.half_close();
    terminal.exits(0);
}

/// Ctrl-D on an empty line is the end of input, as on a pipe: exit code 0.
ours(client) fn ctrl_d_ends_the_client(case) {
    let (mut terminal, us) = connected(case, &[]);
    terminal.types(CTRL_D);
    us.lines_to_the_end();
    us.half_close();
    terminal.exits(0);
}

/// Ctrl-C ends the client, which says so to the server by closing in good order.
ours(client) fn ctrl_c_ends_the_client(case) {
    let (mut terminal, us) = connected(case, &[]);
    terminal.types(CTRL_C);
    us.lines_to_the_end();
}

/// `NO_COLOR` (no-color.org) is respected on a terminal too.
ours(client) fn no_color_is_respected(case) {
    let (mut terminal, us) = connected(case, &[("NO_COLOR", "1")]);
    terminal.types("hello");
    terminal.types(ENTER);
    us.receives("hello");
    us.send("[SERVER] error: line is not valid UTF-8");
    terminal.shows("the notice", |rows| rows.iter().any(|row| row.contains("not valid UTF-8")));
    let raw = terminal.raw();
    require(!coloured(&raw), "no colour", format!("{raw:?}"));
}
}

checks! {
/// Stage 4: lines come in while one is being typed.
pub terminal_chat:

/// A line that comes in stands on a row of its own, above the line being
/// typed, which stays whole and can be typed on.
ours(client) fn a_line_coming_in_never_tears_the_line_being_typed(case) {
    let (mut terminal, us) = connected(case, &[]);
    terminal.types("half a sen");
    terminal.shows_typed("half a sen");
    for n in 0..8 {
        us.send(&format!("[127.0.0.1:4000] news {n}"));
    }
    terminal.shows("all the news, each on a row of its own, above what is typed", |rows| {
        let news = |n: u8| rows.iter().any(|row| row == &format!("[127.0.0.1:4000] news {n}"));
        (0..8).all(news) && rows.last().is_some_and(|row| row.ends_with("half a sen"))
    });
    terminal.types("tence");
    terminal.shows_typed("half a sentence");
    terminal.types(ENTER);
    us.receives("half a sentence");
}

/// Many lines arrive while the user types: neither they nor what is typed is lost.
ours(client) fn typing_during_a_burst_loses_nothing(case) {
    let (mut terminal, us) = connected(case, &[]);
    let text = "the quick brown fox jumps";
    for (n, letter) in text.chars().enumerate() {
        us.send(&format!("[127.0.0.1:4000] burst {n}"));
        terminal.types(&letter.to_string());
    }
    let last = format!("[127.0.0.1:4000] burst {}", text.len() - 1);
    terminal.shows("the whole burst", |rows| rows.iter().any(|row| row == &last));
    terminal.shows_typed(text);
    terminal.types(ENTER);
    us.receives(text);
}

/// What is typed behind Enter, before the next prompt is there, belongs to the next
/// line. A user that types fast, or pastes, would otherwise lose it.
ours(client) fn what_is_typed_ahead_is_not_lost(case) {
    let (mut terminal, us) = connected(case, &[]);
    terminal.types(&format!("one{ENTER}two{ENTER}thr"));
    us.receives("one");
    us.receives("two");
    terminal.shows_typed("thr");
    terminal.types("ee");
    terminal.types(ENTER);
    us.receives("three");
}

/// Received control characters are escaped on a terminal, where they would do harm.
ours(client) fn a_terminal_gets_no_control_character_from_the_wire(case) {
    let (terminal, us) = connected(case, &[]);
    us.send("\x1b]0;owned\x07\x1b[2J gone?");
    terminal.shows("the escapes, escaped", |rows| {
        rows.iter().any(|row| row.contains("\\x1b]0;owned\\x07\\x1b[2J gone?"))
    });
    require(!terminal.raw().contains("\x1b]0;owned"), "no raw title sequence", "there is one");
}

/// On a terminal, without `NO_COLOR`, notices of the server are set off by colour.
ours(client) fn notices_are_coloured_on_a_terminal(case) {
    let (terminal, us) = connected(case, &[]);
    us.send("[SERVER] 127.0.0.1:4000 joined (2 online)");
    terminal.shows("the notice", |rows| rows.iter().any(|row| row.contains("joined (2 online)")));
    require(coloured(&terminal.raw()), "some colour", format!("{:?}", terminal.raw()));
}

/// When the server closes, the client ends by itself, and the notice is on the screen.
ours(client) fn a_terminal_client_ends_when_the_server_closes(case) {
    let (mut terminal, us) = connected(case, &[]);
    terminal.types("half a sen");
    terminal.shows_typed("half a sen");
    us.send("[SERVER] server is shutting down");
    terminal.shows("the notice", |rows| rows.iter().any(|row| row.contains("shutting down")));
    us.half_close();
    terminal.exits(0);
}
}

/// Returns `true` if `raw` sets a colour: an escape sequence `ESC [ … m` other than a
/// reset.
fn coloured(raw: &str) -> bool {
    raw.split("\x1b[").skip(1).any(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';');
        end.is_some_and(|end| rest[end..].starts_with('m') && !matches!(&rest[..end], "" | "0"))
    })
}
