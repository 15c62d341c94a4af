//! What an attacker knows about a stage before he starts: the protocol.

use lab::registry::Stage;

/// What a stage's lines look like on the wire. Later forms keep what the
/// earlier ones brought, hence the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Stage 1: no line at all.
    Silent,
    /// Stages 2 and 3: plain lines, each answered to its sender.
    Echo,
    /// Stage 4: plain lines to all others.
    Room,
    /// Stage 5: `base64(iv || ciphertext)`; the server's own lines are plain.
    Encrypted,
    /// Stages 6 and 7: `base64(iv || ciphertext || tag)`, and names that log in.
    Sealed,
    /// From stage 8 on: TLS records.
    Tls,
}

impl Protocol {
    /// The protocol of a stage.
    pub fn of(stage: &Stage) -> Protocol {
        match stage.number {
            1 => Protocol::Silent,
            2 | 3 => Protocol::Echo,
            4 => Protocol::Room,
            5 => Protocol::Encrypted,
            6 | 7 => Protocol::Sealed,
            _ => Protocol::Tls,
        }
    }

    /// Returns `true` if what one says reaches others.
    pub fn is_room(self) -> bool {
        self >= Protocol::Room
    }

    /// Returns `true` if users have names that they log in by.
    pub fn has_names(self) -> bool {
        self >= Protocol::Sealed
    }

    /// Returns `true` if users share a key file.
    pub fn has_shared_key(self) -> bool {
        matches!(self, Protocol::Encrypted | Protocol::Sealed)
    }
}
