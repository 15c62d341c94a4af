//! What a line becomes before it is sent.
//!
//! In this stage there is one way: the line is sealed in the envelope. It is a trait
//! because the send queue serves stage 8 too, where a line may have to be sealed for one
//! user, whose key the client has to ask for first.

use super::SendQueue;
use crate::envelope::{Envelope, MAX_TEXT};
use zeroize::Zeroizing;

/// What a line becomes before it goes over the wire.
pub enum Encoded {
    /// These bytes, the line end included.
    Line(Zeroizing<Vec<u8>>),
    /// Nothing: the line is for the client itself, or cannot be sent. From stage 8 on.
    Nothing,
    /// It is not known: the connection was lost first. The line is encoded again on the
    /// next one. From stage 8 on.
    ConnectionLost,
}

impl Encoded {
    /// The line as it is.
    pub fn line(line: &str) -> Encoded {
        Encoded::Line(Zeroizing::new(format!("{line}\n").into_bytes()))
    }
}

/// How a line goes over the wire.
pub trait Encode: Send + Sync {
    /// Whether a line that was typed can be sent.
    ///
    /// # Errors
    /// What to tell the user.
    fn fits(&self, _line: &str) -> Result<(), String> {
        Ok(())
    }

    /// What `line` becomes. Called by the sender thread. In stage 8 it asks the server for
    /// a key, by [`queue.send_now`](SendQueue::send_now), and waits for the answer.
    fn encode(&self, line: &str, queue: &SendQueue) -> Encoded;

    /// The connection is gone: nothing on it is answered any longer.
    fn disconnected(&self) {}
}

impl Encode for Envelope {
    fn fits(&self, line: &str) -> Result<(), String> {
        if line.len() > MAX_TEXT {
            return Err(format!("not sent: sealed, a line holds {MAX_TEXT} bytes of text at most"));
        }
        Ok(())
    }

    fn encode(&self, line: &str, _: &SendQueue) -> Encoded {
        let mut sealed = Vec::new();
        self.seal_into(line, &mut sealed);
        sealed.push(b'\n');
        Encoded::Line(Zeroizing::new(sealed))
    }
}
