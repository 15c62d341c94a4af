//! A client's connection, as the client of stage 6 uses one: its sending waits.

use super::TlsStream;
use super::nonblocking::wait;
use rustix::event::PollFlags;
use stage4_multichat::transport::Transport;
use stage6_auth::client::connection::Connection;
use std::io::{self, ErrorKind, IoSlice, Read};

impl Connection for TlsStream {
    fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = self.when_writable(|| self.write(&[IoSlice::new(bytes)]))?;
            if taken == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            self.when_writable(|| self.flush())?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn finish(&self) {
        self.shutdown_write();
        // An error means that the connection is at its end already.
        let _ = self.when_writable(|| self.flush());
    }

    fn reader(&self) -> Box<dyn Read + '_> {
        Box::new(self)
    }
}

impl TlsStream {
    /// Does what fails with `WouldBlock` again, each time the socket can take more.
    fn when_writable<T>(&self, attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
        loop {
            match attempt() {
                Err(e) if e.kind() == ErrorKind::WouldBlock => wait(self.stream(), PollFlags::OUT, None)?,
                result => return result,
            }
        }
    }
}
