//! Empty lines: echoed in stages 2 and 3, ignored from stage 4 on.

use crate::fail;

checks! {
/// Stages 2 and 3.
pub empty_line_is_echoed:

/// An empty line is a line of no characters and gets its answer: a client in
/// lock-step waits for it.
wire(server) fn an_empty_line_is_echoed(case) {
    let server = case.server();
    let link = case.link(&server);
    link.sender.send_bytes(b"\n\r\nafter two empty lines\n");
    for text in ["", "", "after two empty lines"] {
        link.delivers(text);
    }
}
}

checks! {
/// From stage 4 on.
pub empty_line_is_ignored:

/// An empty line says nothing: it reaches nobody and is no error.
wire(server) fn an_empty_line_is_ignored(case) {
    let server = case.server();
    let link = case.link(&server);
    link.sender.send_bytes(b"\n\r\n\nafter three empty lines\n");
    link.delivers("after three empty lines");
    link.receiver().send("and the sender heard nothing");
    let mut before = link.sender.lines_before("and the sender heard nothing");
    before.retain(|line| !crate::chat::announces(line));
    if !before.is_empty() {
        fail("nothing to the sender of an empty line", format!("{before:?}"));
    }
}
}
