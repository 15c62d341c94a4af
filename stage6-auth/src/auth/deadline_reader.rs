//! Reads from a connection until a deadline.

use stage4_multichat::transport::Transport;
use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

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
