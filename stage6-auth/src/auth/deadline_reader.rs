//! Lines at the server: read, for a bounded time if need be, and opened.

use crate::envelope::Envelope;
use stage2_echo::line::{self, LineReader, Received};
use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What somebody is told whose line does not open, before the connection is
/// closed: nobody who has the key sends such a line.
pub const REJECTED: &str = "[SERVER] error: message rejected";

/// A connection that is read until a deadline, as long as there is one. The
/// deadline is for all reads together: a byte now and then buys no time.
///
/// What is read is the connection itself, or something over it, as TLS.
pub struct DeadlineReader<'a, R = TcpStream> {
    stream: &'a TcpStream,
    from: &'a R,
    until: Instant,
    /// Only its own thread reads it and writes it.
    no_deadline: AtomicBool,
}

impl<'a> DeadlineReader<'a> {
    /// Reads from `stream` until `until`.
    pub fn new(stream: &'a TcpStream, until: Instant) -> Self {
        Self::over(stream, stream, until)
    }
}

impl<'a, R> DeadlineReader<'a, R> {
    /// Reads until `until` from something that reads from `stream`, and honours
    /// its read timeout.
    pub fn over(stream: &'a TcpStream, from: &'a R, until: Instant) -> Self {
        DeadlineReader { stream, from, until, no_deadline: AtomicBool::new(false) }
    }

    /// From now on without a deadline.
    ///
    /// # Errors
    /// When the socket does not take that.
    pub fn no_deadline(&self) -> io::Result<()> {
        self.no_deadline.store(true, Ordering::Relaxed);
        self.stream.set_read_timeout(None)
    }

    /// Waits until there is something to read, or the deadline. Which of the two
    /// it was, or something worse, reading finds out.
    pub fn wait(&self) {
        if self.limit().is_ok() {
            let _ = self.stream.peek(&mut [0]);
        }
    }

    fn limit(&self) -> io::Result<()> {
        if self.no_deadline.load(Ordering::Relaxed) {
            return Ok(());
        }
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))
    }
}

impl<'a, R> Read for &DeadlineReader<'a, R>
where
    &'a R: Read,
{
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.limit()?;
        let mut from = self.from;
        from.read(into)
    }
}

/// What a client's line was.
pub enum ClientLine {
    /// A text; it holds no line end.
    Text(String),
    /// Nothing that one could go on after. It is to be told this.
    Invalid(&'static str),
    /// The client has finished.
    End,
}

/// The next line, opened.
///
/// # Errors
/// What the connection says.
pub fn read_line<R: Read>(lines: &mut LineReader<R>, envelope: &Envelope) -> io::Result<ClientLine> {
    loop {
        return Ok(match lines.next()? {
            Received::Line("") => continue,
            Received::Line(sealed) => match envelope.open(sealed) {
                // With a line end in it, it would be two lines to whoever reads
                // it next, the second with any name in front.
                Ok(text) if !text.contains('\n') => ClientLine::Text(text),
                _ => ClientLine::Invalid(REJECTED),
            },
            Received::NotUtf8 => ClientLine::Invalid(REJECTED),
            Received::TooLong => ClientLine::Invalid(line::TOO_LONG),
            Received::End => ClientLine::End,
        });
    }
}
