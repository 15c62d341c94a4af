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
//! Above and below nothing changes: this is a [`Transport`] over a [`Transport`] at the
//! server, and a [`Connection`] over a [`Connection`] at the client.

mod reading;
mod writing;

use reading::{Expected, Reading};
use rustix::fd::BorrowedFd;
use stage4_multichat::transport::Transport;
use stage6_auth::client::connection::Connection;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::sync::{Arc, Mutex, MutexGuard};
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
    pub fn accept(self, connection: Arc<dyn Connection>) -> Arc<dyn Connection> {
        match self.compress {
            true => Arc::new(Compressed::new(connection, b"", Expected::Offer)),
            false => connection,
        }
    }
}

/// A connection that is compressed as soon as both sides have agreed.
struct Compressed<C: ?Sized> {
    state: Mutex<State>,
    below: Arc<C>,
}

/// Used by the reader, and by the one thread that writes at a time. No thread waits while
/// it holds the lock. If one panicked, half a block may be missing, so a poisoned lock is
/// an error and ends the connection.
struct State {
    reading: Reading,
    writing: Writing,
}

impl State {
    fn take(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        self.reading.take(into, &mut self.writing)
    }
}

impl<C: ?Sized> Compressed<C> {
    fn new(below: Arc<C>, first: &[u8], expected: Expected) -> Self {
        let state = State { reading: Reading::new(expected), writing: Writing::plain(first) };
        Compressed { state: Mutex::new(state), below }
    }

    fn lock(&self) -> io::Result<MutexGuard<'_, State>> {
        self.state
            .lock()
            .map_err(|_| io::Error::other("a thread panicked in the middle of a compressed block"))
    }

    /// Reads what has come, and calls `read_below` for more once at most. A caller that
    /// has a deadline is asked again after each read, however slowly the bytes come.
    ///
    /// # Errors
    /// `Interrupted` when nothing can be made of what came yet: [`Read`] defines that
    /// `read` is called again then.
    fn read(
        &self,
        into: &mut [u8],
        read_below: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if let Some(n) = self.lock()?.take(into)? {
            return Ok(n);
        }
        let mut received = [0; READ_SIZE];
        let n = read_below(&mut received)?;
        let mut state = self.lock()?;
        state.reading.add(&received[..n]);
        state.take(into)?.ok_or_else(|| ErrorKind::Interrupted.into())
    }
}

impl Transport for Compressed<dyn Transport> {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        self.read(into, |received| self.below.read(received))
    }

    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let writing = &mut self.lock()?.writing;
        // What is left from before goes first.
        writing.send(&*self.below)?;
        if !writing.is_compressed() {
            return self.below.write(bytes);
        }
        // Together: what several lines repeat is found, and one flush is enough.
        let plain: Vec<u8> = bytes.iter().flat_map(|piece| piece.iter().copied()).take(MAX_WRITE).collect();
        writing.add(&plain)?;
        match writing.send(&*self.below) {
            Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
            // What is left is compressed already, and so counts as taken.
            _ => Ok(plain.len()),
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

impl Connection for Compressed<dyn Connection> {
    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock()?;
        state.writing.add(bytes)?;
        let unsent = state.writing.take_unsent();
        // The sending may wait, and the reader must not wait for it.
        drop(state);
        self.below.send(&unsent)
    }

    fn finish(&self) {
        self.below.finish();
    }

    fn reader(&self) -> Box<dyn Read + '_> {
        Box::new(ConnectionReader { compressed: self, below: self.below.reader() })
    }
}

/// For the one thread of a client that reads.
struct ConnectionReader<'a> {
    compressed: &'a Compressed<dyn Connection>,
    below: Box<dyn Read + 'a>,
}

impl Read for ConnectionReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.compressed.read(into, |received| self.below.read(received))
    }
}

#[cfg(test)]
mod tests;
