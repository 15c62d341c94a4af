//! The transport: a connection that several threads share, as an
//! [outbox](crate::outbox) writes to it and a reader thread reads from it, and how far
//! a write comes when no thread waits for it.
//!
//! Why a trait, when there is only TCP so far: a TLS connection cannot be split
//! into a reading and a writing half as a `TcpStream` can, since both directions
//! work on one state. So nothing in this stage needs two halves. It needs one
//! thread that reads, and any number of threads that write, one at a time. Stage
//! 8 puts a TLS state behind a lock and implements [`Transport`] with it;
//! everything above serves unchanged.

use bytes::{Buf, Bytes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// A connection. One thread reads from it, and any number of threads write to it, one
/// at a time.
///
/// The outbox promises three things. No two threads are in `write`, `flush` and
/// `shutdown_write` at the same time. It calls `flush` before it writes, when all
/// that it had is written, and again each time the socket can take more, until
/// `flush` says that nothing is left. `shutdown_write` comes once, after the last `write`,
/// and a `flush` follows it.
///
/// `abort` and `shutdown_read` come at any time, from any thread, more than once.
pub trait Transport: Send + Sync {
    /// Takes as many bytes as it can take without waiting, and returns how many.
    ///
    /// Bytes that were taken may still be inside: a TLS record that went out in
    /// part is kept until the rest of it can go. So that this has a bound, a
    /// transport takes nothing more while it still holds something.
    ///
    /// # Errors
    /// `WouldBlock` when it can take nothing now; any other error when the
    /// connection is gone.
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Says to the other side that nothing more comes. Reading goes on. What
    /// this adds (TLS has an alert for it) may stay inside until the `flush`
    /// that follows.
    fn shutdown_write(&self);

    /// Ends both directions at once, and wakes the thread that reads.
    fn abort(&self);

    /// The socket, for poll(2).
    fn as_fd(&self) -> BorrowedFd<'_>;

    /// For TLS: sends what was taken and is still inside, without waiting. TCP keeps
    /// nothing inside.
    ///
    /// # Errors
    /// `WouldBlock` when something is still inside; any other error when the
    /// connection is gone.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// From stage 6 on, where a login has a deadline: waits for bytes and takes them, as
    /// [`Read::read`] does. 0 is the end.
    ///
    /// # Errors
    /// `TimedOut` once the `deadline` has passed, even if there are bytes; any other
    /// error when the connection is gone.
    fn read(&self, into: &mut [u8], deadline: Option<Instant>) -> io::Result<usize>;

    /// From stage 6 on, where a server can want one client to leave and still has a line
    /// for it: lets the thread that reads find the end of the input, while writing goes on.
    fn shutdown_read(&self);
}

/// The plain TCP connection.
impl Transport for TcpStream {
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        // The socket itself stays blocking, for the thread that reads. Only this
        // one call must not wait.
        let send = || sendmsg(self, bytes, &mut SendAncillaryBuffer::default(), SendFlags::DONTWAIT);
        Ok(retry_on_intr(send)?)
    }

    fn shutdown_write(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }

    fn abort(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        AsFd::as_fd(self)
    }

    fn read(&self, into: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
        if deadline.is_some() {
            wait_ready(AsFd::as_fd(self), PollFlags::IN, deadline)?;
        }
        Read::read(&mut &*self, into)
    }

    fn shutdown_read(&self) {
        let _ = self.shutdown(Shutdown::Read);
    }
}

/// From stage 6 on: waits with poll(2) until the socket can be read or written, as `flags` says.
///
/// # Errors
/// `TimedOut` once the `deadline` has passed; what poll(2) says otherwise.
pub fn wait_ready(socket: BorrowedFd<'_>, flags: PollFlags, deadline: Option<Instant>) -> io::Result<()> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(ErrorKind::TimedOut.into());
        }
        let timeout = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(&mut [PollFd::from_borrowed_fd(socket, flags)], timeout.as_ref()) {
            // After the time, or after a signal: it looks at the clock again.
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Pieces in one system call: what writev(2) allows.
const MAX_SLICES: usize = 1024;

/// Writes `pending` as far as the transport takes it without waiting. What was
/// written is gone from `pending`, to the byte.
///
/// # Errors
/// `WouldBlock` when the socket is full and something is left, in `pending` or in the
/// transport; any other error when the connection is gone.
pub(crate) fn write_nonblocking(transport: &dyn Transport, pending: &mut VecDeque<Bytes>) -> io::Result<()> {
    // What an earlier write has left inside goes first.
    transport.flush()?;
    while !pending.is_empty() {
        let slices: Vec<_> = pending.iter().take(MAX_SLICES).map(|piece| IoSlice::new(piece)).collect();
        let written = transport.write(&slices)?;
        advance(pending, written);
    }
    transport.flush()
}

/// Takes the first `written` bytes out of `pending`.
fn advance(pending: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(first) = pending.front_mut() {
        if written < first.len() {
            first.advance(written);
            return;
        }
        written -= first.len();
        pending.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fake::{FakeTransport, Step, Step::*, line};
    use std::time::Duration;

    /// Writes these lines through a transport with these steps: whether all is
    /// written, what the transport got, and what is left.
    fn written(steps: &[Step], lines: &[&str]) -> (bool, String, String) {
        let transport = FakeTransport::new(steps.iter().copied());
        let mut pending: VecDeque<_> = lines.iter().map(|text| line(text)).collect();
        let all = match write_nonblocking(&transport, &mut pending) {
            Ok(()) => true,
            Err(e) if e.kind() == ErrorKind::WouldBlock => false,
            Err(e) => panic!("{e}"),
        };
        let left: Vec<u8> = pending.iter().flat_map(|piece| piece.to_vec()).collect();
        (all, transport.text(), String::from_utf8(left).unwrap())
    }

    #[test]
    fn what_does_not_fit_stays_to_the_byte() {
        for fits in 1..8 {
            let (all, text, left) = written(&[Takes(fits), Full], &["one", "two"]);
            assert!(!all);
            assert_eq!((text.as_str(), left.as_str()), ("one\ntwo\n").split_at(fits));
        }
    }

    #[test]
    fn it_goes_on_until_the_socket_is_full_however_little_it_takes_at_once() {
        let (all, text, left) = written(&[Takes(1); 8], &["one", "two"]);
        assert_eq!((all, text.as_str(), left.as_str()), (true, "one\ntwo\n", ""));
    }

    #[test]
    fn more_pieces_than_one_call_takes_are_all_written() {
        let lines: Vec<_> = (0..5 * MAX_SLICES).map(|n| n.to_string()).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let (_, text, left) = written(&[], &lines);
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
        assert_eq!(left, "");
    }

    #[test]
    fn what_the_transport_still_holds_counts_as_a_full_socket() {
        let (all, text, _) = written(&[Holds(8)], &["one", "two"]);
        assert_eq!((all, text.as_str()), (false, "one\ntwo\n"));
    }

    #[test]
    fn a_reader_waits_until_its_deadline_and_no_byte_buys_it_more_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let read = |deadline| Transport::read(&server, &mut [0; 10], deadline);
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(read(Some(soon)).unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(Instant::now() >= soon);
        Transport::write(&client, &[IoSlice::new(b"late")]).unwrap();
        wait_ready(AsFd::as_fd(&server), PollFlags::IN, None).unwrap();
        assert_eq!(read(Some(soon)).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(read(None).unwrap(), 4);
    }

    #[test]
    fn a_broken_connection_is_an_error() {
        let mut pending = VecDeque::from([line("hello")]);
        let error = write_nonblocking(&FakeTransport::new([Takes(2), Broken]), &mut pending).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}
