//! One end of a connection, on the tap's side: a socket, and the bytes that wait for it.

use socket2::SockRef;
use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::time::Duration;

/// See the [module](self).
pub struct End {
    /// Non-blocking.
    pub stream: TcpStream,
    /// For this end, and how many of them it has taken.
    pub waiting: Vec<u8>,
    taken: usize,
    /// Nothing more comes from it.
    pub ended: bool,
    /// It takes nothing more: a write has failed. What it sent before may still
    /// be there to be read, such as a server's last word on why.
    pub broken: bool,
    /// The kernel would say "hung up" at once whenever it is asked.
    pub hung_up: bool,
}

impl End {
    /// The end of this connection.
    ///
    /// # Errors
    /// When the socket cannot be set up.
    pub fn new(stream: TcpStream) -> io::Result<End> {
        stream.set_nonblocking(true)?;
        // What comes in two pieces is to go out in two, and at once.
        stream.set_nodelay(true)?;
        Ok(End { stream, waiting: Vec::new(), taken: 0, ended: false, broken: false, hung_up: false })
    }

    /// Gives it as much as it takes.
    pub fn write(&mut self) {
        while self.taken < self.waiting.len() {
            match self.stream.write(&self.waiting[self.taken..]) {
                Ok(n) => self.taken += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.broken = true;
                    break;
                }
            }
        }
        self.waiting.clear();
        self.taken = 0;
    }
}

/// Has `stream` send an RST, and no FIN, when it is closed.
pub fn reset_at_close(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
