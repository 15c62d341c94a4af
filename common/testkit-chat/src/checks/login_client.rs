//! Our client before the login: what is typed there is never said, never shown in
//! the shell, and never lost on a server that asks for too much.

use crate::connection::Connection;
use crate::mock_server::MockServer;
use std::process::Command;
use testkit::{Case, Exit, Program, Signal, Terminal, checks, fail, require, shown};

const ENTER: &str = "\r";
const UP: &str = "\x1b[A";
const PASSWORD: &str = "correct horse";

/// Our client on a terminal, at its first question.
#[track_caller]
fn at_the_question<'c>(case: &'c Case, server: &MockServer<'c>) -> (Terminal, Connection<'c>) {
    let terminal = case.terminal(server.address(), &[]);
    let us = server.asks();
    terminal.shows_typed("LOGIN or REGISTER?");
    (terminal, us)
}

#[track_caller]
fn types_a_line(terminal: &mut Terminal, line: &str) {
    terminal.types(line);
    terminal.types(ENTER);
}

/// LOGIN and the name are answered; the password is asked for.
#[track_caller]
fn at_the_password(terminal: &mut Terminal, us: &Connection) {
    types_a_line(terminal, "LOGIN");
    us.receives("LOGIN");
    us.send("ENTER_USERNAME");
    types_a_line(terminal, "alice");
    us.receives("alice");
    us.send("ENTER_PASSWORD");
    terminal.shows_typed("password:");
}

#[track_caller]
fn shows_row_with(terminal: &Terminal, text: &str) {
    terminal.shows(&format!("a row with {}", shown(text)), |rows| rows.iter().any(|row| row.contains(text)));
}

/// Our client on a pipe, with this password in its environment.
#[track_caller]
fn with_password(case: &Case, password: &str, arguments: &[&str]) -> Program {
    let mut shell = Command::new("sh");
    shell.args(["-c", "CHAT_PASSWORD=$0 exec \"$@\"", password]).arg(case.our_client()).args(arguments);
    case.run("client", shell)
}

checks! {
/// On a terminal.
pub login_terminal:

/// `LOGIN` and `REGISTER` in any case; for anything else the client says in one line
/// what it expects, and asks again. `/help` is its own.
ours(client) fn a_wrong_first_word_is_asked_again(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = at_the_question(case, &server);
    types_a_line(&mut terminal, "hello there");
    shows_row_with(&terminal, "type LOGIN, or REGISTER");
    terminal.shows_typed("LOGIN or REGISTER?");
    types_a_line(&mut terminal, "/help");
    shows_row_with(&terminal, "/quit");
    types_a_line(&mut terminal, "register");
    us.receives("REGISTER");
}

/// What cannot be a name or a password is not even sent.
ours(client) fn what_cannot_be_right_is_asked_again(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = at_the_question(case, &server);
    types_a_line(&mut terminal, "Register");
    us.receives("REGISTER");
    us.send("ENTER_USERNAME");
    types_a_line(&mut terminal, "a b");
    shows_row_with(&terminal, "a name has");
    types_a_line(&mut terminal, "anna");
    us.receives("anna");
    us.send("ENTER_PASSWORD");
    terminal.shows_typed("password:");
    types_a_line(&mut terminal, "short");
    shows_row_with(&terminal, "8 to 72");
    terminal.shows_typed("password:");
    types_a_line(&mut terminal, PASSWORD);
    us.receives(PASSWORD);
    require(!terminal.raw().contains("short"), "no password on the screen", terminal.raw());
}

/// The whole request at the question for the name: its password could be seen, and the
/// user is told. It is sent nowhere, and is in no history.
ours(client) fn a_password_typed_at_the_wrong_question_is_said_to_be_seen(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = at_the_question(case, &server);
    types_a_line(&mut terminal, "REGISTER dora short");
    shows_row_with(&terminal, "8 to 72");
    terminal.shows_typed("LOGIN or REGISTER?");
    types_a_line(&mut terminal, "REGISTER");
    us.receives("REGISTER");
    us.send("ENTER_USERNAME");
    types_a_line(&mut terminal, "register dora pass-was-seen");
    shows_row_with(&terminal, "type only the name");
    types_a_line(&mut terminal, "dora");
    us.receives("dora");
    us.send("ENTER_PASSWORD");
    terminal.shows_typed("password:");
    types_a_line(&mut terminal, PASSWORD);
    us.receives(PASSWORD);
    us.lets_in("dora", "token-1");
    shows_row_with(&terminal, "bob: said before");
    for _ in 0..3 {
        terminal.types(UP);
    }
    types_a_line(&mut terminal, "hello");
    us.receives("hello");
}

/// After a failed login the client is still there, on a new connection: what is typed
/// next does not go to the shell, which would show it.
ours(client) fn a_failed_login_begins_again(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = at_the_question(case, &server);
    at_the_password(&mut terminal, &us);
    types_a_line(&mut terminal, "wrong horse");
    us.receives("wrong horse");
    us.send("AUTH_FAILED wrong name or password");
    us.peer.half_close();
    let us = server.asks();
    shows_row_with(&terminal, "wrong name or password");
    terminal.shows_typed("LOGIN or REGISTER?");
    at_the_password(&mut terminal, &us);
    types_a_line(&mut terminal, PASSWORD);
    us.receives(PASSWORD);
    us.lets_in("alice", "token-1");
    shows_row_with(&terminal, "bob: said before");
    types_a_line(&mut terminal, "hello");
    us.receives("hello");
    let raw = terminal.raw();
    require(!raw.contains("horse"), "no password on the screen", format!("{raw:?}"));
}

/// With `--login`, a wrong password is asked for again.
ours(client) fn a_wrong_password_is_asked_for_again(case) {
    let server = MockServer::open(case);
    let mut terminal = case.terminal_with(&["--connect", &server.address(), "--login", "alice"], &[]);
    terminal.shows_typed("password:");
    types_a_line(&mut terminal, "wrong horse");
    let us = server.asks();
    us.receives("LOGIN alice wrong horse");
    us.send("AUTH_FAILED wrong name or password");
    us.peer.half_close();
    shows_row_with(&terminal, "wrong name or password");
    terminal.shows_typed("password:");
    types_a_line(&mut terminal, PASSWORD);
    let us = server.asks();
    us.receives("LOGIN alice correct horse");
    // For what no password mends, the user may want another name.
    us.send("AUTH_FAILED already logged in");
    us.peer.half_close();
    server.asks();
    terminal.shows_typed("LOGIN or REGISTER?");
}

/// Four lines pasted at the first question: three are the answers, and the fourth,
/// which nothing has asked for, is thrown away. Nothing of it is in the history.
ours(client) fn what_is_typed_before_the_login_is_never_said(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = at_the_question(case, &server);
    terminal.types(&["LOGIN", "alice", PASSWORD, "too early", ""].join(ENTER));
    require(us.receives_login() == "LOGIN alice correct horse", "the three answers", "others");
    us.lets_in("alice", "token-1");
    shows_row_with(&terminal, "bob: said before");
    for _ in 0..3 {
        terminal.types(UP);
    }
    types_a_line(&mut terminal, "hello");
    us.receives("hello");
    let raw = terminal.raw();
    require(!raw.contains("horse"), "no password on the screen", format!("{raw:?}"));
}

/// The same with `--login`, where the password is all that is asked for.
ours(client) fn what_is_typed_behind_a_password_is_never_said(case) {
    let server = MockServer::open(case);
    let mut terminal = case.terminal_with(&["--connect", &server.address(), "--login", "alice"], &[]);
    terminal.shows_typed("password:");
    terminal.types(&[PASSWORD, "too early", ""].join(ENTER));
    let us = server.asks();
    us.receives("LOGIN alice correct horse");
    us.lets_in("alice", "token-1");
    shows_row_with(&terminal, "bob: said before");
    types_a_line(&mut terminal, "hello");
    us.receives("hello");
}

/// The server goes while the password is typed. The client stays until Enter, and
/// begins again with a server that is there again.
ours(client) fn a_server_that_goes_leaves_no_password_to_the_shell(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = at_the_question(case, &server);
    at_the_password(&mut terminal, &us);
    terminal.types("correct");
    us.send("AUTH_FAILED not logged in within 30 s");
    us.peer.half_close();
    terminal.types(" horse");
    terminal.types(ENTER);
    let us = server.asks();
    terminal.shows_typed("LOGIN or REGISTER?");
    at_the_password(&mut terminal, &us);
    us.peer.reset();
    types_a_line(&mut terminal, PASSWORD);
    let us = server.asks();
    at_the_password(&mut terminal, &us);
    require(!terminal.raw().contains("horse"), "no password on the screen", terminal.raw());
}

/// A signal that ends the client, at whatever it waits for, gives the terminal back
/// with its echo. So does Ctrl-C.
ours(client) fn every_way_out_gives_the_terminal_back(case) {
    let server = MockServer::open(case);
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        for prompt in ["LOGIN or REGISTER?", "password:", ">"] {
            let (mut terminal, us) = at_the_question(case, &server);
            if prompt != "LOGIN or REGISTER?" {
                at_the_password(&mut terminal, &us);
            }
            if prompt == ">" {
                types_a_line(&mut terminal, PASSWORD);
                us.receives(PASSWORD);
                us.lets_in("alice", "token-1");
                shows_row_with(&terminal, "bob: said before");
                terminal.shows_typed(prompt);
            }
            terminal.signal(signal);
            if prompt == ">" && signal == Signal::INT {
                // As Ctrl-C there: the user leaves in good order.
                us.lines_to_the_end();
                us.peer.half_close();
                terminal.exits(0);
                continue;
            }
            let exit = terminal.ends();
            require(exit == Exit::Signal(signal.as_raw()), format!("an end by {signal:?}"), exit.to_string());
        }
    }
    let (mut terminal, us) = at_the_question(case, &server);
    at_the_password(&mut terminal, &us);
    terminal.types("half\x03");
    terminal.exits(0);
}
}

checks! {
/// On a pipe.
pub login_pipe:

/// The server gets one line for each of its questions, and what is for the room only
/// when it has let the user in.
ours(client) fn a_server_gets_no_more_than_it_asks_for(case) {
    let server = MockServer::open(case);
    let mut client = server.client();
    client.try_type(b"LOGIN\nalice\ncorrect horse\nfor the room\n");
    let us = server.asks();
    us.receives("LOGIN");
    us.send("ENTER_USERNAME");
    us.receives("alice");
    us.send("AUTH_FAILED not today");
    client.exits(1);
    match us.next() {
        testkit::Next::End(..) => {}
        other => fail("no line that was not asked for", other.to_string()),
    }
}

/// A server that asks for more than a login needs wants what was typed for the room.
ours(client) fn a_server_that_asks_for_more_gets_nothing(case) {
    let server = MockServer::open(case);
    let arguments = ["--connect", &server.address(), "--login", "alice"];
    for (login, question) in [(true, "ENTER_USERNAME"), (true, "AUTH_REQUIRED"), (false, "ENTER_USERNAME")] {
        let mut client = if login { with_password(case, PASSWORD, &arguments) } else { server.client() };
        if !login {
            client.try_type(b"LOGIN alice correct horse\n");
        }
        client.try_type(b"for the room\n");
        let us = server.asks();
        us.receives("LOGIN alice correct horse");
        us.send(question);
        if question == "AUTH_REQUIRED" {
            us.send(question);
        }
        client.exits(1);
        require(!us.has_received("for the room"), "nothing that is for the room", "it was sent");
    }
}

/// A password with a line end in it would be two lines, and the second one be said.
ours(client) fn a_password_is_one_line(case) {
    let server = MockServer::open(case);
    for flag in ["--login", "--register"] {
        let client = with_password(case, "correct\nhorse", &["--connect", &server.address(), flag, "alice"]);
        client.exits(1);
        let errors = client.errors();
        require(errors.contains("line end") && !errors.contains("horse"), "an error about the line end", errors);
    }
}
}
