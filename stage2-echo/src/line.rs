//! Lines: framing, which TCP does not have.
//!
//! TCP delivers the bytes in order and nothing else. The receiver cannot see where
//! one `write` ended: one `read` can bring two lines, and one line can take many
//! reads. So both sides agree on a frame, here a line: UTF-8, ended by `\n`, at
//! most [`MAX_LINE`] bytes.
//!
//! A stream can end in four ways, and a program that treats them alike loses data
//! or hangs:
//! - between two lines: the other side has finished ([`Received::End`]);
//! - in the middle of a line: the rest counts as a line, then comes the end;
//! - by a reset: an error, and what was on its way is lost;
//! - never: the other side is silent, or its machine has lost its power.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// The longest line in bytes, without its line end. Without a bound, one client
/// that never sends `\n` could fill the server's memory.
pub const MAX_LINE: usize = 4096;

/// The line with which either side announces that it ends the connection.
pub const DISCONNECT: &str = "!DISCONNECT";

/// The server's last line to each client when it shuts down.
pub const SHUTTING_DOWN: &str = "[SERVER] server is shutting down";

/// The server's answer to a line longer than [`MAX_LINE`]; then it closes.
pub const TOO_LONG: &str = "[SERVER] error: line longer than 4096 bytes";

/// The server's answer to a line that is not UTF-8; then it goes on.
pub const NOT_UTF8: &str = "[SERVER] error: line is not valid UTF-8";

/// The result of [`LineReader::next`].
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A line without its line end.
    Line(&'a str),
    /// A line that is not valid UTF-8; the next one may be.
    NotUtf8,
    /// More bytes than the limit without a line end. The reader cannot know where
    /// the next line begins: close the connection.
    TooLong,
    /// The other side has finished sending.
    End,
}

/// Bytes asked for in one `read`: many lines at once from a client that sends
/// fast, and one page of memory for each of ten thousand that wait.
const READ_SIZE: usize = 4 << 10;

/// Cuts a byte stream into lines.
pub struct LineReader<R> {
    /// Holds what was read and belongs to later lines.
    from: BufReader<R>,
    /// The longest line in bytes, without its line end.
    limit: usize,
    /// The line under way: what has come of it so far.
    line: Vec<u8>,
    /// `line` is complete and was returned; the next call begins a new one.
    returned: bool,
    /// The other side has finished. A socket whose reading side is shut down
    /// can deliver bytes even after that, so the reader does not ask again.
    ended: bool,
}

impl<R: Read> LineReader<R> {
    /// Reads lines of at most [`MAX_LINE`] bytes from `from`. Nothing is read
    /// before the first call of [`next`](LineReader::next).
    pub fn new(from: R) -> Self {
        Self::with_limit(from, MAX_LINE)
    }

    /// The same with another limit in bytes. A client needs it: the server puts
    /// the sender's name before a line that may already be as long as allowed.
    pub fn with_limit(from: R, limit: usize) -> Self {
        let from = BufReader::with_capacity(READ_SIZE, from);
        LineReader { from, limit, line: Vec::new(), returned: false, ended: false }
    }

    /// The next line; waits for it.
    ///
    /// # Errors
    /// What `read` says: a reset, for example, or a time-out that was set on the
    /// socket. After a time-out the caller may go on: no byte is lost.
    #[allow(clippy::should_implement_trait)] // an iterator cannot lend from its buffer
    pub fn next(&mut self) -> io::Result<Received<'_>> {
        if std::mem::take(&mut self.returned) {
            self.line.clear();
        }
        self.read_up_to(self.limit + 1)?;
        // One byte above the limit may be the `\r` of a line end.
        if self.line.len() > self.limit && self.line.ends_with(b"\r") {
            self.read_up_to(self.limit + 2)?;
        }
        self.returned = true;
        Ok(self.take_line())
    }

    /// What it reads from.
    pub fn get_mut(&mut self) -> &mut R {
        self.from.get_mut()
    }

    /// Returns `true` if the next line is here already (or too much without a
    /// line end): [`next`](LineReader::next) then does not wait.
    pub fn has_buffered_line(&self) -> bool {
        let begun = if self.returned { 0 } else { self.line.len() };
        let buffered = self.from.buffer();
        buffered.contains(&b'\n') || begun + buffered.len() > self.limit + 1
    }

    /// Reads until `line` has its `\n`, or `most` bytes, or the stream ends.
    /// Without `take`, a client that never sends `\n` would fill the memory.
    fn read_up_to(&mut self, most: usize) -> io::Result<()> {
        let missing = most - self.line.len();
        if !self.ended {
            // On an error, what came before it is in `line` and stays there.
            let n = self.from.by_ref().take(missing as u64).read_until(b'\n', &mut self.line)?;
            self.ended = n < missing && !self.line.ends_with(b"\n");
        }
        Ok(())
    }

    /// What `line` is, now that it is complete.
    fn take_line(&self) -> Received<'_> {
        let line = match self.line.strip_suffix(b"\n") {
            Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
            None if self.line.is_empty() => return Received::End,
            None => &self.line,
        };
        if line.len() > self.limit {
            return Received::TooLong;
        }
        str::from_utf8(line).map_or(Received::NotUtf8, Received::Line)
    }
}

/// Sends one line. Text and line end go out in one `write`: with two writes, the
/// line end could travel in a packet of its own.
///
/// # Errors
/// What `write` says, for example that the other side has reset the connection.
pub fn send_line(mut to: impl Write, line: &str) -> io::Result<()> {
    to.write_all(format!("{line}\n").as_bytes())
}

/// How long a lingering close waits for the other side, and how many bytes it
/// reads and throws away.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// Ends a connection so that the other side gets all that was sent to it.
///
/// A program that closes a socket with unread bytes in it makes the kernel send a
/// reset (RFC 1122, 4.2.2.13). A reset destroys what the other side has not read
/// yet: the client would never see why it was disconnected. So this first says
/// that nothing more comes (FIN), then reads and throws away for a bounded time,
/// until the other side has finished too.
pub fn lingering_close(stream: &TcpStream) {
    // This waits, and stage 8 has used the socket without waiting.
    let _ = stream.set_nonblocking(false);
    let _ = stream.shutdown(Shutdown::Write);
    let end = Instant::now() + LINGER;
    let mut thrown_away = 0;
    let mut buffer = [0; 4096];
    let mut from = stream;
    while thrown_away < LINGER_BYTES {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(n) => thrown_away += n,
        }
    }
}

#[cfg(test)]
mod tests;
