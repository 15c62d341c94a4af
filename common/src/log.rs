//! The log: one line for each event, on standard error and in a file, written by
//! a thread of its own. So a slow disk or terminal never slows the chat.
//!
//! Why not `tracing`: at full speed a chat server logs some hundred thousand
//! messages a second, and `tracing` formats each in the thread in which it
//! happens. Here the thread hands over bytes that the room shares anyway
//! ([`Log::lines`]), and the log's thread formats them. CONTRIBUTING.md has the
//! other reasons.

mod writer;

use crate::poison::IgnorePoison;
use crate::private_file::open_or_make;
use crate::utc::{self, Millis};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt::{self, Display};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;
use writer::Writer;

/// Bytes that may wait for the log's thread. When there are more, new lines are
/// dropped and counted, and the log says how many. The alternative would be to
/// make the chat wait for its log.
const QUEUE_BYTES: usize = 32 << 20;

/// At the end: how long the log's thread may go without writing anything. A
/// terminal or a pipe that takes nothing must not keep the server from ending.
const FLUSH_STALL_TIMEOUT: Duration = Duration::from_secs(1);

/// How much a line matters, from [`Level::Error`] to [`Level::Debug`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Level {
    /// The server cannot do something that it should.
    Error,
    /// A client was refused or dropped, or something is about to run out.
    Warn,
    /// Arrivals, departures, and what each stage's contract names.
    Info,
    /// What helps to find a fault in the program.
    Debug,
}

impl Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
        })
    }
}

/// A handle on the log, cheap to clone. What is logged after the [`LogGuard`] is
/// dropped is lost, so `main` drops the guard last.
#[derive(Clone)]
pub struct Log {
    queue: Arc<Queue>,
}

/// Ends the log. Dropping it waits until everything that was logged is written, or
/// until an output takes nothing for a second.
pub struct LogGuard {
    queue: Arc<Queue>,
    /// A message after each write; closed when the thread has ended. The lock lets a
    /// guard be part of shared state; only the drop takes it.
    progress: Mutex<Receiver<()>>,
}

struct Queue {
    level: Level,
    waiting: Mutex<Waiting>,
    /// Signalled when `waiting` gets its first entry, and at the end.
    more: Condvar,
}

/// Filled by all threads that log, emptied by the log's thread.
#[derive(Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    bytes: usize,
    dropped: u64,
    closed: bool,
}

struct Entry {
    at: Millis,
    level: Level,
    text: Text,
}

enum Text {
    One(String),
    /// Any number of lines, each ended by `\n`.
    Many(Bytes),
}

impl Log {
    /// Starts the log: on standard error and, if a `file` is given, appended to it.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, or no thread can be started.
    pub fn start(level: Level, file: Option<&Path>) -> io::Result<(Log, LogGuard)> {
        let file = file.map(open).transpose()?;
        let queue = Arc::new(Queue { level, waiting: Mutex::default(), more: Condvar::new() });
        let (written, progress) = sync_channel(1);
        thread::Builder::new().name("log".into()).spawn({
            let queue = queue.clone();
            move || Writer::new(file, written).run(&queue)
        })?;
        let guard = LogGuard { queue: queue.clone(), progress: Mutex::new(progress) };
        Ok((Log { queue }, guard))
    }

    /// Logs something that the server cannot do.
    pub fn error(&self, what: impl Display) {
        self.one(Level::Error, what);
    }

    /// Logs that a client was refused or dropped, or that something runs out.
    pub fn warn(&self, what: impl Display) {
        self.one(Level::Warn, what);
    }

    /// Logs an arrival, a departure, or what the contract names.
    pub fn info(&self, what: impl Display) {
        self.one(Level::Info, what);
    }

    /// Logs what helps to find a fault in the program.
    pub fn debug(&self, what: impl Display) {
        self.one(Level::Debug, what);
    }

    /// Returns `true` if lines of this level are written.
    pub fn enabled(&self, level: Level) -> bool {
        level <= self.queue.level
    }

    /// Logs lines that are bytes already, each ended by `\n`: shared, not copied.
    pub fn lines(&self, level: Level, lines: &Bytes) {
        if self.enabled(level) && !lines.is_empty() {
            self.queue.push(level, lines.len(), Text::Many(lines.clone()));
        }
    }

    fn one(&self, level: Level, what: impl Display) {
        if self.enabled(level) {
            let text = what.to_string();
            self.queue.push(level, text.len(), Text::One(text));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    open_or_make(path, OpenOptions::new().append(true)).map_err(|e| {
        let path = path.display();
        io::Error::new(
            e.kind(),
            format!("cannot write the log to {path}: {e}; choose another file with --log-file PATH or none with --no-log-file"),
        )
    })
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().ignore_poison()
    }

    fn push(&self, level: Level, bytes: usize, text: Text) {
        // Short lines too: without the size of the entry itself, a flood of them would take
        // several times the memory.
        let bytes = bytes + size_of::<Entry>();
        let entry = Entry { at: utc::now(), level, text };
        let mut waiting = self.lock();
        if waiting.bytes + bytes > QUEUE_BYTES {
            waiting.dropped += 1;
            return;
        }
        waiting.bytes += bytes;
        waiting.entries.push_back(entry);
        let was_empty = waiting.entries.len() == 1;
        drop(waiting);
        if was_empty {
            self.more.notify_one();
        }
    }

    /// All entries that wait, and how many were dropped; `None` at the end. Waits
    /// for the first one.
    fn take(&self) -> Option<(VecDeque<Entry>, u64)> {
        let mut waiting = self.lock();
        while waiting.entries.is_empty() && !waiting.closed {
            waiting = self.more.wait(waiting).ignore_poison();
        }
        if waiting.entries.is_empty() {
            return None;
        }
        waiting.bytes = 0;
        Some((std::mem::take(&mut waiting.entries), std::mem::take(&mut waiting.dropped)))
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.more.notify_one();
        let progress = self.progress.get_mut().ignore_poison();
        while progress.recv_timeout(FLUSH_STALL_TIMEOUT).is_ok() {}
    }
}

#[cfg(test)]
mod tests;
