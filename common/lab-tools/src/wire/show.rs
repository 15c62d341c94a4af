//! The bytes as hex and text, for the user.
//!
//! In the margin stands who can see a row: `|` has passed over the wire like
//! this, `=` anyone can work out of it, `*` only those with the key.

use crate::wire::annotation::{Annotated, Layer, Part, count, shown};
use crate::wire::tap::Side;
use crate::wire::{Connection, Event};
use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

/// Bytes in a row.
const ROW: usize = 16;

/// Rows that are shown of one part.
const ROWS: usize = 4;

/// Room for a label, where none is longer.
const LABEL: usize = 12;

/// Writes what passes.
pub struct Show {
    out: Box<dyn Write + Send>,
    colour: bool,
    full: bool,
}

const CLIENT: &str = "\x1b[1;36m";
const SERVER: &str = "\x1b[1;33m";
const SECRET: &str = "\x1b[35m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "";

impl Show {
    /// Shows on `out`; with `full`, long parts too from their first byte to
    /// their last.
    pub fn new(out: Box<dyn Write + Send>, colour: bool, full: bool) -> Show {
        Show { out, colour, full }
    }

    /// Shows one event of a connection.
    pub fn event(&mut self, at: Duration, of: &Connection, event: &Event<'_>, annotated: &Annotated) {
        let mut text = String::new();
        let (paint, what) = heading(of, event);
        self.line(&mut text, paint, &format!("{:9.4}  {what}", at.as_secs_f64()));
        let width = annotated.parts.iter().map(|part| part.label.len()).max().unwrap_or(0).max(LABEL);
        let mut secret = false;
        for part in &annotated.parts {
            if part.layer == Layer::Key && !secret {
                self.line(&mut text, SECRET, "           with the key only:");
            }
            secret = part.layer == Layer::Key;
            self.part(&mut text, part, width);
        }
        // As with `say!`: when the output is closed, the chat goes on.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    fn part(&self, text: &mut String, part: &Part, width: usize) {
        let (margin, paint) = match part.layer {
            Layer::Wire => ('|', PLAIN),
            Layer::Inside => ('=', PLAIN),
            Layer::Key => ('*', SECRET),
        };
        let limit = if self.full { usize::MAX } else { ROWS * ROW };
        // Not for the sake of one row: what is cut is to be worth it.
        let cut = if part.bytes.len() > limit.saturating_add(ROW) { limit } else { part.bytes.len() };
        let mut label = part.label.as_str();
        for row in part.bytes[..cut].chunks(ROW) {
            self.line(text, paint, &format!("  {margin} {label:<width$} {}", hex_and_text(row)));
            label = "";
        }
        if cut < part.bytes.len() {
            let more = format!("  {margin} {label:<width$} ... and {} bytes more", part.bytes.len() - cut);
            self.line(text, DIM, &more);
        }
        if !part.note.is_empty() {
            self.line(text, DIM, &format!("  {margin} {label:<width$} {}", part.note));
        }
    }

    fn line(&self, text: &mut String, paint: &str, line: &str) {
        let line = line.trim_end();
        // Writing to a String cannot fail.
        let _ = match self.colour && !paint.is_empty() {
            true => writeln!(text, "{paint}{line}\x1b[0m"),
            false => writeln!(text, "{line}"),
        };
    }
}

fn heading(of: &Connection, event: &Event<'_>) -> (&'static str, String) {
    let name = &of.name;
    let (paint, arrow) = match event.side() {
        Side::Client => (CLIENT, format!("{name} -> server")),
        Side::Server => (SERVER, format!("server -> {name}")),
    };
    let what = match event {
        Event::Opened => {
            let (here, there, port) = (of.client, of.server, of.port);
            let what = format!("connects (SYN, SYN-ACK, ACK): {here} -> {there}; its own port is {port}");
            return (paint, format!("{name} {what}"));
        }
        Event::Refused(why) => return (paint, format!("{name} cannot connect: {why}")),
        Event::Sent(_, bytes) => count(bytes.len()),
        Event::Ended(_) => "end: nothing more comes from here (FIN)".to_owned(),
        Event::Reset(_) => "broken off (RST)".to_owned(),
    };
    (paint, format!("{arrow}: {what}"))
}

/// `68 69 ...   hi`, the text without what is not ASCII or would not be seen.
fn hex_and_text(row: &[u8]) -> String {
    let hex: Vec<_> = row.iter().map(|byte| format!("{byte:02x}")).collect();
    let text: Vec<u8> =
        row.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { *b } else { b'.' }).collect();
    format!("{:<width$}  {}", hex.join(" "), shown(&text), width = ROW * 3 - 1)
}
