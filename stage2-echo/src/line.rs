//! Lines: what TCP does not have.
//!
//! TCP delivers the bytes in order and nothing else. Where one `write` ended
//! cannot be seen on the other side: two lines can come in one `read`, and one
//! line in many. So both sides agree on a frame, here a line: UTF-8, ended by
//! `\n`, at most [`MAX_LINE`] bytes.
//!
//! A stream can end in four ways, and a program that treats them alike loses
//! data or hangs:
//! - between two lines: the other side has finished ([`Received::End`]);
//! - in the middle of a line: the rest counts as a line, then comes the end;
//! - by a reset: an error, and what was on its way is gone;
//! - never: the other side is silent, or its machine is gone.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// The longest line in bytes, its line end not counted. Without a bound, one
/// client that never sends `\n` could fill the server's memory.
pub const MAX_LINE: usize = 4096;

/// The line by which either side ends the connection in good order.
pub const DISCONNECT: &str = "!DISCONNECT";

/// What a server says when it is about to end.
pub const SHUTTING_DOWN: &str = "[SERVER] server is shutting down";

/// What a server says to a line above [`MAX_LINE`], before it closes.
pub const TOO_LONG: &str = "[SERVER] error: line longer than 4096 bytes";

/// What a server says to bytes that are not UTF-8, before it goes on.
pub const NOT_UTF8: &str = "[SERVER] error: line is not valid UTF-8";

/// What [`LineReader::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A line without its line end.
    Line(&'a str),
    /// A line that is not valid UTF-8; the next one may be.
    NotUtf8,
    /// More bytes than the limit without a line end. Where the next line
    /// begins is anybody's guess: close the connection.
    TooLong,
    /// The other side has finished sending.
    End,
}

/// Cuts a byte stream into lines.
pub struct LineReader<R> {
    from: R,
    limit: usize,
    /// `buffer[start..end]` is read and not yet given out.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes of `buffer[start..end]` in which no line end was found: they are
    /// not searched again when more bytes come, or a client that sends single
    /// bytes would cost time by the square of its line's length.
    searched: usize,
    /// How much the last `read` brought.
    last_read: usize,
    ended: bool,
}

/// What a connection that sends little reads at once. It has no buffer while it
/// waits: ten thousand idle ones would otherwise pay for what they do not use.
const SMALL: usize = 512;

/// The buffer of a connection that floods: one `read` then brings hundreds of
/// lines.
const LARGE: usize = 64 << 10;

impl<R: Read> LineReader<R> {
    /// Reads lines of at most [`MAX_LINE`] bytes from `from`. Nothing is read
    /// before the first call of [`next`](LineReader::next).
    pub fn new(from: R) -> Self {
        Self::with_limit(from, MAX_LINE)
    }

    /// The same with another limit in bytes, for what a server says: it puts
    /// the speaker's name before a line that may have been as long as allowed.
    pub fn with_limit(from: R, limit: usize) -> Self {
        LineReader {
            from,
            limit,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            searched: 0,
            last_read: 0,
            ended: false,
        }
    }

    /// The next line; waits for it.
    ///
    /// # Errors
    /// What `read` says: a reset, for one, or a timeout that was set on the
    /// socket. After a timeout one may go on; no byte is lost.
    #[allow(clippy::should_implement_trait)] // an iterator cannot lend from its buffer
    pub fn next(&mut self) -> io::Result<Received<'_>> {
        while !self.ended && !self.has_buffered_line() {
            if self.fill()? == 0 {
                self.ended = true;
            }
        }
        Ok(self.take_line())
    }

    /// Whether [`next`](LineReader::next) has an answer without reading, that
    /// is, without waiting.
    pub fn has_buffered_line(&mut self) -> bool {
        let unsearched = &self.buffer[self.start + self.searched..self.end];
        if let Some(at) = memchr::memchr(b'\n', unsearched) {
            self.searched += at;
            return true;
        }
        self.searched = self.end - self.start;
        // One byte over may be the `\r` of a line end whose `\n` is still to come.
        let line = &self.buffer[self.start..self.end];
        line.len() > self.limit + 1 || (line.len() == self.limit + 1 && !line.ends_with(b"\r"))
    }

    /// Takes what `has_buffered_line` found out of the buffer.
    fn take_line(&mut self) -> Received<'_> {
        let (start, found) = (self.start, self.start + self.searched);
        let (end, next) = match self.buffer[found..self.end].first() {
            Some(_) if self.buffer[start..found].ends_with(b"\r") => (found - 1, found + 1),
            Some(_) => (found, found + 1),
            None => (found, found),
        };
        self.start = next;
        self.searched = 0;
        if start == next {
            return Received::End;
        }
        if end - start > self.limit {
            return Received::TooLong;
        }
        match std::str::from_utf8(&self.buffer[start..end]) {
            Ok(line) => Received::Line(line),
            Err(_) => Received::NotUtf8,
        }
    }

    /// Reads once. The buffer grows when the last read filled it, for a client
    /// that floods, and is given back when the client has calmed down.
    fn fill(&mut self) -> io::Result<usize> {
        let held = self.end - self.start;
        let was_full = self.end == self.buffer.len();
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, held);
        if held == 0 && self.last_read < SMALL {
            return self.fill_from_idle();
        }
        if was_full {
            self.buffer.resize((self.buffer.len() * 4).clamp(SMALL, LARGE.max(self.limit + 2)), 0);
        }
        self.last_read = read(&mut self.from, &mut self.buffer[self.end..])?;
        self.end += self.last_read;
        Ok(self.last_read)
    }

    /// Waits without a buffer: it waits on the stack, where there is room.
    fn fill_from_idle(&mut self) -> io::Result<usize> {
        self.buffer = Vec::new();
        let mut small = [0; SMALL];
        let n = read(&mut self.from, &mut small)?;
        self.buffer.extend_from_slice(&small[..n]);
        (self.last_read, self.end) = (n, n);
        Ok(n)
    }
}

fn read(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(into) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Sends one line. Line and line end go out in one `write`: in two, the second
/// could travel in a packet of its own.
///
/// # Errors
/// What `write` says, for one that the other side is gone.
pub fn send_line(mut to: impl Write, line: &str) -> io::Result<()> {
    to.write_all(format!("{line}\n").as_bytes())
}

/// How long a close waits for the other side, and how much it throws away.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// Ends a connection so that the other side gets all that was sent to it.
///
/// Closing a socket while received bytes lie in it unread makes the kernel send
/// a reset, and a reset destroys what the other side has not read yet (RFC
/// 1122, 4.2.2.13): the client would never see why it was thrown out. So first
/// say that nothing more comes, then read and throw away, for a bounded time,
/// until the other side has finished too.
pub fn lingering_close(stream: &TcpStream) {
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
