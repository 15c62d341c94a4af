//! The lines of stages 5 to 7 as they are on the wire, written against the
//! contract and not against the stages: what looks at the programs from outside
//! must not share a mistake with them.

use aes::Aes256;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use rand::{TryRng, rngs::SysRng};
use sha2::Sha256;
use std::fs;
use std::path::Path;
use zeroize::Zeroizing;

/// Length of an IV, and of a block of AES.
pub const BLOCK: usize = 16;

/// Length of a tag.
pub const TAG: usize = 32;

/// What a line's base64 holds; anyone can take it apart, with or without a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The initialisation vector.
    pub iv: Vec<u8>,
    /// Whole blocks, one at least.
    pub ciphertext: Vec<u8>,
    /// Stages 6 and 7: what the authentication key says of the rest. Empty in
    /// stage 5.
    pub tag: Vec<u8>,
}

impl Message {
    /// The parts of `line` with a tag of `tag` bytes; `None` where the lengths
    /// are not those of such a message, or it is no base64.
    pub fn parse(line: &[u8], tag: usize) -> Option<Message> {
        let mut iv = STANDARD.decode(line).ok()?;
        let blocks = iv.len().checked_sub(BLOCK + tag)?;
        if blocks == 0 || !blocks.is_multiple_of(BLOCK) {
            return None;
        }
        let mut ciphertext = iv.split_off(BLOCK);
        let tag = ciphertext.split_off(blocks);
        Some(Message { iv, ciphertext, tag })
    }

    /// All of it, in the order of the wire.
    pub fn bytes(&self) -> Vec<u8> {
        [self.iv.as_slice(), &self.ciphertext, &self.tag].concat()
    }

    /// The line, with its line end, that carries it.
    pub fn line(&self) -> Vec<u8> {
        (STANDARD.encode(self.bytes()) + "\n").into_bytes()
    }
}

/// The key of a key file, and the two that stages 6 and 7 derive from it.
pub struct Keys {
    file: Zeroizing<[u8; 32]>,
    encrypt: Zeroizing<[u8; 32]>,
    authenticate: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// Reads a key file.
    ///
    /// # Errors
    /// When it cannot be read or has no key; the text says nothing of what
    /// stands in it.
    pub fn read(path: &Path) -> anyhow::Result<Keys> {
        let text = fs::read_to_string(path);
        let text =
            Zeroizing::new(text.with_context(|| format!("cannot read the key file {}", path.display()))?);
        let mut key = Zeroizing::new([0; 32]);
        let digits = text.lines().find_map(|line| line.strip_prefix("key="));
        if digits.is_none_or(|digits| hex::decode_to_slice(digits.trim(), &mut *key).is_err()) {
            bail!("{} has no line key= with 64 hexadecimal digits", path.display());
        }
        Ok(Keys::of(key))
    }

    /// Those of a key.
    pub fn of(file: Zeroizing<[u8; 32]>) -> Keys {
        let derive = |info: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            let derived = Hkdf::<Sha256>::new(None, &*file).expand(info, &mut *key);
            derived.expect("32 bytes are less than what HKDF can make");
            key
        };
        let (encrypt, authenticate) = (derive(b"chat encrypt"), derive(b"chat authenticate"));
        Keys { file, encrypt, authenticate }
    }

    /// The text of a message; `None` where this key did not make it, or an attacker
    /// has changed it. Without a tag the second cannot always be told.
    pub fn open(&self, message: &Message) -> Option<Vec<u8>> {
        if message.tag.is_empty() {
            return decrypt(&self.file, message);
        }
        self.tag_of(message).verify_slice(&message.tag).ok()?;
        decrypt(&self.encrypt, message)
    }

    /// The message that carries `text`, with a tag as in stages 6 and 7 or
    /// without one, as in stage 5.
    pub fn seal(&self, text: impl AsRef<[u8]>, with_tag: bool) -> Message {
        let mut iv = [0; BLOCK];
        SysRng.try_fill_bytes(&mut iv).expect("the system gives random numbers to everyone");
        let key = if with_tag { &self.encrypt } else { &self.file };
        let cipher = cbc::Encryptor::<Aes256>::new((&**key).into(), &iv.into());
        let ciphertext = cipher.encrypt_padded_vec::<Pkcs7>(text.as_ref());
        let mut message = Message { iv: iv.to_vec(), ciphertext, tag: Vec::new() };
        if with_tag {
            message.tag = self.tag_of(&message).finalize().into_bytes().to_vec();
        }
        message
    }

    fn tag_of(&self, message: &Message) -> Hmac<Sha256> {
        let hmac =
            Hmac::<Sha256>::new_from_slice(&*self.authenticate).expect("HMAC takes keys of any length");
        hmac.chain_update(&message.iv).chain_update(&message.ciphertext)
    }
}

fn decrypt(key: &[u8; 32], message: &Message) -> Option<Vec<u8>> {
    let cipher = cbc::Decryptor::<Aes256>::new_from_slices(key, &message.iv).ok()?;
    cipher.decrypt_padded_vec::<Pkcs7>(&message.ciphertext).ok()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The key of the examples below: the bytes 0 to 31.
    pub fn example_keys() -> Keys {
        Keys::of(Zeroizing::new(std::array::from_fn(|i| i as u8)))
    }

    /// `Grüße, alice` under it, worked out with OpenSSL and with Python.
    pub const ENCRYPTED: &str = "ZGVmZ2hpamtsbW5vcHFyc21U7nN+8XBtZBwVjy/xvkM=";
    /// The same, sealed.
    pub const SEALED: &str =
        "ZGVmZ2hpamtsbW5vcHFycy7fNDhkOa4IJYgHcuZ64XEm8h+CsxpU9JXsKff7Ri0qDres9yVgYPoKfaIF9eqmvA==";

    #[test]
    fn known_lines_are_opened() {
        for (line, tag) in [(ENCRYPTED, 0), (SEALED, TAG)] {
            let message = Message::parse(line.as_bytes(), tag).unwrap();
            assert_eq!((message.ciphertext.len(), message.tag.len()), (BLOCK, tag));
            assert_eq!(example_keys().open(&message).unwrap(), "Grüße, alice".as_bytes());
        }
    }

    #[test]
    fn what_is_sealed_is_opened() {
        for (tag, with_tag) in [(0, false), (TAG, true)] {
            let line = example_keys().seal("Grüße, alice", with_tag).line();
            let message = Message::parse(line.trim_ascii_end(), tag).unwrap();
            assert_eq!(message.line(), line);
            assert_eq!(example_keys().open(&message).unwrap(), "Grüße, alice".as_bytes());
        }
    }

    #[test]
    fn a_changed_tag_opens_nothing() {
        let mut message = Message::parse(SEALED.as_bytes(), TAG).unwrap();
        message.tag[31] ^= 1;
        assert_eq!(example_keys().open(&message), None);
    }

    #[test]
    fn a_key_file_is_read_and_what_is_wrong_with_it_does_not_give_it_away() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let digits = hex::encode(*example_keys().file);
        fs::write(file.path(), format!("key={digits}\niv=00\n")).unwrap();
        assert_eq!(Keys::read(file.path()).unwrap().file, example_keys().file);
        fs::write(file.path(), format!("key={}\n", &digits[2..])).unwrap();
        let why = format!("{:#}", Keys::read(file.path()).err().unwrap());
        assert!(why.contains("64 hexadecimal digits") && !why.contains(&digits[2..10]), "{why}");
    }

    proptest! {
        #[test]
        fn nothing_that_comes_is_a_reason_to_panic(line: Vec<u8>, bytes: Vec<u8>, tag in 0..64usize) {
            let keys = example_keys();
            for line in [line, STANDARD.encode(bytes).into_bytes()] {
                if let Some(message) = Message::parse(&line, tag) {
                    prop_assert_eq!(message.iv.len(), BLOCK);
                    prop_assert_eq!(message.ciphertext.len() % BLOCK, 0);
                    prop_assert_eq!(message.tag.len(), tag);
                    keys.open(&message);
                }
            }
        }
    }
}
