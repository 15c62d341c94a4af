//! A wire that encrypts, and its reading side.
//!
//! A TLS connection is one state for both directions, so it is behind one lock.
//! The thread that reads waits on the socket *without* it, and takes it for as
//! long as decrypting takes; whoever writes holds it while encrypting and for a
//! write to the socket that does not wait. So no lock is ever held while
//! somebody waits for the other side, and neither direction waits for the other.

use super::engine::Engine;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, recv};
use stage4_multichat::wire::Wire;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// An encrypted connection, of either side, to be shared between threads: any
/// number of them write, one at a time (see [`Wire`]; or, waiting, with
/// [`send`](TlsStream::send)), and one reads (`&TlsStream` is [`Read`]).
///
/// Reading honours the socket's read timeout. It ends (0 bytes) where the other
/// side said so under encryption; an end without that word is an error of the
/// kind `UnexpectedEof`, since anybody on the way could have cut the line.
pub struct TlsStream {
    socket: Arc<TcpStream>,
    /// We ourselves wanted no more of the other side: that is no cut.
    stopped: AtomicBool,
    /// Written by whoever writes and by the one who reads. A thread that
    /// panicked in here may have left half a record: nobody goes on with that.
    tls: Mutex<Tls>,
}

struct Tls {
    /// More than a kilobyte, which must not be moved about on the stack of a
    /// client's thread: what was once used of that stays in memory.
    engine: Box<Engine>,
    /// How much of what is encrypted has gone out.
    sent: usize,
    ending: bool,
    /// The last read got all that it had room for: there is more to come, most
    /// likely, so it is tried without waiting first.
    more: bool,
}

impl TlsStream {
    /// The connection after its handshake.
    pub(super) fn new(socket: Arc<TcpStream>, engine: Box<Engine>) -> TlsStream {
        let tls = Mutex::new(Tls { engine, sent: 0, ending: false, more: false });
        TlsStream { socket, stopped: AtomicBool::new(false), tls }
    }

    /// The TCP connection below.
    pub fn stream(&self) -> &Arc<TcpStream> {
        &self.socket
    }

    /// What was agreed on, as `TLS 1.3 with AES-128-GCM`.
    pub fn negotiated(&self) -> String {
        self.lock().map_or_else(|e| e.to_string(), |tls| super::error_text::negotiated(tls.engine.common()))
    }

    /// Whether reading would not have to wait for the socket: TLS may have taken
    /// more out of it than was asked for, and nobody sees that at the socket.
    pub fn has_input(&self) -> bool {
        self.lock().map_or(true, |tls| tls.engine.has_plain() || tls.engine.ended)
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

    /// Whether there is something to be read that has left the socket already: it
    /// may have come with the last message of the handshake.
    pub fn holds_more(&self) -> bool {
        self.lock().is_ok_and(|tls| tls.engine.holds_more())
    }

    /// Waits until there is something to read, or until the socket's read timeout.
    ///
    /// # Errors
    /// What the socket says.
    pub fn wait(&self) -> io::Result<()> {
        // This may take hours: buffers that hold nothing need not be there meanwhile.
        self.lock()?.engine.rest();
        // Looking at a byte without taking it is the one way to wait that knows
        // the read timeout.
        recv(&self.socket, &mut [0; 1], RecvFlags::PEEK).map(drop).map_err(io::Error::from)
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

    #[cfg(test)]
    pub(super) fn renew_key(&self) {
        self.lock().unwrap().engine.renew_key().unwrap();
    }

    fn lock(&self) -> io::Result<MutexGuard<'_, Tls>> {
        self.tls.lock().map_err(|_| io::Error::other("a thread has panicked in the middle of a record"))
    }

    /// Writes what is encrypted, without waiting.
    fn flush_records(&self, tls: &mut Tls) -> io::Result<()> {
        while tls.sent < tls.engine.outgoing.len() {
            tls.sent += self.socket.write(&[IoSlice::new(&tls.engine.outgoing[tls.sent..])])?;
        }
        tls.engine.outgoing = Vec::new();
        tls.sent = 0;
        Ok(())
    }
}

impl Wire for TlsStream {
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut tls = self.lock()?;
        // First what is held inside, which may also be the answer to the other
        // side's new key. So no more than one call's worth is ever held.
        self.flush_records(&mut tls)?;
        let taken = match bytes {
            [one] => tls.engine.encrypt(one),
            // A record for each would cost more than to put them together first.
            many => tls.engine.encrypt(&many.iter().flat_map(|one| &**one).copied().collect::<Vec<_>>()),
        };
        let taken = taken.map_err(broken)?;
        match self.flush_records(&mut tls) {
            Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
            // What did not fit stays inside: taken it is, all the same.
            _ => Ok(taken),
        }
    }

    fn flush(&self) -> io::Result<()> {
        let mut tls = self.lock()?;
        self.flush_records(&mut tls)?;
        if tls.ending {
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    fn end(&self) {
        if let Ok(mut tls) = self.lock() {
            // Broken, there is nobody to say it to.
            let _ = tls.engine.end();
            tls.ending = true;
        }
    }

    fn cut(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn stop_reading(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = self.socket.shutdown(Shutdown::Read);
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What is read at once from a connection on which little comes. Not less: a
/// block of up to 1 KiB that a thread has once freed stays with that thread.
const SMALL: usize = 2 << 10;

/// The same from one that floods.
const LARGE: usize = 64 << 10;

impl Read for &TlsStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut tls = self.lock()?;
            let read = tls.engine.read(into);
            if read > 0 || tls.engine.ended || into.is_empty() || self.stopped.load(Ordering::Relaxed) {
                return Ok(read);
            }
            if !tls.more {
                drop(tls);
                // Here it waits, and holds no lock.
                self.wait()?;
                tls = self.lock()?;
            }
            match self.receive(&mut tls) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                result => result?,
            }
        }
    }
}

impl TlsStream {
    /// Takes in what has come.
    fn receive(&self, tls: &mut Tls) -> io::Result<()> {
        let incoming = tls.engine.incoming();
        incoming.reserve(if std::mem::take(&mut tls.more) { LARGE } else { SMALL });
        let (_, received) = recv(&self.socket, spare_capacity(incoming), RecvFlags::DONTWAIT)?;
        if received == 0 {
            return if self.stopped.load(Ordering::Relaxed) { Ok(()) } else { Err(cut_short()) };
        }
        tls.more = incoming.len() == incoming.capacity();
        tls.engine.advance().map_err(|error| {
            // The alert says why, to those who understand it.
            let _ = self.flush_records(tls);
            broken(error)
        })
    }
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

fn cut_short() -> io::Error {
    let text = "the connection was cut short: TLS says when it is at an end, and it did not";
    io::Error::new(ErrorKind::UnexpectedEof, text)
}
