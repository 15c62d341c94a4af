//! How our servers start, and how they refuse to (the contract, "Every stage").

use crate::{Case, Program, require};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

/// Asks for exit code `code` and a line `error: …` that contains `about`.
#[track_caller]
pub(super) fn fails_with(program: &Program, code: i32, about: &str) {
    program.exits(code);
    let errors = program.errors();
    let said = errors.lines().any(|line| line.starts_with("error: "));
    let expected = format!("a line \"error: …\" about {about:?} on standard error");
    require(said && errors.contains(about), expected, format!("{errors:?}"));
}

/// Wrong usage of either program: exit code 2, a word on standard error, and
/// nothing on standard output.
#[track_caller]
pub(super) fn wrong_usage(program: &Program) {
    program.exits(2);
    require(!program.errors().is_empty(), "what is wrong, on standard error", "nothing");
    require(program.output().is_empty(), "nothing on standard output", program.output());
}

/// Asks for `--help` to name the default address of the stage.
#[track_caller]
pub(super) fn help_names_the_default_address(case: &Case, program: &Program, flag: &str) {
    program.exits(0);
    let (help, address) = (program.output(), format!("127.0.0.1:900{}", case.stage()));
    require(help.contains(flag), format!("{flag} in the help"), &help);
    require(help.contains(&address), format!("the default {address} in the help"), &help);
}

checks! {
/// Start, usage, and the failures of starting.
pub start:

/// Exactly `Server is starting!` and `Listening on IP:PORT`, in this order;
/// anything else that a server prints is a log line on standard error.
ours(server) fn the_start_is_two_lines_on_standard_output(case) {
    let server = case.run_server(&["--listen", "127.0.0.1:0"]);
    server.prints("Server is starting!");
    let line = server.prints_a_line();
    let port = line.strip_prefix("Listening on 127.0.0.1:").and_then(|p| p.parse::<u16>().ok());
    require(port.is_some_and(|p| p != 0), "\"Listening on 127.0.0.1:PORT\", the real port", line);
}

/// Colour codes belong on a terminal; here standard output and error are pipes.
ours(server) fn nothing_is_coloured_on_a_pipe(case) {
    let server = case.server();
    case.connect("alice", &server).close();
    server.terminate();
    server.program.ends(Duration::from_secs(5));
    let said = server.program.output() + &server.program.errors();
    require(!said.contains('\x1b'), "no escape sequence", format!("{said:?}"));
}

/// `--help` is no failure, and names `--listen` and its default.
ours(server) fn the_servers_help_names_the_default_address(case) {
    help_names_the_default_address(case, &case.run_server(&["--help"]), "--listen");
}

/// What cannot be understood is wrong usage: exit code 2.
ours(server) fn wrong_usage_of_the_server_is_exit_code_2(case) {
    wrong_usage(&case.run_server(&["--no-such-flag"]));
    wrong_usage(&case.run_server(&["--listen"]));
    wrong_usage(&case.run_server(&["--listen", "127.0.0.1:0", "one", "more"]));
}

/// A port is a number up to 65535; a larger one is wrong usage, not port 4464.
ours(server) fn a_port_above_65535_is_wrong_usage_of_the_server(case) {
    for address in ["127.0.0.1:65536", "127.0.0.1:70000", "localhost:-1", "localhost:http", "127.0.0.1"] {
        wrong_usage(&case.run_server(&["--listen", address]));
    }
}

/// The levels are error, warn, info and debug; another word is wrong usage.
ours(server) fn an_unknown_log_level_is_wrong_usage(case) {
    wrong_usage(&case.run_server(&["--listen", "127.0.0.1:0", "--log-level", "loud"]));
    for level in ["error", "warn", "info", "debug"] {
        case.server_with(&["--listen", "127.0.0.1:0", "--log-level", level]).still_runs();
    }
}

/// The error names the address, so that the reader need not guess: exit code 1.
ours(server) fn an_address_in_use_is_an_error(case) {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = taken.local_addr().expect("a bound socket has an address").to_string();
    fails_with(&case.run_server(&["--listen", &address]), 1, &address);
}

/// A host name that does not exist is an error, exit code 1, that names it.
/// (The name here cannot exist, it is longer than the 63 bytes of RFC 1035.)
ours(server) fn listening_on_an_unknown_host_is_an_error(case) {
    let host = "h".repeat(64) + ".invalid";
    fails_with(&case.run_server(&["--listen", &format!("{host}:0")]), 1, &host);
}

/// Listening on an address of another machine is an error, exit code 1.
ours(server) fn listening_on_somebody_elses_address_is_an_error(case) {
    fails_with(&case.run_server(&["--listen", "192.0.2.1:0"]), 1, "192.0.2.1");
}

/// `println!` panics when no program reads (`server | true`): write, and look at
/// the result.
ours(server) fn a_closed_standard_output_is_no_panic(case) {
    let mut shell = Command::new("sh");
    // The shell's descriptor 1 is closed before the server starts.
    shell.args(["-c", "exec \"$0\" --listen 127.0.0.1:0 >&-"]).arg(case.our_server());
    let closed = case.run("server", shell);
    let mut shell = Command::new("sh");
    shell.args(["-c", "(sleep 0.3; \"$0\" --listen 127.0.0.1:0; echo code $? >&2) | true"]).arg(case.our_server());
    let broken = case.run("server", shell);
    std::thread::sleep(Duration::from_millis(700));
    for program in [&closed, &broken] {
        program.signal(crate::Signal::TERM);
        program.ends(Duration::from_secs(5));
        let errors = program.errors();
        require(!errors.contains("panicked"), "no panic", errors);
    }
}
}
