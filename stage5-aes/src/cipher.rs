//! AES-256-CBC: a text becomes a line that only users with the key can read.
//!
//! AES (FIPS 197) turns one block of 16 bytes into another. A *mode* makes of it a
//! cipher for texts of any length. CBC (NIST SP 800-38A, 6.2) combines each block
//! by XOR with the ciphertext of the block before, and then encrypts it; the first
//! block is combined with an initialisation vector (IV). PKCS#7 (RFC 5652, 6.3)
//! fills the last block with N bytes of value N. If the text ends on a block
//! boundary, a whole block of padding is added, so that there is always padding to
//! take off.
//!
//! On the wire a message is `base64(iv || ciphertext)`. The IV is not secret, but
//! it must be unpredictable and new for each message: with the same key, the same
//! IV and the same beginning give the same ciphertext, and an eavesdropper sees
//! that a user repeats a text. `--fixed-iv` shows that.
//!
//! What CBC does not do: it does not notice changes. A bit flipped in the IV flips
//! the same bit of the text, and the receiver cannot tell. Stage 6 adds an
//! authentication tag to exactly this cipher.

use aes::Aes256;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit, block_padding::Pkcs7};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{TryRng, rngs::SysRng};
use stage2_echo::line::MAX_LINE;
use std::fmt;
use zeroize::Zeroizing;

/// Length of a key in bytes: the 256 of AES-256.
pub const KEY_LEN: usize = 32;
/// Length of an IV in bytes: one block of AES, whatever the length of the key.
pub const IV_LEN: usize = 16;

/// Length in bytes of the longest text that fits a line: 3055.
pub const MAX_TEXT: usize = longest_text(0);

const BLOCK: usize = 16;

/// The initialisation vector of one message.
pub type Iv = [u8; IV_LEN];

/// A secret key, wiped from memory when it is dropped.
///
/// It has no `Display`, and its `Debug` shows no byte of it, so that no log line
/// and no panic message can reveal it.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; KEY_LEN]>);

impl Key {
    /// The key with these bytes.
    pub fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new random key.
    pub fn random() -> Self {
        Self(Zeroizing::new(random_bytes()))
    }

    /// The key's bytes, to compute with. A copy of them must be wiped as well.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(secret)")
    }
}

/// The message was not encrypted with this key: it is not base64, has no whole
/// blocks or wrong padding, or the text is not UTF-8.
///
/// There is one error for all of these, on purpose. An attacker who can send
/// altered messages and learns which of them had wrong *padding* can decrypt any
/// message byte by byte without the key (Vaudenay, EUROCRYPT 2002).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot decrypt")]
pub struct CannotDecrypt;

/// A key made ready for use: AES expands it into 15 round keys, here once instead
/// of once for each message. They are wiped when this is dropped.
pub struct Cipher {
    aes: Aes256,
}

impl Cipher {
    /// The cipher with this `key`.
    pub fn new(key: &Key) -> Self {
        Self { aes: Aes256::new(key.as_bytes().into()) }
    }

    /// The line that carries `text`: base64, without a line end. Its length is
    /// that of [`line_len`].
    pub fn encrypt_line(&self, text: &str, iv: &Iv) -> String {
        let mut message = Vec::new();
        self.encrypt(text.as_bytes(), iv, &mut message);
        STANDARD.encode(message)
    }

    /// The text that `line` (without its line end) carries.
    ///
    /// # Errors
    ///
    /// [`CannotDecrypt`], whatever is wrong with the line. A line that was changed
    /// on its way may decrypt to another text without an error.
    pub fn decrypt_line(&self, line: &str) -> Result<String, CannotDecrypt> {
        let message = STANDARD.decode(line).map_err(|_| CannotDecrypt)?;
        let text = self.decrypt(&message)?;
        String::from_utf8(text).map_err(|_| CannotDecrypt)
    }

    /// Appends `iv || ciphertext` of `text` to `out`. It appends because stage 6
    /// adds a tag over what is there.
    pub fn encrypt(&self, text: &[u8], iv: &Iv, out: &mut Vec<u8>) {
        let padded = padded_len(text.len());
        out.reserve(IV_LEN + padded);
        out.extend_from_slice(iv);
        let start = out.len();
        out.extend_from_slice(text);
        out.resize(start + padded, 0);
        cbc::Encryptor::inner_iv_init(&self.aes, iv.into())
            .encrypt_padded::<Pkcs7>(&mut out[start..], text.len())
            .expect("resized to whole blocks, with room for the padding");
    }

    /// The text of which [`Cipher::encrypt`] made `message` (`iv || ciphertext`).
    ///
    /// # Errors
    ///
    /// [`CannotDecrypt`] for a wrong length or padding.
    pub fn decrypt(&self, message: &[u8]) -> Result<Vec<u8>, CannotDecrypt> {
        let (iv, ciphertext) = message.split_first_chunk().ok_or(CannotDecrypt)?;
        cbc::Decryptor::inner_iv_init(&self.aes, <&Iv>::into(iv))
            .decrypt_padded_vec::<Pkcs7>(ciphertext)
            .map_err(|_| CannotDecrypt)
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(secret)")
    }
}

/// A new random IV for one message.
pub fn random_iv() -> Iv {
    random_bytes()
}

/// Random bytes straight from the system (`getrandom(2)`).
///
/// Not `rand::random`, which uses a generator in this process: it is as good, but
/// its state would be one more secret in memory. A chat does not notice the cost
/// of the system call.
///
/// # Panics
///
/// When the system has no random numbers. There is no safe way to go on then: an
/// attacker could guess whatever we used instead.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .expect("getrandom(2) fails only on systems that this course does not run on");
    bytes
}

/// Length in bytes of the line that carries a text of `text_len` bytes, without
/// its line end. `extra` is the number of further bytes inside the base64: stage 6
/// has a tag there, stage 5 nothing.
pub const fn line_len(text_len: usize, extra: usize) -> usize {
    (IV_LEN + padded_len(text_len) + extra).div_ceil(3) * 4
}

/// Length in bytes of the longest text whose line, with `extra` as in
/// [`line_len`], is no longer than [`MAX_LINE`].
///
/// Base64 makes 4 bytes of 3. The IV takes 16 bytes. The rest is whole blocks, in
/// which the padding takes at least one byte.
pub const fn longest_text(extra: usize) -> usize {
    (MAX_LINE / 4 * 3 - IV_LEN - extra) / BLOCK * BLOCK - 1
}

const fn padded_len(text_len: usize) -> usize {
    (text_len / BLOCK + 1) * BLOCK
}

#[cfg(test)]
mod tests;
