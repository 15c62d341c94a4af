//! A connection as a client uses it, and how a line goes over it.
//!
//! It is stage 4's [`Transport`], as at the server. There the outbox writes to it, and
//! no thread waits for a full socket. A client has one connection, so its sending
//! simply waits.
//!
//! Why a trait for the line, when there is only one envelope so far: the
//! [send queue](crate::client::send_queue) serves stage 8 as well. There a line may have
//! to be sealed for one user, whose key the client has to ask for first.

use crate::client::send_queue::SendQueue;
use crate::envelope::Envelope;
use rustix::event::PollFlags;
use stage4_multichat::transport::{Transport, wait_ready};
use std::io::{self, ErrorKind, IoSlice, Read};
use zeroize::Zeroizing;

/// Sends all bytes, and waits while the socket is full. One thread at a time.
///
/// # Errors
/// When the connection broke before it had taken all of them.
pub fn send_all(connection: &dyn Transport, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let taken = when_writable(connection, || connection.write(&[IoSlice::new(bytes)]))?;
        if taken == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        when_writable(connection, || connection.flush())?;
        bytes = &bytes[taken..];
    }
    Ok(())
}

/// Says that nothing more will be sent. What is still under way arrives.
pub fn finish(connection: &dyn Transport) {
    connection.shutdown_write();
    // An error means that the connection is at its end already.
    let _ = when_writable(connection, || connection.flush());
}

/// Does what fails with `WouldBlock` again, each time the socket can take more.
fn when_writable<T>(connection: &dyn Transport, attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                wait_ready(connection.as_fd(), PollFlags::OUT, None)?;
            }
            result => return result,
        }
    }
}

/// For the one thread that reads.
pub struct Reader<'a>(pub &'a dyn Transport);

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into, None)
    }
}

/// What a line becomes before it goes over the wire.
pub enum Encoded {
    /// These bytes, the line end included.
    Line(Zeroizing<Vec<u8>>),
    /// Nothing: the line is for the client itself, or cannot be sent.
    Nothing,
    /// It is not known: the connection was lost first. The line is encoded again on the
    /// next one.
    ConnectionLost,
}

impl Encoded {
    /// The line as it is.
    pub fn line(line: &str) -> Encoded {
        Encoded::Line(Zeroizing::new(format!("{line}\n").into_bytes()))
    }
}

/// How a line goes over the wire.
pub trait Encode: Send + Sync {
    /// What `line` becomes. Called by the sender thread: it may ask the server for what
    /// it needs ([`SendQueue::send_now`]) and wait for the answer.
    fn encode(&self, line: &str, queue: &SendQueue) -> Encoded;

    /// The connection is gone: nothing on it is answered any longer.
    fn disconnected(&self) {}
}

impl Encode for Envelope {
    fn encode(&self, line: &str, _: &SendQueue) -> Encoded {
        let mut sealed = Vec::new();
        self.seal_into(line, &mut sealed);
        sealed.push(b'\n');
        Encoded::Line(Zeroizing::new(sealed))
    }
}
