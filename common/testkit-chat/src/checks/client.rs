//! What a client sends and shows.

use crate::mock_server::MockServer;
use std::time::Duration;
use testkit::checks::A_WHILE;
use testkit::{Exit, checks, require, shown};

const SOON: Duration = Duration::from_secs(5);

checks! {
/// Owed by a client in any language.
pub client:

/// The first lines of the input are the answers of the login, whenever they were typed:
/// one for each question, or all in one. An empty line is no answer, and is not sent.
wire(client) fn the_first_lines_of_input_answer_the_login(case) {
    let server = MockServer::open(case);
    let step_by_step = "\nREGISTER\n\nalice\ncorrect horse\nhello\n";
    for input in [step_by_step, "REGISTER alice correct horse\nhello\n"] {
        let mut client = server.client();
        client.try_type(input.as_bytes());
        let us = server.asks();
        let request = us.receives_login();
        require(request == "REGISTER alice correct horse", "REGISTER alice correct horse", shown(request));
        us.lets_in("alice", "token-1");
        us.receives("hello");
        client.end_input();
        us.lines_to_the_end();
        us.peer.close();
        client.ends(SOON);
    }
}

/// All that is typed is sent, a line for each, as it was typed.
wire(client) fn what_is_typed_is_sent(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    for text in ["x", "  two spaces  ", "exactly 16 bytes", "one\rline", "grüße, 世界 🦀", "same", "same", &"z".repeat(us.longest_text())] {
        client.type_line(text);
        us.receives(text);
    }
}

/// What comes in is opened and printed, a line for each, when it comes.
wire(client) fn what_comes_in_is_shown_opened(case) {
    let server = MockServer::open(case);
    let (client, us) = server.logged_in();
    let last = format!("bob: {}", "x".repeat(us.longest_text()));
    for text in ["bob: hello", "[SERVER] carol joined (3 online)", "[USERS_LIST] alice,bob,carol", "bob: grüße 🦀", &last] {
        us.send(text);
        client.prints_some(text, |line| line == text);
    }
    us.peer.send_bytes((us.encoded("bob: with CR LF") + "\r\n").as_bytes());
    client.prints_some("bob: with CR LF", |line| line == "bob: with CR LF");
    let output = client.output();
    for text in ["AUTH_REQUIRED", "AUTH_SUCCESS alice token-1", "[HISTORY] 2026-01-31T09:30:00Z bob: said before"] {
        require(output.lines().any(|line| line == text), format!("the login and the history too: {text}"), &output);
    }
}

/// A text comes from other users: escape its control characters after opening it, and spell out
/// what is not seen.
wire(client) fn an_opened_text_cannot_drive_the_terminal(case) {
    let server = MockServer::open(case);
    let (client, us) = server.logged_in();
    us.send("bob: \x1b[2J");
    client.prints_some("the escape, escaped", |line| line == "bob: \\x1b[2J");
    us.send("bob: a\r\0\x7fc\u{9b}m");
    let line = client.prints_some("the rest of it", |line| line.starts_with("bob: a"));
    require(line.starts_with("bob: a\\x0d\\x00"), "control characters escaped", shown(&line));
    require(!line.chars().any(char::is_control), "no control character", shown(&line));
    us.send("bob: \u{202e}txt al\u{200b}ice");
    client.prints_some("what is not seen, spelled out", |line| line == "bob: \\u{202e}txt al\\u{200b}ice");
}

/// The reason of a refusal is shown, and the client ends with exit code 1. So it does when the
/// connection breaks off before the login, whether something is typed or not.
wire(client) fn a_refusal_is_shown_and_ends_the_client(case) {
    let server = MockServer::open(case);
    let mut client = server.client();
    client.try_type(b"LOGIN alice wrong password\n");
    let us = server.asks();
    us.receives_login();
    us.send("AUTH_FAILED wrong name or password");
    us.peer.half_close();
    client.shows("wrong name or password");
    client.exits(1);
    let client = server.client();
    server.asks().peer.reset();
    client.exits(1);
}

/// At the end of its input it closes its half only, shows what still comes, and
/// ends when the server has closed: that is no lost connection.
wire(client) fn at_the_end_of_input_what_still_comes_is_shown(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    client.type_line("last words");
    client.end_input();
    us.receives("last words");
    us.lines_to_the_end();
    std::thread::sleep(A_WHILE);
    us.send("bob: goodbye");
    us.peer.half_close();
    client.prints_some("goodbye", |line| line == "bob: goodbye");
    let exit = client.ends(SOON);
    require(exit == Exit::Code(0), "exit code 0", exit.to_string());
}

/// `/quit` and `!DISCONNECT` end it, and it does not come back.
wire(client) fn quitting_ends_the_client(case) {
    let server = MockServer::open(case);
    for command in ["/quit", "!DISCONNECT"] {
        let (mut client, us) = server.logged_in();
        client.type_line(command);
        for line in us.lines_to_the_end() {
            require(["/quit", "!DISCONNECT"].contains(&line.as_str()), "the command, or the end", shown(line));
        }
        us.peer.half_close();
        let exit = client.ends(SOON);
        require(exit == Exit::Code(0), "exit code 0", exit.to_string());
    }
}

/// `/logout` goes to the server, which ends the session and closes: a client does
/// not come back after that.
wire(client) fn logging_out_ends_the_client(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    client.type_line("/logout");
    us.receives("/logout");
    us.peer.half_close();
    client.ends(SOON);
}
}
