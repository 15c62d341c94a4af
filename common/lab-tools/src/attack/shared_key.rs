//! What every user has in stages 5 to 7: the key of the key file, and with it
//! the power to open and to seal any line.

use super::protocol::Protocol;
use crate::sealed::{Keys, Message, TAG};
use std::path::Path;

/// Opens and seals lines of one protocol.
pub struct SharedKey {
    keys: Keys,
    /// From stage 6 on there is one.
    has_tag: bool,
}

impl SharedKey {
    /// What the key file makes of whoever reads it.
    ///
    /// # Errors
    /// When there is no key in it.
    pub fn read(path: &Path, protocol: Protocol) -> anyhow::Result<SharedKey> {
        Ok(SharedKey { keys: Keys::read(path)?, has_tag: protocol == Protocol::Sealed })
    }

    /// The text of a line; `None` for one that was not sealed with this key, as
    /// the server's plain notices in stage 5.
    pub fn open(&self, line: &[u8]) -> Option<String> {
        let message = Message::parse(line.trim_ascii_end(), if self.has_tag { TAG } else { 0 })?;
        String::from_utf8(self.keys.open(&message)?).ok()
    }

    /// A line, with its line end, that carries `text`.
    pub fn seal(&self, text: &str) -> Vec<u8> {
        self.keys.seal(text, self.has_tag).line()
    }
}

/// What a line of stages 5 to 7 carries, as far as one sees without a key. A tag
/// is then part of the ciphertext: it is as long as two blocks.
pub fn take_apart(line: &[u8]) -> Option<Message> {
    Message::parse(line.trim_ascii_end(), 0)
}
