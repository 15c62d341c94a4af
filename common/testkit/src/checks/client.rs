//! What a client owes on a pipe, seen from a server that the check plays.

use super::robustness::SILENCE;
use crate::{Case, End, Next, Peer, Program, fail, require, shown};
use std::process::Command;
use std::time::Duration;

pub(super) const SOON: Duration = Duration::from_secs(5);
/// Longer than the time-outs that people try out: it is the server that ends a connection, and
/// no clock.
pub const A_WHILE: Duration = Duration::from_millis(1500);

/// The graded client, connected to a server played by the check.
#[track_caller]
pub(super) fn connected(case: &Case) -> (Program, Peer) {
    let server = case.scripted_server();
    let client = case.client(server.address());
    let us = server.accept();
    (client, us)
}

/// Has the client show `line`: in the lock-step stages it has to ask first.
#[track_caller]
pub(super) fn shows(case: &Case, client: &mut Program, us: &Peer, line: &[u8]) -> String {
    if case.echoes() {
        client.type_line("a question");
        us.receives("a question");
    }
    us.send_bytes(&[line, b"\n"].concat());
    client.prints_a_line()
}

/// How a client of this stage prints the received line `line`.
fn printed(case: &Case, line: &str) -> String {
    if case.echoes() { format!("server: {line}") } else { line.to_owned() }
}

checks! {
/// Stages 2 to 4, for a client in any language.
pub piped_client:

/// Each line of standard input is sent as a line, at once: do not let it wait
/// in a buffer until there are more. One that is not UTF-8 is not sent, and ends the
/// client with exit code 1.
wire(client) fn a_typed_line_is_sent(case) {
    let (mut client, us) = connected(case);
    client.type_line("hello, 🦀");
    us.receives("hello, 🦀");
    us.send("hello, 🦀");
    client.try_type(b"caf\xe9\n");
    client.exits(1);
    us.sees_the_end();
    let sent = us.everything();
    require(!sent.contains(&0xe9), "nothing that is not UTF-8", shown(sent));
}

/// One received line is one line of standard output, flushed at once, without
/// prompt or colour.
wire(client) fn a_received_line_is_printed_plainly(case) {
    let (mut client, us) = connected(case);
    let line = shows(case, &mut client, &us, "grüße, 日本語".as_bytes());
    require(line == printed(case, "grüße, 日本語"), shown(printed(case, "grüße, 日本語")), shown(&line));
    client.end_input();
    us.sees_the_end();
    us.close();
    client.ends(SOON);
    require(client.output() == line.clone() + "\n", "that line and nothing else", shown(client.output()));
}

/// In the chat a received line may be longer than a sent one: the sender's
/// address stands before its 4096 bytes. Nothing may be cut off.
wire(client) fn a_long_received_line_is_printed_whole(case) {
    let (mut client, us) = connected(case);
    let prefix = if case.echoes() { "" } else { "[127.0.0.1:50000] " };
    let text = format!("{prefix}{}", "x".repeat(4096));
    let line = shows(case, &mut client, &us, text.as_bytes());
    require(line == printed(case, &text), shown(printed(case, &text)), shown(&line));
}

/// A received ESC is printed as `\x1b`, four plain characters: or any user in the
/// room could drive this terminal. Characters that a script needs stay as they are, such as
/// U+200C between two Persian letters, and U+200D between all parts of an emoji. Between Latin letters it would hide in a name.
wire(client) fn received_control_characters_are_escaped(case) {
    let (mut client, us) = connected(case);
    let line = shows(case, &mut client, &us, b"red \x1b[31m alert");
    let expected = printed(case, "red \\x1b[31m alert");
    require(line == expected, shown(expected), shown(&line));
    let persian = "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}";
    let line = shows(case, &mut client, &us, persian.as_bytes());
    require(line == printed(case, persian), shown(printed(case, persian)), shown(&line));
    let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
    let line = shows(case, &mut client, &us, family.as_bytes());
    require(line == printed(case, family), shown(printed(case, family)), shown(&line));
    for (joiner, escaped) in [("\u{200c}", "\\u{200c}"), ("\u{200d}", "\\u{200d}")] {
        let line = shows(case, &mut client, &us, format!("al{joiner}ice").as_bytes());
        let expected = printed(case, &format!("al{escaped}ice"));
        require(line == expected, shown(expected), shown(&line));
    }
}

/// ESC is not the only one: bell, backspace, carriage return, DEL, and the
/// control characters U+0080 to U+009F (U+009B is ESC [ in one).
wire(client) fn no_control_character_is_printed_raw(case) {
    let (mut client, us) = connected(case);
    for bad in ["\x07", "\x08", "a\rb", "\x0b", "\x7f", "\u{85}", "\u{9b}31m", "\0"] {
        let line = shows(case, &mut client, &us, format!("<{bad}>").as_bytes());
        let raw = line.chars().any(char::is_control);
        require(!raw, format!("{} escaped", shown(bad)), shown(&line));
    }
}

/// At the end of its input the client closes its sending half only: what is
/// still on its way to it gets printed, however late it comes, and it ends when the server
/// closes.
wire(client) fn at_the_end_of_input_it_half_closes_and_prints_what_still_comes(case) {
    let (mut client, us) = connected(case);
    client.end_input();
    us.sees_a_clean_end();
    std::thread::sleep(A_WHILE);
    us.send("late news");
    client.prints_some("\"late news\"", |line| line.ends_with("late news"));
    us.send_bytes(b"without a line end");
    us.close();
    client.ends(SOON);
    let output = client.output();
    require(output.ends_with("without a line end\n"), "the last words printed as a line", shown(output));
}

/// A last line of input without its line end counts.
wire(client) fn a_last_typed_line_without_line_end_is_sent(case) {
    let (mut client, us) = connected(case);
    client.try_type(b"unfinished");
    client.end_input();
    match us.next() {
        Next::Line(line) | Next::End(End::Closed, line) if line == "unfinished" => {}
        other => fail("\"unfinished\" to be sent", other.to_string()),
    }
}

/// `!DISCONNECT` ends the connection in good order; what is typed after it is
/// not sent any more.
wire(client) fn typing_disconnect_ends_the_connection(case) {
    let (mut client, us) = connected(case);
    client.try_type(b"!DISCONNECT\ntoo late\n");
    match us.next() {
        Next::Line(line) if line == "!DISCONNECT" => {}
        Next::End(End::Closed, rest) if rest.is_empty() => {}
        other => fail("!DISCONNECT, or the end of the connection", other.to_string()),
    }
    us.half_close();
    client.ends(SOON);
    us.sees_a_clean_end();
    let sent = us.everything();
    require(!sent.ends_with(b"late\n"), "nothing after !DISCONNECT", shown(sent));
}

/// `!DISCONNECT` may come from the server too. The client ends then by itself.
wire(client) fn a_received_disconnect_ends_the_client(case) {
    let (mut client, us) = connected(case);
    if case.echoes() {
        client.type_line("a question");
        us.receives("a question");
    }
    us.send("!DISCONNECT");
    us.sees_a_clean_end();
    us.close();
    client.ends(SOON);
}

/// Done is exit code 0, however the connection was ended in good order.
ours(client) fn an_orderly_end_is_exit_code_0(case) {
    let (mut client, us) = connected(case);
    client.end_input();
    us.sees_a_clean_end();
    us.close();
    client.exits(0);
    let (mut client, us) = connected(case);
    // One that ends by itself, before anything was said, must not pass by chance.
    client.type_line("a question");
    us.receives_a_line();
    us.send("an answer");
    client.type_line("!DISCONNECT");
    us.half_close();
    us.sees_the_end();
    client.exits(0);
}

/// When no program reads what the client prints (`client | head -1`), it ends
/// quietly; `println!` would panic.
ours(client) fn a_closed_standard_output_is_no_panic_of_the_client(case) {
    let server = case.scripted_server();
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$0\" --connect \"$1\" | true"]).arg(case.our_client());
    shell.arg(server.address().to_string());
    let mut client = case.run("client", shell);
    let us = server.accept();
    for _ in 0..3 {
        client.try_type(b"hello\n");
        let _ = us.try_send(b"hello to you\n");
    }
    client.end_input();
    us.half_close();
    client.ends(SOON);
    require(!client.errors().contains("panicked"), "no panic", client.errors());
}
}

checks! {
/// Stage 4: the two directions are independent.
pub chat_client:

/// What comes in is printed when it comes, not when the next line is typed.
wire(client) fn lines_are_printed_as_they_come(case) {
    let (client, us) = connected(case);
    for text in ["[127.0.0.1:1] one", "[127.0.0.1:2] two", "[SERVER] three"] {
        us.send(text);
        client.prints(text);
    }
}

/// There is no limit on how long nothing may be said: a time-out for the connect is not one for the reads
/// (in Python settimeout(None) afterwards).
wire(client, waits) fn a_silent_room_does_not_end_the_client(case) {
    let (mut client, us) = connected(case);
    std::thread::sleep(SILENCE);
    us.send("[SERVER] good morning");
    client.prints("[SERVER] good morning");
    client.type_line("good morning");
    us.receives_a_line();
}

/// When the server closes, the client ends, though its input is still open: exit code 0. So
/// it does after a reset, which is no success: exit code 1. It prints what it receives and
/// nothing else, so no word of its own about the end on standard output.
wire(client) fn the_client_ends_when_the_server_closes(case) {
    let (client, us) = connected(case);
    us.send("[SERVER] server is shutting down");
    us.half_close();
    client.prints("[SERVER] server is shutting down");
    client.exits(0);
    let output = client.output();
    let last = "[SERVER] server is shutting down\n";
    require(output.ends_with(last), "what was received, and nothing after it", shown(output));
    let (client, us) = connected(case);
    us.reset();
    client.exits(1);
}

/// From stage 4 on `/quit` is the same as `!DISCONNECT`.
wire(client) fn typing_quit_ends_the_connection(case) {
    let (mut client, us) = connected(case);
    client.try_type(b"/quit\ntoo late\n");
    us.lines_to_the_end();
    us.half_close();
    client.ends(SOON);
    let sent = us.everything();
    require(!sent.ends_with(b"late\n"), "nothing after /quit", shown(sent));
}

/// Thousands of lines at once are printed all and in order.
wire(client) fn many_received_lines_are_printed_all_and_in_order(case) {
    let (client, us) = connected(case);
    let lines: Vec<_> = (0..5000).map(|n| format!("[127.0.0.1:9] line {n}")).collect();
    us.send_bytes((lines.join("\n") + "\n").as_bytes());
    lines.iter().for_each(|line| client.prints(line));
}
}
