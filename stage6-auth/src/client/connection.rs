//! A connection as a client uses it.
//!
//! It is stage 4's [`Transport`], as at the server. There the outbox writes to it, and
//! no thread waits for a full socket. A client has one connection, so its sending
//! simply waits.

use rustix::event::PollFlags;
use stage4_multichat::transport::{Transport, wait_ready};
use std::io::{self, ErrorKind, IoSlice, Read};

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
