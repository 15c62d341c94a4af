//! What every member has in stages 5 to 7: the key of the key file, and with it
//! the power to open and to seal any line.
//!
//! Written against the contract and not with the stages' own code, as a member
//! would who has nothing but the file; the ciphers are the same crates'.

use super::form::Form;
use aes::Aes256;
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use rand::{TryRng, rngs::SysRng};
use sha2::Sha256;
use std::path::Path;

/// Bytes of the IV in front of a message; the first block's length too.
pub const IV_LEN: usize = 16;

/// Bytes of the tag behind it.
const TAG_LEN: usize = 32;

/// Opens and seals lines of one form.
pub struct Member {
    encrypt: [u8; 32],
    /// From stage 6 on.
    authenticate: Option<[u8; 32]>,
}

impl Member {
    /// What the key file makes of whoever reads it.
    ///
    /// # Errors
    /// When there is no key in it.
    pub fn with_key_file(path: &Path, form: Form) -> anyhow::Result<Member> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let digits = text.lines().find_map(|line| line.strip_prefix("key=")).unwrap_or_default();
        let mut key = [0; 32];
        hex::decode_to_slice(digits, &mut key).with_context(|| format!("no key in {}", path.display()))?;
        if form == Form::Encrypted {
            return Ok(Member { encrypt: key, authenticate: None });
        }
        let derive = |purpose: &[u8]| {
            let mut derived = [0; 32];
            let made = Hkdf::<Sha256>::new(None, &key).expand(purpose, &mut derived);
            made.map(|()| derived).map_err(|e| anyhow::anyhow!("cannot derive a key: {e}"))
        };
        Ok(Member { encrypt: derive(b"chat encrypt")?, authenticate: Some(derive(b"chat authenticate")?) })
    }

    /// The text of a line; `None` for one that was not sealed with this key, as
    /// the server's plain notices in stage 5.
    pub fn open(&self, line: &[u8]) -> Option<String> {
        let message = decode(line)?;
        let sealed = match &self.authenticate {
            None => message.as_slice(),
            Some(_) => {
                let (sealed, tag) = message.split_last_chunk::<TAG_LEN>()?;
                self.tag(sealed)?.verify(tag.into()).ok()?;
                sealed
            }
        };
        let (iv, ciphertext) = sealed.split_first_chunk::<IV_LEN>()?;
        let cipher = cbc::Decryptor::<Aes256>::new(&self.encrypt.into(), iv.into());
        String::from_utf8(cipher.decrypt_padded_vec::<Pkcs7>(ciphertext).ok()?).ok()
    }

    /// A line, with its line end, that carries `text`.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn seal(&self, text: &str) -> anyhow::Result<Vec<u8>> {
        let mut iv = [0; IV_LEN];
        SysRng.try_fill_bytes(&mut iv).context("the system has no random numbers")?;
        let cipher = cbc::Encryptor::<Aes256>::new(&self.encrypt.into(), &iv.into());
        let mut message = iv.to_vec();
        message.extend(cipher.encrypt_padded_vec::<Pkcs7>(text.as_bytes()));
        if let Some(tag) = self.tag(&message) {
            message.extend(tag.finalize().into_bytes());
        }
        Ok(encode(&message))
    }

    fn tag(&self, message: &[u8]) -> Option<Hmac<Sha256>> {
        let key = self.authenticate.as_ref()?;
        Some(Hmac::new_from_slice(key).ok()?.chain_update(message))
    }
}

/// The bytes that a line of stages 5 to 7 carries.
pub fn decode(line: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(line.trim_ascii_end()).ok()
}

/// The line, with its line end, that carries these bytes.
pub fn encode(message: &[u8]) -> Vec<u8> {
    (STANDARD.encode(message) + "\n").into_bytes()
}
