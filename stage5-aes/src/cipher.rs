//! AES-256-CBC: a text becomes a line that only holders of the key can read.
//!
//! AES (FIPS 197) turns one block of 16 bytes into another. A mode makes a
//! cipher for texts of any length out of that; CBC (NIST SP 800-38A, 6.2) adds
//! the ciphertext of the block before to each block by XOR before encrypting
//! it, and an initialisation vector (IV) to the first. PKCS#7 (RFC 5652, 6.3)
//! fills the last block: N bytes, each of value N, and a whole block of them
//! where the text ends on a block boundary, since the padding must always be
//! there to be taken off again.
//!
//! On the wire a message is `base64(iv || ciphertext)`. The IV is no secret,
//! but it has to be unpredictable and new for each message: under one key, the
//! same IV and the same beginning give the same ciphertext, and anyone who
//! listens sees who repeats himself. `--fixed-iv` shows that.
//!
//! What CBC does not do: it does not notice changes. A bit flipped in the IV
//! flips the same bit of the text, and nothing here can tell. Stage 6 puts an
//! authentication tag around exactly this cipher.

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
/// It has no `Display`, and its `Debug` shows no byte of it, so that no log
/// line and no panic message can give it away.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; KEY_LEN]>);

impl Key {
    /// A key of the given bytes.
    pub fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key that nobody has had before.
    pub fn random() -> Self {
        Self(Zeroizing::new(random_bytes()))
    }

    /// The key's bytes, for whoever has to compute with them. Whatever they
    /// are copied into must be wiped as well.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(secret)")
    }
}

/// A message that is not what this key encrypted: no base64, no whole blocks,
/// wrong padding, or no UTF-8 inside.
///
/// One error for all of these, on purpose. Whoever may send altered messages
/// and learns which of them had wrong *padding* can decrypt any message byte by
/// byte without the key (Vaudenay, EUROCRYPT 2002).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot decrypt")]
pub struct CannotDecrypt;

/// A key made ready for use: AES expands it into 15 round keys, once here
/// rather than once for each message. They are wiped when this is dropped.
pub struct Cipher {
    aes: Aes256,
}

impl Cipher {
    /// A cipher under `key`.
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
    /// [`CannotDecrypt`] for whatever is wrong with it. The reverse does not
    /// hold: a line that was tampered with may well decrypt to another text.
    pub fn decrypt_line(&self, line: &str) -> Result<String, CannotDecrypt> {
        let message = STANDARD.decode(line).map_err(|_| CannotDecrypt)?;
        let text = self.decrypt(&message)?;
        String::from_utf8(text).map_err(|_| CannotDecrypt)
    }

    /// Appends `iv || ciphertext` of `text` to `out`. Appending, because stage 6
    /// goes on with a tag over what stands there.
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

    /// The bytes that [`Cipher::encrypt`] made `message` (`iv || ciphertext`)
    /// of.
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

/// An IV for one message.
pub fn random_iv() -> Iv {
    random_bytes()
}

/// Random bytes straight from the system (`getrandom(2)`).
///
/// Not `rand::random`, which asks a generator of this process that the system
/// seeds now and then: as good as it is, its state would be one more secret in
/// memory. What the system call costs more, no chat will notice.
///
/// # Panics
///
/// Where the system has no random numbers. There is no safe way to go on then:
/// whatever one used instead could be guessed.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).expect("the system gives random numbers to everyone");
    bytes
}

/// Length of the line that carries a text of `text_len` bytes, without its line
/// end, and with `extra` further bytes inside the base64 (stage 6 has a tag
/// there, stage 5 nothing).
pub const fn line_len(text_len: usize, extra: usize) -> usize {
    (IV_LEN + padded_len(text_len) + extra).div_ceil(3) * 4
}

/// Length in bytes of the longest text whose line, with `extra` as in
/// [`line_len`], is no longer than [`MAX_LINE`].
///
/// Base64 makes 4 bytes of 3, the IV takes 16, and of the whole blocks that are
/// left the padding takes at least one byte.
pub const fn longest_text(extra: usize) -> usize {
    (MAX_LINE / 4 * 3 - IV_LEN - extra) / BLOCK * BLOCK - 1
}

const fn padded_len(text_len: usize) -> usize {
    (text_len / BLOCK + 1) * BLOCK
}

#[cfg(test)]
mod tests;
