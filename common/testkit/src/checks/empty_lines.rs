//! Empty lines: echoed in stages 2 and 3, ignored from stage 4 on.

use crate::fail;

checks! {
/// Stages 2 and 3.
pub empty_line_is_echoed:

/// An empty line is a line of no characters and gets its answer: a client in
/// lock-step waits for it.
wire(server) fn an_empty_line_is_echoed(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send_bytes(b"\n\r\nafter two empty lines\n");
    for text in ["", "", "after two empty lines"] {
        path.delivers(text);
    }
}
}

checks! {
/// From stage 4 on.
pub empty_line_is_ignored:

/// An empty line is not delivered, and is no error.
wire(server) fn an_empty_line_is_ignored(case) {
    let server = case.server();
    let path = case.delivery_path(&server);
    path.sender.send_bytes(b"\n\r\n\nafter three empty lines\n");
    path.delivers("after three empty lines");
    path.receiver().send("and the sender heard nothing");
    let mut before = path.sender.lines_before("and the sender heard nothing");
    before.retain(|line| !crate::chat::announces(line));
    if !before.is_empty() {
        fail("nothing to the sender of an empty line", format!("{before:?}"));
    }
}
}
