//! What our client has beyond the contract of the wire: options, a terminal.

use crate::mock_server::MockServer;
use std::process::Command;
use testkit::{Case, Program, checks, require};

const ENTER: &str = "\r";
const PASSWORD: &str = "correct horse";

/// Our client on a pipe with `CHAT_PASSWORD` set; a shell sets it, for what the
/// case starts itself has none.
#[track_caller]
fn with_password(case: &Case, arguments: &[&str]) -> Program {
    let mut shell = Command::new("sh");
    shell.args(["-c", "CHAT_PASSWORD=$0 exec \"$@\"", PASSWORD]).arg(case.our_client()).args(arguments);
    case.run("client", shell)
}

checks! {
/// Options, and a terminal.
pub client_options:

/// `--login NAME` and `--register NAME` answer the questions of the login with the password in
/// `CHAT_PASSWORD`; the whole input is messages then.
ours(client) fn the_password_may_come_from_the_environment(case) {
    let server = MockServer::open(case);
    for (flag, word) in [("--login", "LOGIN"), ("--register", "REGISTER")] {
        let mut client = with_password(case, &["--connect", &server.address(), flag, "alice"]);
        client.type_line("hello");
        let us = server.asks();
        let request = us.receives_login();
        require(request == format!("{word} alice {PASSWORD}"), format!("{word} alice {PASSWORD}"), request);
        us.lets_in("alice", "token-1");
        us.receives("hello");
        client.end_input();
        us.lines_to_the_end();
        us.peer.close();
        client.exits(0);
        require(!client.output().contains(PASSWORD), "no password on its output", client.output());
    }
}

/// Not let in is exit code 1, with the reason.
ours(client) fn a_refused_login_is_exit_code_1(case) {
    let server = MockServer::open(case);
    let client = with_password(case, &["--connect", &server.address(), "--login", "alice"]);
    let us = server.asks();
    us.receives_login();
    us.send("AUTH_FAILED wrong name or password");
    us.peer.half_close();
    client.exits(1);
    let errors = client.errors();
    let said = errors.lines().any(|l| l.starts_with("error: ") && l.contains("wrong name or password"));
    require(said, "error: … wrong name or password", errors);
}

/// On a terminal the password is asked for, and not shown while it is typed.
ours(client) fn the_password_is_typed_without_echo(case) {
    let server = MockServer::open(case);
    for flag in ["--login", "--register"] {
        let mut terminal = case.terminal_with(&["--connect", &server.address(), flag, "alice"], &[]);
        terminal.shows("a prompt for the password", |rows| rows.iter().any(|row| row.to_lowercase().contains("password")));
        terminal.types(PASSWORD);
        terminal.types(ENTER);
        // Who registers may be asked to type it twice.
        let us = std::thread::scope(|scope| {
            let asked = scope.spawn(|| {
                let us = server.asks();
                let request = us.receives_login();
                (us, request)
            });
            asked.join().unwrap_or_else(|_| testkit::fail("a client that logs in", "none"))
        });
        require(us.1.ends_with(&format!(" alice {PASSWORD}")), format!("alice {PASSWORD}"), &us.1);
        us.0.lets_in("alice", "token-1");
        terminal.shows("who is there", |rows| rows.iter().any(|row| row.contains("bob")));
        terminal.types("hello");
        terminal.shows_typed("hello");
        terminal.types(ENTER);
        us.0.receives("hello");
        let raw = terminal.raw();
        require(!raw.contains("correct") && !raw.contains("token-1"), "no secret on the screen", format!("{raw:?}"));
    }
}

/// Without --login the login is typed on the terminal, the password without echo
/// in it too.
ours(client) fn the_login_can_be_typed_on_a_terminal(case) {
    let server = MockServer::open(case);
    let mut terminal = case.terminal(server.address(), &[]);
    let us = server.asks();
    terminal.types("LOGIN");
    terminal.types(ENTER);
    us.receives("LOGIN");
    us.send("ENTER_USERNAME");
    terminal.types("alice");
    terminal.types(ENTER);
    us.receives("alice");
    us.send("ENTER_PASSWORD");
    terminal.shows("a prompt for the password", |rows| rows.last().is_some_and(|row| row.to_lowercase().contains("password")));
    terminal.types(PASSWORD);
    terminal.types(ENTER);
    us.receives(PASSWORD);
    us.lets_in("alice", "token-1");
    terminal.shows("who is there", |rows| rows.iter().any(|row| row.contains("bob")));
    let raw = terminal.raw();
    require(!raw.contains("correct") && !raw.contains("token-1"), "no secret on the screen", format!("{raw:?}"));
}

/// A line has 4096 bytes; sealed, it carries 3023 bytes of text. The client refuses
/// what is longer before the server ends the connection for it.
ours(client) fn a_text_that_is_too_long_is_refused(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    let longest = us.longest_text().to_string();
    client.type_line(&"x".repeat(us.longest_text() + 1));
    client.says(&format!("error: …{longest}"), |line| line.starts_with("error: ") && line.contains(&longest));
    client.exits(1);
    us.peer.sees_the_end();
}

/// An empty line is nothing to say.
ours(client) fn an_empty_line_is_not_sent(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    client.type_line("");
    client.type_line("something");
    us.receives("something");
}

/// A line that comes in, and a connection that is lost and found, leave the line
/// being typed whole.
ours(client) fn nothing_tears_the_line_being_typed(case) {
    let server = MockServer::open(case);
    let mut terminal = case.terminal_with(&["--connect", &server.address(), "--login", "alice"], &[("CHAT_PASSWORD", PASSWORD)]);
    let us = server.asks();
    us.receives_login();
    us.lets_in("alice", "token-1");
    terminal.shows("who is there", |rows| rows.iter().any(|row| row.contains("bob")));
    terminal.types("half a sen");
    terminal.shows_typed("half a sen");
    us.send("bob: some news");
    terminal.shows("the news above what is typed", |rows| {
        rows.iter().any(|row| row == "bob: some news") && rows.last().is_some_and(|row| row.ends_with("half a sen"))
    });
    us.peer.reset();
    let us = server.asks();
    us.receives("RESUME token-1");
    us.lets_in("alice", "token-1");
    us.send("bob: welcome back");
    terminal.shows("more news", |rows| rows.iter().any(|row| row == "bob: welcome back"));
    terminal.types("tence");
    terminal.shows_typed("half a sentence");
    terminal.types(ENTER);
    us.receives("half a sentence");
}
}
