//! Compression of a whole connection, and why it is off.
//!
//! Chat lines repeat each other: names, prefixes, words. Deflate (RFC 1951) finds what
//! was sent before, up to 32 KiB back, and sends a reference to it. As in IMAP (RFC 4978)
//! both sides first agree, in plain lines, and compress all that follows:
//!
//! ```text
//! S: COMPRESS DEFLATE      the offer, before all else
//! S: AUTH_REQUIRED
//! C: COMPRESS DEFLATE      accepted; from here on this direction is compressed
//! C: LOGIN …
//! S: COMPRESS DEFLATE      confirmed; from here on this direction is, too
//! S: AUTH_SUCCESS …
//! ```
//!
//! Each direction is one stream of deflate, without a header (RFC 1950 has one) and
//! without an end, which TLS has already.
//!
//! **It leaks.** A line that repeats a secret of the same stream is shorter on the wire,
//! and encryption does not hide that. A user who can send lines to alice, and sees the
//! lengths of her packets, learns the secret letter by letter (CRIME, CVE-2012-4929):
//! `make attack 8 ARGS=compression`. So it needs the option on both sides.
//!
//! Above and below nothing changes: this is a [`Transport`] over a [`Transport`].

mod reading;
mod writing;

use reading::{Expected, Reading};
use rustix::fd::BorrowedFd;
use stage4_multichat::transport::Transport;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;
use writing::Writing;

/// The line of the agreement. It ends with `\n` alone: the next byte may be compressed.
const AGREEMENT: &[u8] = b"COMPRESS DEFLATE\n";

/// The most bytes that one write compresses, and so about the most that wait here when
/// the socket is full. The outbox counts its bytes before they are compressed.
const MAX_WRITE: usize = 64 << 10;

/// Bytes asked for in one `read`, as many as a reader of lines asks for.
const READ_SIZE: usize = 4 << 10;

/// The option, the same for server and client.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct CompressionArgs {
    /// Compress lines if the other side has this option too; what is secret can leak by its length
    #[arg(long)]
    pub compress: bool,
}

impl CompressionArgs {
    /// The server's side: with the option, offers compression to the client.
    pub fn offer(self, transport: Arc<dyn Transport>) -> Arc<dyn Transport> {
        match self.compress {
            true => Arc::new(Compressed::new(transport, AGREEMENT, Expected::Acceptance)),
            false => transport,
        }
    }

    /// The client's side: with the option, accepts compression if the server offers it.
    pub fn accept(self, transport: Arc<dyn Transport>) -> Arc<dyn Transport> {
        match self.compress {
            true => Arc::new(Compressed::new(transport, b"", Expected::Offer)),
            false => transport,
        }
    }
}

/// A connection that is compressed as soon as both sides have agreed.
struct Compressed {
    directions: Mutex<Directions>,
    below: Arc<dyn Transport>,
}

/// Both directions, used by the reader, and by the one thread that writes at a time. No
/// thread waits while it holds the lock. If one panicked, half a block may be missing, so a
/// poisoned lock is an error and ends the connection.
struct Directions {
    reading: Reading,
    writing: Writing,
}

impl Directions {
    fn take(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        self.reading.take(into, &mut self.writing)
    }
}

impl Compressed {
    fn new(below: Arc<dyn Transport>, first: &[u8], expected: Expected) -> Self {
        let directions = Directions { reading: Reading::new(expected), writing: Writing::plain(first) };
        Compressed { directions: Mutex::new(directions), below }
    }

    fn lock(&self) -> io::Result<MutexGuard<'_, Directions>> {
        self.directions
            .lock()
            .map_err(|_| io::Error::other("a thread panicked in the middle of a compressed block"))
    }
}

impl Transport for Compressed {
    fn read(&self, into: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
        let mut received = [0; READ_SIZE];
        loop {
            if let Some(n) = self.lock()?.take(into)? {
                return Ok(n);
            }
            // Without the lock: this waits.
            let n = self.below.read(&mut received, deadline)?;
            self.lock()?.reading.add(&received[..n]);
        }
    }

    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let writing = &mut self.lock()?.writing;
        // What is left from before goes first.
        writing.send(&*self.below)?;
        let Some(taken) = writing.compress(bytes)? else { return self.below.write(bytes) };
        match writing.send(&*self.below) {
            Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
            // What is left is compressed already, and so counts as taken.
            _ => Ok(taken),
        }
    }

    fn flush(&self) -> io::Result<()> {
        self.lock()?.writing.send(&*self.below)?;
        self.below.flush()
    }

    fn shutdown_write(&self) {
        self.below.shutdown_write();
    }

    fn abort(&self) {
        self.below.abort();
    }

    fn shutdown_read(&self) {
        self.below.shutdown_read();
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.below.as_fd()
    }
}

#[cfg(test)]
mod tests;
