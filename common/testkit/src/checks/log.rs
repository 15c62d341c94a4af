//! What our servers log, and where.

use crate::{Case, Server, require};
use std::path::Path;
use std::time::{Duration, Instant};

/// Waits until the file holds `text`: the log is written beside the chat, so a
/// line may come a little later than the message.
#[track_caller]
fn file_gets(path: &Path, text: &str) -> String {
    let deadline = Instant::now() + crate::patience();
    loop {
        let content = std::fs::read_to_string(path).unwrap_or_default();
        if content.contains(text) {
            return content;
        }
        let late = Instant::now() > deadline;
        require(!late, format!("{text:?} in {}", path.display()), format!("{content:?}"));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A client connects, is served and leaves; returns its address.
#[track_caller]
fn visit(case: &Case, server: &Server, text: &str) -> String {
    let path = case.delivery_path(server);
    path.sender.send(text);
    path.receiver().hears_of(text);
    path.sender.address().to_string()
}

checks! {
/// From stage 2 on.
pub log:

/// At the default level, info, each arrival and each departure is a log line
/// on standard error, with the client's address.
ours(server) fn arrivals_and_departures_are_logged(case) {
    let server = case.server();
    let address = visit(case, &server, "hello");
    server.program.says(&format!("an arrival of {address}"), |line| line.contains(&address));
    server.program.says(&format!("a departure of {address}"), |line| {
        line.contains(&address) && !line.contains("hello")
    });
}

/// `--log-level error` leaves out all that is not an error.
ours(server) fn the_log_level_leaves_out_what_is_below_it(case) {
    let server = case.server_with(&["--listen", "127.0.0.1:0", "--log-level", "error"]);
    let address = visit(case, &server, "hello");
    server.terminate();
    server.program.exits(0);
    let errors = server.program.errors();
    require(!errors.contains(&address), format!("nothing about {address}"), errors);
}

/// The log is read on terminals too: escape what clients sent, or they drive the
/// terminal on which it is read, and write log lines of their own.
ours(server) fn the_log_escapes_control_characters(case) {
    let server = case.server_with(&["--listen", "127.0.0.1:0", "--log-level", "debug"]);
    visit(case, &server, "red \x1b[31m alert\rnot a line");
    server.terminate();
    server.program.exits(0);
    let errors = server.program.errors();
    require(!errors.contains(['\x1b', '\r']), "no control character in the log", format!("{errors:?}"));
}
}

checks! {
/// From stage 4 on.
pub log_file:

/// The log goes to `server_logs.txt` in the working folder as well, and is
/// appended to what is there.
ours(server) fn the_log_is_appended_to_server_logs_txt(case) {
    let path = case.folder().join("server_logs.txt");
    std::fs::write(&path, "from an earlier day\n").expect("the case's folder takes a file");
    let server = case.server();
    let address = visit(case, &server, "hello");
    let content = file_gets(&path, &address);
    require(content.starts_with("from an earlier day\n"), "the earlier lines kept", content);
}

/// `--log-file PATH` writes there, and nowhere else.
ours(server) fn the_log_file_can_be_named(case) {
    let path = case.folder().join("other.log");
    let name = path.to_string_lossy();
    let server = case.server_with(&["--listen", "127.0.0.1:0", "--log-file", &name]);
    let address = visit(case, &server, "hello");
    file_gets(&path, &address);
    require(!case.folder().join("server_logs.txt").exists(), "no server_logs.txt", "there is one");
}

/// `--no-log-file` writes no file.
ours(server) fn the_log_file_can_be_left_out(case) {
    let server = case.server_with(&["--listen", "127.0.0.1:0", "--no-log-file"]);
    visit(case, &server, "hello");
    server.terminate();
    server.program.exits(0);
    let files = std::fs::read_dir(case.folder()).map(Iterator::count).unwrap_or_default();
    require(files == 0, "an empty working folder", format!("{files} file(s)"));
}

/// A log file that cannot be written is an error at the start, exit code 1,
/// that names the file.
ours(server) fn a_log_file_that_cannot_be_opened_is_an_error(case) {
    let name = case.folder().join("no-such-folder/server.log");
    let name = name.to_string_lossy();
    let server = case.run_server(&["--listen", "127.0.0.1:0", "--log-file", &name]);
    super::start::fails_with(&server, 1, &name);
}

/// Stages 4 and 5 log every message as it passes, with its sender.
ours(server) fn messages_are_logged(case) {
    let server = case.server();
    let address = visit(case, &server, "what was said");
    let fits = |line: &str| line.contains("what was said") && line.contains(&address);
    server.program.says("the message and its sender", fits);
    file_gets(&case.folder().join("server_logs.txt"), "what was said");
}

/// No colour and no control character in the file, from no client.
ours(server) fn the_log_file_holds_plain_text(case) {
    let server = case.server();
    visit(case, &server, "red \x1b[31m alert");
    let content = file_gets(&case.folder().join("server_logs.txt"), "alert");
    require(!content.contains('\x1b'), "no escape sequence", format!("{content:?}"));
}
}
