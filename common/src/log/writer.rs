//! The log's thread: the only one that formats and writes.

use super::{Level, Queue, Text};
use crate::escape::escape;
use crate::utc::{self, Millis};
use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::SyncSender;

/// See the [module](self).
pub struct Writer {
    /// `None` if the log has no file, or if a write to it has failed.
    file: Option<File>,
    /// Told after each write, unless an earlier message still waits there.
    written: SyncSender<()>,
}

impl Writer {
    /// Writes to standard error and to `file`, and says so to `written`.
    pub fn new(file: Option<File>, written: SyncSender<()>) -> Writer {
        Writer { file, written }
    }

    /// Writes all that is queued, until the queue is closed and empty.
    pub fn run(mut self, queue: &Queue) {
        let mut out = Vec::new();
        while let Some((entries, dropped)) = queue.take() {
            for entry in &entries {
                let head = head(entry.at, entry.level);
                match &entry.text {
                    Text::One(text) => put(&mut out, &head, text),
                    Text::Many(lines) => put_all(&mut out, &head, lines),
                }
                // Of many lines some are written at once, or `out` would grow.
                if out.len() > 256 << 10 {
                    self.write(&mut out);
                }
            }
            if dropped > 0 {
                let head = head(utc::now(), Level::Warn);
                put(
                    &mut out,
                    &head,
                    &format!("log: {dropped} entries dropped, they came faster than they could be written"),
                );
            }
            self.write(&mut out);
        }
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        // Standard error may be closed or full; the chat goes on.
        let _ = io::stderr().write_all(out);
        if let Some(file) = &mut self.file
            && let Err(e) = file.write_all(out)
        {
            let _ = writeln!(
                io::stderr(),
                "{}log file: {e}; it is no longer written",
                head(utc::now(), Level::Error)
            );
            self.file = None;
        }
        out.clear();
        // An error means that a message waits already, or that the guard is gone.
        let _ = self.written.try_send(());
    }
}

/// `2026-01-31T12:00:00.123Z INFO  `
fn head(at: Millis, level: Level) -> String {
    format!("{} {level:5} ", utc::rfc3339(at))
}

/// Escaped, since a log is read on terminals and an event must stay one line.
fn put(out: &mut Vec<u8>, head: &str, text: &str) {
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(escape(text).as_bytes());
    out.push(b'\n');
}

fn put_all(out: &mut Vec<u8>, head: &str, lines: &[u8]) {
    let mut rest = lines;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        put(out, head, &String::from_utf8_lossy(&rest[..end]));
        rest = &rest[end + 1..];
    }
}
