//! Lines at the server: read, for a bounded time if need be, and opened.

use crate::envelope::Envelope;
use stage2_echo::line::{self, LineReader, Received};
use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

/// What somebody is told whose line does not open, before the connection is
/// closed: nobody who has the key sends such a line.
pub const REJECTED: &str = "[SERVER] error: message rejected";

/// Reads until a deadline, as long as there is one. The deadline is for all reads
/// together: a byte now and then buys no time.
///
/// What is read is the connection itself, or something over it, as TLS.
pub struct DeadlineReader<R = TcpStream> {
    stream: Arc<TcpStream>,
    from: Arc<R>,
    deadline: Option<Instant>,
}

impl<R> DeadlineReader<R> {
    /// Reads until `deadline` from something that reads from `stream`, and
    /// honours its read timeout.
    pub fn new(stream: &Arc<TcpStream>, from: &Arc<R>, deadline: Instant) -> Self {
        DeadlineReader { stream: stream.clone(), from: from.clone(), deadline: Some(deadline) }
    }

    /// From now on without a deadline.
    ///
    /// # Errors
    /// When the socket does not take that.
    pub fn clear_deadline(&mut self) -> io::Result<()> {
        self.deadline = None;
        self.stream.set_read_timeout(None)
    }
}

impl<R> Read for DeadlineReader<R>
where
    for<'a> &'a R: Read,
{
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
        }
        (&*self.from).read(into)
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
