//! A connection as a client sees it: somebody sends, somebody else reads. And how
//! a line goes over it.
//!
//! Why traits, when there is only TCP so far, and one envelope: the
//! [send queue](crate::send_queue), the [answers](crate::login_client) and the
//! [comeback](crate::reconnect) serve stage 8 as well. There a connection is TLS,
//! which has no two halves to give out, and a line may have to be sealed for one
//! of those who are there, whose key is to be asked for first.

use crate::envelope::Envelope;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

/// An open connection. See the [module](self).
pub trait Connection: Send + Sync {
    /// Sends all, or as much as the connection takes before it breaks; how much.
    /// One thread at a time.
    fn send(&self, bytes: &[u8]) -> usize;

    /// Says that nothing more will be sent. What is still under way arrives.
    fn finish(&self);

    /// For the one thread that reads.
    fn reader(&self) -> Box<dyn Read + '_>;
}

/// How a line that was typed goes over the wire.
pub trait Seal: Send + Sync {
    /// Appends to `out` what goes over the wire for `line`, line ends included.
    /// Called when the line is about to be sent, and again if it was not.
    fn seal_line(&self, line: &str, out: &mut Vec<u8>) -> Sealed;
}

/// What [`Seal::seal_line`] has appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// The line.
    Whole,
    /// What the server has to answer first. Then the line is tried again; it and
    /// what was typed after it wait, in order.
    Question,
}

impl Seal for Envelope {
    fn seal_line(&self, line: &str, out: &mut Vec<u8>) -> Sealed {
        self.seal_into(line, out);
        out.push(b'\n');
        Sealed::Whole
    }
}

impl Connection for TcpStream {
    fn send(&self, bytes: &[u8]) -> usize {
        let mut stream = self;
        let mut written = 0;
        while written < bytes.len() {
            match stream.write(&bytes[written..]) {
                Ok(0) => break,
                Ok(n) => written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        written
    }

    fn finish(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }

    fn reader(&self) -> Box<dyn Read + '_> {
        Box::new(self)
    }
}
