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
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard};

/// An encrypted connection, of either side, to be shared between threads: any
/// number of them write, one at a time (see [`Wire`]; or, waiting, with
/// [`send`](TlsWire::send)), and one reads (`&TlsWire` is [`Read`]).
///
/// Reading honours the socket's read timeout. It ends (0 bytes) where the other
/// side said so under encryption; an end without that word is an error of the
/// kind `UnexpectedEof`, since anybody on the way could have cut the line.
pub struct TlsWire {
    socket: Arc<TcpStream>,
    /// Written by whoever writes and by the one who reads. A thread that
    /// panicked in here may have left half a record: nobody goes on with that.
    tls: Mutex<Tls>,
}

struct Tls {
    /// On the heap where it was made: moving it about would leave more than a
    /// kilobyte of each thread's stack used for good.
    connection: Box<Connection>,
    ending: bool,
    /// The last read got all that it had room for: there is more to come, most
    /// likely, so it is tried without waiting first.
    more: bool,
}

impl TlsWire {
    /// The connection after its handshake.
    pub(crate) fn new(socket: Arc<TcpStream>, connection: Box<Connection>) -> TlsWire {
        TlsWire { socket, tls: Mutex::new(Tls { connection, ending: false, more: true }) }
    }

    /// The TCP connection below.
    pub fn stream(&self) -> &Arc<TcpStream> {
        &self.socket
    }

    /// What was agreed on, as `TLS 1.3 with AES-128-GCM`.
    pub fn agreed(&self) -> String {
        self.lock().map_or_else(|e| e.to_string(), |tls| super::words::agreed(&tls.connection))
    }

    /// Sends `bytes` and waits until they are on their way. How many of them:
    /// fewer only when the connection is broken, which reading says too. Bytes
    /// of a record that the system took in part only are not counted.
    pub fn send(&self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            let written = self.wait_to(|| self.write(&[IoSlice::new(&bytes[sent..])]));
            match written.and_then(|n| self.wait_to(|| self.flush()).map(|()| n)) {
                Ok(0) | Err(_) => break,
                Ok(n) => sent += n,
            }
        }
        sent
    }

    /// Says, under encryption, that nothing more comes, and closes this half of
    /// the connection. Reading goes on, until the other side has finished too.
    pub fn finish(&self) {
        self.end();
        // Broken, it is at an end anyway.
        let _ = self.wait_to(|| self.flush());
    }

    /// Does what would have to wait for the socket, as often as that takes.
    fn wait_to<T>(&self, act: impl Fn() -> io::Result<T>) -> io::Result<T> {
        loop {
            match act() {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.socket, PollFlags::OUT)], None)?;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn lock(&self) -> io::Result<MutexGuard<'_, Tls>> {
        self.tls.lock().map_err(|_| io::Error::other("a thread has panicked in the middle of a record"))
    }

    /// Writes what is encrypted, without waiting.
    fn hand_on(&self, tls: &mut Tls) -> io::Result<()> {
        while tls.connection.wants_write() {
            tls.connection.write_tls(&mut NoWait::new(&self.socket))?;
        }
        Ok(())
    }
}

impl Wire for TlsWire {
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut tls = self.lock()?;
        // First what is held inside, which may also be the answer to the other
        // side's new key. So no more than one call's worth is ever held.
        self.hand_on(&mut tls)?;
        // Takes 64 KiB at most, rustls's own bound on what it holds.
        let taken = tls.connection.writer().write_vectored(bytes)?;
        match self.hand_on(&mut tls) {
            Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
            // What did not fit stays inside: taken it is, all the same.
            _ => Ok(taken),
        }
    }

    fn flush(&self) -> io::Result<()> {
        let mut tls = self.lock()?;
        self.hand_on(&mut tls)?;
        if tls.ending {
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    fn end(&self) {
        if let Ok(mut tls) = self.lock() {
            tls.connection.send_close_notify();
            tls.ending = true;
        }
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

impl Read for &TlsWire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut tls = self.lock()?;
            match tls.connection.reader().read(into) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Err(cut_short()),
                // Also 0, after the other side's word that this was all.
                read => return read,
            }
            if !tls.more {
                drop(tls);
                // Here it waits, and holds no lock. Looking at a byte without
                // taking it is the one way to wait that knows the read timeout.
                recv(&self.socket, &mut [0; 1], RecvFlags::PEEK)?;
                tls = self.lock()?;
            }
            let mut socket = NoWait::new(&self.socket);
            // Straight from the socket: with a buffer of our own, one record
            // more than rustls is willing to hold decrypted would be an error.
            let read = tls.connection.read_tls(&mut socket);
            tls.more = socket.filled;
            match read {
                Err(e) if e.kind() == ErrorKind::WouldBlock => continue,
                read => read?,
            };
            if let Err(e) = tls.connection.process_new_packets() {
                // The alert says why, to those who understand it.
                let _ = self.hand_on(&mut tls);
                return Err(io::Error::new(ErrorKind::InvalidData, e));
            }
        }
    }
}

fn cut_short() -> io::Error {
    let text = "the connection was cut short: TLS says when it is at an end, and it did not";
    io::Error::new(ErrorKind::UnexpectedEof, text)
}

/// The socket for reads and writes that do not wait.
struct NoWait<'a> {
    socket: &'a Arc<TcpStream>,
    /// A read got as much as it had room for.
    filled: bool,
}

impl<'a> NoWait<'a> {
    fn new(socket: &'a Arc<TcpStream>) -> NoWait<'a> {
        NoWait { socket, filled: false }
    }
}

impl Read for NoWait<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = into.len();
        let (read, _) = recv(self.socket, into, RecvFlags::DONTWAIT)?;
        self.filled = read == length;
        Ok(read)
    }
}

impl Write for NoWait<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // As many as rustls has: up to 64 of 16 KiB each.
        Wire::write(self.socket, slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
