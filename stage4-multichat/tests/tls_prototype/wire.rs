//! A wire that encrypts, and its reading side.
//!
//! A TLS connection is one state for both directions, so it is behind one lock.
//! The thread that reads waits on the socket *without* it, and takes it for as
//! long as decrypting takes; whoever writes holds it while encrypting and for a
//! write to the socket that does not wait. So no lock is ever held while
//! somebody waits for the other side, and neither direction waits for the other.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, recv};
use rustls::Connection;
use stage4_multichat::wire::Wire;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// The sending side, and the state that the reading side needs too.
pub struct TlsWire {
    pub socket: Arc<TcpStream>,
    tls: Mutex<Tls>,
}

struct Tls {
    connection: Connection,
    ending: bool,
}

impl TlsWire {
    /// Shakes hands, in the client's own thread, until `deadline` at the latest.
    /// A time-out of the socket begins anew with every byte; this one does not.
    pub fn shake_hands(
        socket: TcpStream,
        connection: impl Into<Connection>,
        deadline: Instant,
    ) -> io::Result<TlsWire> {
        let mut connection = connection.into();
        while connection.is_handshaking() || connection.wants_write() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if connection.wants_write() {
                socket.set_write_timeout(Some(left))?;
                connection.write_tls(&mut &socket)?;
                continue;
            }
            socket.set_read_timeout(Some(left))?;
            if connection.read_tls(&mut &socket)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Err(e) = connection.process_new_packets() {
                // The alert says why, to those who understand it.
                let _ = connection.write_tls(&mut &socket);
                return Err(io::Error::other(e));
            }
        }
        socket.set_read_timeout(None)?;
        Ok(TlsWire { socket: Arc::new(socket), tls: Mutex::new(Tls { connection, ending: false }) })
    }

    /// Asks the other side for a new key too.
    pub fn renew_key(&self) {
        self.lock().connection.refresh_traffic_keys().unwrap();
    }

    fn lock(&self) -> MutexGuard<'_, Tls> {
        self.tls.lock().unwrap()
    }

    /// Writes what is encrypted, without waiting.
    fn hand_on(&self, tls: &mut Tls) -> io::Result<()> {
        while tls.connection.wants_write() {
            tls.connection.write_tls(&mut NoWait(&self.socket))?;
        }
        Ok(())
    }
}

impl Wire for TlsWire {
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut tls = self.lock();
        // First what is held inside, which may also be the answer to the other
        // side's new key. So no more than one call's worth is ever held.
        self.hand_on(&mut tls)?;
        // Takes 64 KiB at most, rustls's own bound on what it holds.
        let taken = tls.connection.writer().write_vectored(bytes)?;
        match self.hand_on(&mut tls) {
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => Err(e),
            // What did not fit stays inside: taken it is, all the same.
            _ => Ok(taken),
        }
    }

    fn flush(&self) -> io::Result<()> {
        let mut tls = self.lock();
        self.hand_on(&mut tls)?;
        if tls.ending {
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    fn end(&self) {
        let mut tls = self.lock();
        tls.connection.send_close_notify();
        tls.ending = true;
    }

    fn cut(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn stop_reading(&self) {
        let _ = self.socket.shutdown(Shutdown::Read);
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The socket for reads and writes that do not wait.
struct NoWait<'a>(&'a Arc<TcpStream>);

impl Read for NoWait<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.0, into, RecvFlags::DONTWAIT)?.0)
    }
}

impl Write for NoWait<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // As many as rustls has: up to 64 of 16 KiB each.
        Wire::write(self.0, slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The reading side, for the one thread that reads.
pub struct TlsReader<'a>(pub &'a TlsWire);

impl Read for TlsReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.lock().connection.reader().read(into) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // Also 0, after the other side's word that this was all; its end
                // without that word is an error: somebody may have cut it short.
                read => return read,
            }
            // Here it waits, and holds no lock.
            poll(&mut [PollFd::new(&self.0.socket, PollFlags::IN)], None)?;
            let mut tls = self.0.lock();
            // Straight from the socket: with a buffer of our own, one record
            // more than rustls is willing to hold decrypted would be an error.
            match tls.connection.read_tls(&mut NoWait(&self.0.socket)) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                result => result?,
            };
            tls.connection.process_new_packets().map_err(io::Error::other)?;
        }
    }
}
