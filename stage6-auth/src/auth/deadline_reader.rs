//! Reads from a connection until a deadline.

use stage4_multichat::transport::Transport;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

/// Reads until a deadline, while there is one. The deadline is for all reads
/// together, so a client that sends a byte now and then gains no time.
pub struct DeadlineReader {
    transport: Arc<dyn Transport>,
    deadline: Option<Instant>,
}

impl DeadlineReader {
    /// Reads from `transport` until `deadline`.
    pub fn new(transport: Arc<dyn Transport>, deadline: Instant) -> Self {
        DeadlineReader { transport, deadline: Some(deadline) }
    }

    /// Reads without a deadline from now on.
    pub fn clear_deadline(&mut self) {
        self.deadline = None;
    }
}

impl Read for DeadlineReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.transport.read(into, self.deadline)
    }
}
