//! The wire format of stage 5, written down a second time, from the contract
//! and without a line of the stage's own code: what both got wrong in the same
//! way would never show.

use aes::Aes256;
use aes::cipher::{
    BlockModeDecrypt, BlockModeEncrypt, KeyIvInit,
    block_padding::{NoPadding, Pkcs7},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use testkit::{Case, fail, shown};

/// What is in a key file.
pub struct Key {
    pub key: [u8; 32],
    pub iv: [u8; 16],
}

impl Key {
    /// A key that no file has.
    pub fn random() -> Self {
        Self { key: rand::random(), iv: rand::random() }
    }

    /// The key that the graded client will find as `chat.key`.
    ///
    /// Ours runs in the case's folder, and the file is put there. A client named
    /// by `STAGE5_CLIENT` runs where the command was typed, and so it is the key
    /// file there that counts.
    #[track_caller]
    pub fn for_client(case: &Case) -> Self {
        let foreign = std::env::var("STAGE5_CLIENT").is_ok_and(|command| !command.trim().is_empty());
        if !foreign {
            let key = Self::random();
            key.write(&case.folder().join("chat.key"));
            return key;
        }
        let folder = std::env::var_os("PWD").map(PathBuf::from).unwrap_or_default();
        Self::read(&folder.join("chat.key"))
    }

    /// Writes a key file that is as it should be.
    pub fn write(&self, path: &Path) {
        write_private(path, &format!("key={}\niv={}\n", hex::encode(self.key), hex::encode(self.iv)));
    }

    /// Reads a key file that must be as it should be.
    #[track_caller]
    pub fn read(path: &Path) -> Self {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) => fail(format!("a key file {}", path.display()), format!("{e}; run stage5-keygen there")),
        };
        let parsed = text.split_once('\n').and_then(|(first, second)| {
            let key = hex::decode(first.strip_prefix("key=")?).ok()?;
            let iv = hex::decode(second.strip_prefix("iv=")?.strip_suffix('\n')?).ok()?;
            Some(Self { key: key.try_into().ok()?, iv: iv.try_into().ok()? })
        });
        // What stands in it is not shown: it may well be somebody's key.
        parsed.unwrap_or_else(|| {
            fail("two lines, `key=` with 64 hexadecimal digits and `iv=` with 32", "a file that is not so")
        })
    }

    /// The line that carries `text`, with a random IV.
    pub fn encrypt(&self, text: impl AsRef<[u8]>) -> String {
        let iv: [u8; 16] = rand::random();
        let cipher = cbc::Encryptor::<Aes256>::new(&self.key.into(), &iv.into());
        let ciphertext = cipher.encrypt_padded_vec::<Pkcs7>(text.as_ref());
        in_base64(&[&iv[..], &ciphertext].concat())
    }

    /// The line with these whole blocks, whatever their padding.
    pub fn encrypt_blocks(&self, blocks: &[u8]) -> String {
        let iv: [u8; 16] = rand::random();
        let cipher = cbc::Encryptor::<Aes256>::new(&self.key.into(), &iv.into());
        in_base64(&[&iv[..], &cipher.encrypt_padded_vec::<NoPadding>(blocks)].concat())
    }

    /// Returns `true` if something can be decrypted from this line.
    pub fn decrypts(&self, line: &str) -> bool {
        let message = STANDARD.decode(line).unwrap_or_default();
        message.split_first_chunk::<16>().is_some_and(|(iv, ciphertext)| {
            let cipher = cbc::Decryptor::<Aes256>::new(&self.key.into(), &(*iv).into());
            cipher.decrypt_padded_vec::<Pkcs7>(ciphertext).is_ok()
        })
    }

    /// The IV of a line, and the text that it carries.
    #[track_caller]
    pub fn decrypt(&self, line: &str) -> ([u8; 16], String) {
        let Ok(message) = STANDARD.decode(line) else {
            fail("standard base64 with padding, and nothing else on the line", shown(line));
        };
        let Some((iv, ciphertext)) = message.split_first_chunk::<16>() else {
            fail("16 bytes of IV in front of the ciphertext", format!("{} bytes", message.len()));
        };
        let cipher = cbc::Decryptor::<Aes256>::new(&self.key.into(), &(*iv).into());
        let Ok(text) = cipher.decrypt_padded_vec::<Pkcs7>(ciphertext) else {
            fail(
                "AES-256-CBC with PKCS#7 under the key of chat.key",
                format!("what {line} does not decrypt to"),
            );
        };
        match String::from_utf8(text) {
            Ok(text) => (*iv, text),
            Err(e) => fail("an encrypted text in UTF-8", shown(e.as_bytes())),
        }
    }
}

/// The standard alphabet, with padding.
pub fn in_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Writes a file that only its owner can read.
pub fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("the case's folder can be written to");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
}
