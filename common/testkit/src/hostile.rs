//! What a hostile server sends to drive the terminal of its clients, or to show
//! something else than it said. Nothing of it may be printed as it is.

use crate::{require, shown};

/// Each has letters of its own, so that it is found in what a terminal was sent.
pub const PAYLOADS: [&str; 18] = [
    // Clears the screen, sets the title, fills the clipboard, resets.
    "\x1b[2Jclear",
    "\x1b]0;title\x07",
    "\x1b]52;c;Y2xpcA==\x07",
    "\x1bcreset",
    // Has the terminal type an answer, as if the user had.
    "\x1b[6nreport",
    "\x1bP$qm\x1b\\query",
    "\x05enquiry",
    // The one-character forms of ESC [ and ESC ].
    "\u{9b}2Jc1",
    "\u{9d}0;c1 title\u{9c}",
    // Another line over this one.
    "\rreturn",
    "seen\x08\x08\x08\x08back",
    "\x0b\x0cfeed",
    "\0null",
    // What is not seen, or seen in another order.
    "\u{202e}turned",
    "in\u{200b}visible",
    "\u{2028}separated",
    "\u{feff}marked",
    "\u{e0041}tagged",
];

/// What a program wrote to a pipe has nothing that would drive a terminal or is not seen.
#[track_caller]
pub fn require_clean(what: &str, written: &str) {
    let is_raw = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}' | '\u{2028}' | '\u{202e}' | '\u{feff}' | '\u{e0041}')
    };
    let line = written.lines().find(|line| line.contains(is_raw));
    require(line.is_none(), format!("{what} escaped"), shown(line.unwrap_or_default()));
}

/// What a client wrote to a terminal, among its own sequences, has no payload in it.
#[track_caller]
pub fn require_no_payload(written: &str) {
    let payload = PAYLOADS.iter().find(|payload| written.contains(**payload));
    require(payload.is_none(), "no hostile text as it was sent", shown(payload.unwrap_or(&"")));
}
