//! A socket that is used without waiting, and the waiting, which is a call of its own.
//!
//! The socket itself stays blocking, since others may use it so: each call says that it
//! must not wait (`MSG_DONTWAIT`).

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// Waits until the socket can be read or written, as `flags` says.
///
/// # Errors
/// `WouldBlock` at the `deadline`; what poll(2) says otherwise.
pub(super) fn wait(socket: &TcpStream, flags: PollFlags, deadline: Option<Instant>) -> io::Result<()> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let timeout = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(socket, flags)], timeout.as_ref()) {
        Ok(0) => Err(ErrorKind::WouldBlock.into()),
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A socket as rustls wants it, to read from and to write to, whose calls never wait:
/// they fail with `WouldBlock` instead.
pub(super) struct NonBlocking<'a>(pub(super) &'a TcpStream);

impl Read for NonBlocking<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (received, _) = recv(self.0, into, RecvFlags::DONTWAIT)?;
        Ok(received)
    }
}

impl Write for NonBlocking<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        Ok(sendmsg(self.0, bytes, &mut SendAncillaryBuffer::default(), flags)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
