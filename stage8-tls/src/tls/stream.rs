//! An encrypted connection that several threads share.
//!
//! A TLS connection cannot be split into a half that reads and a half that writes, as
//! a `TcpStream` can: rustls keeps one state for both directions. So that state is
//! behind a lock, and the rule is that **no thread waits while it holds the lock**:
//!
//! ```text
//! the reader of this client                  the writers, one at a time
//!   poll(2): waits, without the lock
//!   lock                                       lock
//!   recv(2), which does not wait               encrypt
//!   decrypt                                    send(2), which does not wait
//!   unlock                                     unlock
//! ```
//!
//! The socket is non-blocking (`O_NONBLOCK`), since the handshake.
//!
//! The way that does not work is a lock that the reader holds in `read`: then no writer
//! could send to a client that is silent. Encrypted bytes that a full socket does not
//! take stay in rustls' own buffer, in the order of their records, for the next `flush`.

use rustix::event::PollFlags;
use rustls::{CipherSuite, Connection, ProtocolVersion};
use stage4_multichat::transport::{Transport, wait_ready};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// An encrypted connection, of either side. Any number of threads write, one at a time,
/// and one thread reads.
///
/// Reading returns 0 when the peer has sent `close_notify`. A connection that ends without
/// it is an error of the kind `UnexpectedEof`: anybody on the way could have cut it
/// (RFC 8446, 6.1).
pub struct TlsStream {
    /// The TCP connection below.
    pub(super) socket: Arc<TcpStream>,
    /// `true` once this side has ended the reading itself: then the end is no error.
    /// Set by any thread, read by the reader.
    read_stopped: AtomicBool,
    /// Used by the reader and by the writers, for memory operations and system calls
    /// that do not wait. If a thread panicked in here, half a record may be encrypted,
    /// so a poisoned lock is an error and ends this connection.
    state: Mutex<State>,
}

struct State {
    connection: Connection,
    /// `close_notify` is the last record, sent or not.
    ending: bool,
}

impl State {
    /// Sends the records that are encrypted, as many as the socket takes now.
    ///
    /// # Errors
    /// `WouldBlock` when some are left; anything else when the connection is gone.
    fn flush_records(&mut self, mut socket: &TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut socket)?;
        }
        Ok(())
    }
}

impl TlsStream {
    /// The connection after its handshake.
    pub(super) fn new(socket: Arc<TcpStream>, connection: Connection) -> TlsStream {
        let state = Mutex::new(State { connection, ending: false });
        TlsStream { socket, read_stopped: AtomicBool::new(false), state }
    }

    /// Version and cipher suite, as `TLS 1.3 with TLS13_AES_128_GCM_SHA256`.
    pub fn negotiated(&self) -> String {
        let Ok(state) = self.lock() else { return "TLS".to_owned() };
        let version = match state.connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS",
        };
        let cipher = state.connection.negotiated_cipher_suite();
        let cipher = cipher.map_or(CipherSuite::TLS_NULL_WITH_NULL_NULL, |cipher| cipher.suite());
        format!("{version} with {cipher:?}")
    }

    #[cfg(test)]
    pub(super) fn refresh_keys(&self) {
        self.lock().unwrap().connection.refresh_traffic_keys().unwrap();
    }

    fn lock(&self) -> io::Result<MutexGuard<'_, State>> {
        self.state.lock().map_err(|_| io::Error::other("a thread panicked in the middle of a record"))
    }
}

impl Transport for TlsStream {
    fn read(&self, into: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
        loop {
            // Looked at even while there is no need to wait: a peer that sends records
            // without content buys no time.
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(ErrorKind::TimedOut.into());
            }
            let mut state = self.lock()?;
            let processed = state.connection.process_new_packets();
            // TLS may have an alert for the peer. (A peer that asks for new keys gets them
            // with the next line.)
            let _ = state.flush_records(&self.socket);
            match state.connection.reader().read(into) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => return self.end_without_notice(),
                read => return read,
            }
            // An error counts only after all that came before it has been read.
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            if self.read_stopped.load(Ordering::Relaxed) {
                return Ok(0);
            }
            match state.connection.read_tls(&mut &*self.socket) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    drop(state);
                    wait_ready(self.as_fd(), PollFlags::IN, deadline)?;
                }
                received => drop(received?),
            }
        }
    }

    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.lock()?;
        // What is left from before goes first. So the records of one call, 64 KiB, are
        // the most that ever waits here.
        state.flush_records(&self.socket)?;
        let taken = state.connection.writer().write_vectored(bytes)?;
        match state.flush_records(&self.socket) {
            Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
            // What the socket did not take is encrypted already, and so counts as taken.
            _ => Ok(taken),
        }
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.lock()?;
        state.flush_records(&self.socket)?;
        if state.ending {
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    fn shutdown_write(&self) {
        // After a panic in the lock there is no connection to end in good order.
        if let Ok(mut state) = self.lock() {
            state.connection.send_close_notify();
            state.ending = true;
        }
    }

    fn abort(&self) {
        self.read_stopped.store(true, Ordering::Relaxed);
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn shutdown_read(&self) {
        self.read_stopped.store(true, Ordering::Relaxed);
        let _ = self.socket.shutdown(Shutdown::Read);
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        AsFd::as_fd(&*self.socket)
    }
}

impl TlsStream {
    fn end_without_notice(&self) -> io::Result<usize> {
        if self.read_stopped.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let text = "the connection was cut: it ended without TLS's notice that this was all (close_notify)";
        Err(io::Error::new(ErrorKind::UnexpectedEof, text))
    }
}
