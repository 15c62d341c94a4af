//! The sealed envelope: without the key no line can be read, and none can be changed
//! unnoticed.
//!
//! Stage 5's encryption hides a text and protects it from nothing: bits flipped
//! on the way come out as bits flipped. So this puts a tag behind it, and on the
//! wire a line is `base64(iv || ciphertext || tag)`, the tag being HMAC-SHA-256
//! (RFC 2104) over what stands before it.
//!
//! Encrypt, then authenticate, and in the other direction authenticate first.
//! Nothing is decrypted that the tag does not vouch for, so that an altered
//! message tells its sender nothing, neither by the answer nor by the time it
//! takes. The other orders (a tag over the text, as in old versions of SSL) have
//! let padding be tried out byte by byte.
//!
//! What it does not do: a line that was recorded and is sent again is as genuine
//! as the first time. And all members have the same key, so that each of them
//! could have written any line.

use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use stage4_multichat::line_codec::LineCodec;
use stage5_aes::cipher::{Cipher, Iv, KEY_LEN, Key, line_len, longest_text, random_iv};
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// Length in bytes of the tag behind the ciphertext: SHA-256's, uncut.
pub const TAG_LEN: usize = 32;

/// Length in bytes of the longest text that fits a line: 3023. It binds those
/// who send to a server; what comes from one has a prefix and may be longer.
pub const MAX_TEXT: usize = longest_text(TAG_LEN);

/// A line that was not sealed with the key, or that was changed on the way. One
/// error for everything that can be wrong, since every difference between
/// answers is a question that an attacker may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("message rejected")]
pub struct Rejected;

/// Seals lines and opens them, under one key. Made once and shared by all
/// threads: nothing in it changes. Its keys are wiped when it is dropped.
pub struct Envelope {
    cipher: Cipher,
    /// Has taken in its key. Each message goes on with a copy, which saves the
    /// two blocks of SHA-256 that a key costs.
    authenticator: Hmac<Sha256>,
}

impl Envelope {
    /// An envelope under the key of the key file.
    ///
    /// That key itself encrypts nothing. Two keys are derived from it, because
    /// no proof says that one key may serve two algorithms, and because stage 5
    /// used the same file for messages without a tag.
    pub fn new(key: &Key) -> Self {
        Self {
            cipher: Cipher::new(&derive(key, b"chat encrypt")),
            authenticator: Hmac::new_from_slice(derive(key, b"chat authenticate").as_bytes())
                .expect("HMAC takes keys of any length"),
        }
    }

    /// The line, without its line end, that carries `text`.
    pub fn seal(&self, text: &str) -> String {
        let mut line = Vec::new();
        self.seal_into(text, &mut line);
        String::from_utf8(line).expect("base64 is ASCII")
    }

    /// Appends the line that carries `text` to `out`, without its line end. For
    /// a server, which seals a line once for all its receivers, into the buffer
    /// that it then shares among them.
    pub fn seal_into(&self, text: &str, out: &mut Vec<u8>) {
        self.seal_with(text, &random_iv(), out);
    }

    fn seal_with(&self, text: &str, iv: &Iv, out: &mut Vec<u8>) {
        let length = line_len(text.len(), TAG_LEN);
        let mut message = Vec::with_capacity(length / 4 * 3);
        self.cipher.encrypt(text.as_bytes(), iv, &mut message);
        let tag = self.tag(&message).finalize().into_bytes();
        message.extend_from_slice(&tag);

        let start = out.len();
        out.resize(start + length, 0);
        STANDARD.encode_slice(&message, &mut out[start..]).expect("line_len is what base64 makes of this");
    }

    /// The text that `line`, without its line end, carries.
    ///
    /// # Errors
    ///
    /// [`Rejected`] where the line is not, byte for byte, one that was sealed
    /// under this key.
    pub fn open(&self, line: impl AsRef<[u8]>) -> Result<String, Rejected> {
        let sealed = STANDARD.decode(line).map_err(|_| Rejected)?;
        let (message, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(Rejected)?;
        // In constant time: a comparison that stops at the first difference
        // tells by its time how much of a guessed tag is right (stage 3's
        // experiment `side-channel`).
        self.tag(message).verify(tag.into()).map_err(|_| Rejected)?;
        // From here on it is what a member sealed.
        let text = self.cipher.decrypt(message).map_err(|_| Rejected)?;
        String::from_utf8(text).map_err(|_| Rejected)
    }

    fn tag(&self, message: &[u8]) -> Hmac<Sha256> {
        self.authenticator.clone().chain_update(message)
    }
}

/// The server's lines on the wire: each sealed, once for all its receivers. They
/// now say who said what in a way that binds, so they are for no log.
impl LineCodec for Envelope {
    fn encode(&self, lines: &str, out: &mut Vec<u8>) {
        for line in lines.split_terminator('\n') {
            self.seal_into(line, out);
            out.push(b'\n');
        }
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Envelope(secret)")
    }
}

/// The key for the purpose `info`, by HKDF-SHA-256 (RFC 5869). Without salt,
/// since the file's key is random already; knowing one derived key tells nothing
/// about the other, nor about the file's.
fn derive(key: &Key, info: &[u8]) -> Key {
    let mut derived = Zeroizing::new([0; KEY_LEN]);
    Hkdf::<Sha256>::new(None, key.as_bytes())
        .expand(info, &mut *derived)
        .expect("32 bytes are less than the 255 blocks that HKDF can make");
    Key::new(*derived)
}

#[cfg(test)]
mod tests;
