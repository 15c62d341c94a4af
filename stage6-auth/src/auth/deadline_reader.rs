//! A client's lines: read, until a deadline if there is one, and opened.

use crate::envelope::Envelope;
use stage2_echo::line::{self, LineReader, Received};
use stage4_multichat::transport::Transport;
use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

/// The last line to a client whose line could not be opened. A client that has the
/// key never sends such a line.
pub const REJECTED: &str = "[SERVER] error: message rejected";

/// Reads until a deadline, while there is one. The deadline is for all reads
/// together, so a client that sends a byte now and then gains no time.
///
/// What is read is the connection itself, or something over it, as TLS.
pub struct DeadlineReader {
    stream: Arc<TcpStream>,
    from: Arc<dyn Transport>,
    deadline: Option<Instant>,
}

impl DeadlineReader {
    /// Reads until `deadline` from something that reads from `stream`, and
    /// honours its read timeout.
    pub fn new(stream: &Arc<TcpStream>, from: Arc<dyn Transport>, deadline: Instant) -> Self {
        DeadlineReader { stream: stream.clone(), from, deadline: Some(deadline) }
    }

    /// Reads without a deadline from now on.
    ///
    /// # Errors
    /// When the socket refuses the option.
    pub fn clear_deadline(&mut self) -> io::Result<()> {
        self.deadline = None;
        self.stream.set_read_timeout(None)
    }
}

impl Read for DeadlineReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
        }
        self.from.read(into)
    }
}

/// A client's line.
pub enum ClientLine {
    /// A text, without a line end.
    Text(String),
    /// Not a line of this protocol: the connection ends, with this as its last line.
    Invalid(&'static str),
    /// The client has finished.
    End,
}

/// Reads the next line that is not empty, and opens it.
///
/// # Errors
/// When the connection breaks, or its deadline is over.
pub fn read_line<R: Read>(lines: &mut LineReader<R>, envelope: &Envelope) -> io::Result<ClientLine> {
    loop {
        return Ok(match lines.next()? {
            Received::Line("") => continue,
            Received::Line(sealed) => match envelope.open(sealed) {
                // A text with a line end would be two lines for the next reader, and
                // the second could begin with any user's name.
                Ok(text) if !text.contains('\n') => ClientLine::Text(text),
                _ => ClientLine::Invalid(REJECTED),
            },
            Received::NotUtf8 => ClientLine::Invalid(REJECTED),
            Received::TooLong => ClientLine::Invalid(line::TOO_LONG),
            Received::End => ClientLine::End,
        });
    }
}
