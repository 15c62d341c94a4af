//! The sealed envelope of stage 6, written down a second time, from the contract
//! and without a line of the stage's own code: what both got wrong in the same
//! way would never show.

use crate::wire::Key;
use aes::Aes256;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::path::PathBuf;
use testkit::Case;

/// HMAC-SHA-256 has 32 bytes, the IV 16.
const TAG: usize = 32;
const IV: usize = 16;

/// The longest text that a line of 4096 bytes carries.
pub const LONGEST_TEXT: usize = 3023;

/// Seals and opens lines under one key.
#[derive(Clone)]
pub struct Envelope {
    encrypt: [u8; 32],
    authenticate: [u8; 32],
}

impl Envelope {
    /// The envelope of this key file.
    pub fn new(file: &Key) -> Self {
        let derived = |info: &[u8]| {
            let mut key = [0; 32];
            Hkdf::<Sha256>::new(None, &file.key).expand(info, &mut key).expect("32 bytes are few");
            key
        };
        Self { encrypt: derived(b"chat encrypt"), authenticate: derived(b"chat authenticate") }
    }

    /// The line that carries `text`, with a random IV.
    pub fn seal(&self, text: impl AsRef<[u8]>) -> String {
        STANDARD.encode(self.sealed_bytes(text))
    }

    /// What base64 makes the line of.
    pub fn sealed_bytes(&self, text: impl AsRef<[u8]>) -> Vec<u8> {
        let iv: [u8; IV] = rand::random();
        let cipher = cbc::Encryptor::<Aes256>::new(&self.encrypt.into(), &iv.into());
        self.tagged([&iv[..], &cipher.encrypt_padded_vec::<Pkcs7>(text.as_ref())].concat())
    }

    /// A right tag behind whatever this is.
    pub fn tagged(&self, mut message: Vec<u8>) -> Vec<u8> {
        let tag = self.tag(&message);
        message.extend_from_slice(&tag);
        message
    }

    fn tag(&self, message: &[u8]) -> [u8; TAG] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.authenticate).expect("HMAC takes any key");
        mac.chain_update(message).finalize().into_bytes().into()
    }

    /// The text of a line, or what is wrong with it.
    pub fn open(&self, line: &str) -> Result<String, String> {
        let sealed =
            STANDARD.decode(line).map_err(|_| "it is not standard base64 with padding".to_owned())?;
        let split = sealed.split_last_chunk::<TAG>().filter(|(message, _)| message.len() >= 2 * IV);
        let (message, tag) = split.ok_or("it is too short for IV, ciphertext and tag")?;
        if self.tag(message) != *tag {
            return Err(
                "its tag is not HMAC-SHA-256 of IV and ciphertext under the key \"chat authenticate\"".into(),
            );
        }
        let (iv, ciphertext) = message.split_first_chunk::<IV>().expect("32 bytes at least");
        let cipher = cbc::Decryptor::<Aes256>::new(&self.encrypt.into(), &(*iv).into());
        let text = cipher.decrypt_padded_vec::<Pkcs7>(ciphertext);
        let text =
            text.map_err(|_| "it is not AES-256-CBC with PKCS#7 under the key \"chat encrypt\"".to_owned())?;
        String::from_utf8(text).map_err(|_| "its text is not UTF-8".to_owned())
    }
}

/// Puts `chat.key` into the case's folder, where our programs look for it. A
/// program in another language runs where its command was typed, and so it is
/// the key file there that counts, for it and for ours.
#[track_caller]
pub fn put_key(case: &Case) -> Key {
    let folder = || std::env::var_os("PWD").map(PathBuf::from).unwrap_or_default();
    let shared = case.foreign_server() || case.foreign_client();
    let key = if shared { Key::read(&folder().join("chat.key")) } else { Key::random() };
    key.write(&case.folder().join("chat.key"));
    key
}
