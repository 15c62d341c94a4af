//! The disk fails under the server: it is full, or a flush does not succeed. The
//! functions that fail are in `faults.c`, which takes the place of the C library's.

use crate::chat::{Chat, Server, Writer};
use crate::{Found, check_against_database};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What fails, with errno(3), and the words of the log about it.
const FAULTS: [(&str, &str); 3] = [
    ("write 28", "no room left for "),
    ("write 5", "chat.db: disk I/O error; look for a failing disk"),
    ("flush 5", "chat.db: disk I/O error; look for a failing disk"),
];

pub fn failing_disk() {
    let chat = Chat::new();
    let (shim, fault) = (chat.folder().join("faults.so"), chat.folder().join("fault"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kill/faults.c");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&shim, &source]).status();
    assert!(compiled.unwrap().success(), "SQLite needs a C compiler too");
    let environment = [("LD_PRELOAD", shim.as_path()), ("FAULT", &fault)];
    let mut server = Server::start_with(&chat, &chat.sqlite_url(), &environment);
    let reader = server.enter("reader", true);
    let writers: Vec<_> =
        (0..2).map(|n| Writer::start(server.enter(&format!("writer{n}"), true), 0)).collect();
    let log = chat.folder().join("server_logs.txt");
    for (what, words) in FAULTS {
        let before = reader.seen();
        reader.sees_more_than(before + 20);
        let before = writers[0].user().not_stored();
        let logged_before = fs::read_to_string(&log).unwrap().len();
        // In one step, so that the server never reads half of it.
        fs::write(fault.with_extension("new"), what).unwrap();
        fs::rename(fault.with_extension("new"), &fault).unwrap();
        writers[0].user().wait("to be told that it is not stored", |inbox| inbox.not_stored > before);
        server.still_runs();
        fs::remove_file(&fault).unwrap();
        let before = reader.seen();
        reader.sees_more_than(before + 20);
        for words in ["messages are not stored, and reach nobody: ", words, "messages are stored again"] {
            // The log is written by a thread of its own, a little later.
            let logged = || fs::read_to_string(&log).unwrap()[logged_before..].contains(words);
            reader.wait(&format!("for {words:?} in the log, after {what}"), |_| logged());
        }
    }
    check_against_database(server, reader, writers, || {
        let mut found = Found::default();
        found.read(&chat);
        found.lines.into_iter().flat_map(|(line, times)| vec![line; times]).collect()
    });
}
