//! A connection as a client sees it, and how a line goes over it.
//!
//! Why traits, when there is only TCP so far, and one envelope: the
//! [send queue](crate::client::send_queue), the [login](crate::client::login) and the
//! [receiver](crate::client::receiver) serve stage 8 as well. There a connection is
//! TLS, and a line may have to be sealed for one user, whose key the client has to
//! ask for first.

use crate::client::send_queue::SendQueue;
use crate::envelope::Envelope;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use zeroize::Zeroizing;

/// An open connection. See the [module](self).
pub trait Connection: Send + Sync {
    /// Sends all bytes. One thread at a time.
    ///
    /// # Errors
    /// When the connection broke before it had taken all of them.
    fn send(&self, bytes: &[u8]) -> io::Result<()>;

    /// Says that nothing more will be sent. What is still under way arrives.
    fn finish(&self);

    /// For the one thread that reads.
    fn reader(&self) -> Box<dyn Read + '_>;
}

/// How a line goes over the wire.
pub trait Encode: Send + Sync {
    /// The bytes for `line`, its line end included; none for a line that is not
    /// sent. Called by the sender thread: it may ask the server for what it needs
    /// ([`SendQueue::send_now`]) and wait for the answer. `None`: the connection was
    /// lost meanwhile, try again on the next one.
    fn encode(&self, line: &str, queue: &SendQueue) -> Option<Zeroizing<Vec<u8>>>;

    /// The connection is gone: nothing on it is answered any longer.
    fn disconnected(&self) {}
}

impl Encode for Envelope {
    fn encode(&self, line: &str, _: &SendQueue) -> Option<Zeroizing<Vec<u8>>> {
        let mut sealed = Vec::new();
        self.seal_into(line, &mut sealed);
        sealed.push(b'\n');
        Some(Zeroizing::new(sealed))
    }
}

impl Connection for TcpStream {
    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self;
        stream.write_all(bytes)
    }

    fn finish(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }

    fn reader(&self) -> Box<dyn Read + '_> {
        Box::new(self)
    }
}
