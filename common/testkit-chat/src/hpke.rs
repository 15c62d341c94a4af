//! The sealed private messages of stage 8, written down a second time from RFC 9180
//! alone: mode auth, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
//! The names of the functions are the RFC's.

use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use hkdf::Hkdf;
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};

const KEM: &[u8] = b"KEM\x00\x20";
const SUITE: &[u8] = b"HPKE\x00\x20\x00\x01\x00\x03";
const MODE_AUTH: u8 = 2;
const INFO: &[u8] = b"chat e2e";
/// `enc`, and every key.
const KEY: usize = 32;

/// A user with a key pair.
pub struct Identity {
    name: &'static str,
    secret: StaticSecret,
}

impl Identity {
    /// A new key pair; the name is as registered.
    pub fn new(name: &'static str) -> Self {
        Self { name, secret: StaticSecret::from(rand::random::<[u8; KEY]>()) }
    }

    /// The public half as `/pubkey` and `[KEY]` have it.
    pub fn public(&self) -> String {
        STANDARD.encode(PublicKey::from(&self.secret))
    }

    /// What stands in `/dm` and `[DM]`: `text` from this user to `to`, whose key
    /// is `key`.
    pub fn seal(&self, to: &str, key: &str, text: &str) -> String {
        let theirs = public_key(key).expect("a key of 32 bytes");
        let ephemeral = StaticSecret::from(rand::random::<[u8; KEY]>());
        let enc = PublicKey::from(&ephemeral);
        let secrets =
            [*ephemeral.diffie_hellman(&theirs).as_bytes(), *self.secret.diffie_hellman(&theirs).as_bytes()];
        let context =
            [enc.as_bytes(), theirs.as_bytes(), PublicKey::from(&self.secret).as_bytes()].map(|k| *k);
        let (cipher, nonce) = key_schedule(&extract_and_expand(&secrets.concat(), &context.concat()));
        let aad = format!("{}>{to}", self.name);
        let sealed = cipher.encrypt(&nonce.into(), Payload { msg: text.as_bytes(), aad: aad.as_bytes() });
        let ciphertext = sealed.expect("a text is not too long for ChaCha20");
        STANDARD.encode([enc.as_bytes(), &ciphertext[..]].concat())
    }

    /// What `from`, whose key is `key`, sealed for this user; or what is wrong.
    pub fn open(&self, from: &str, key: &str, sealed: &str) -> Result<String, String> {
        let theirs = public_key(key).ok_or("the key published is not base64 of 32 bytes")?;
        let sealed = STANDARD.decode(sealed).map_err(|_| "it is not standard base64 with padding")?;
        let (enc, ciphertext) = sealed.split_first_chunk::<KEY>().ok_or("it is too short for enc and ct")?;
        let (enc, mine) = (PublicKey::from(*enc), PublicKey::from(&self.secret));
        let secrets =
            [*self.secret.diffie_hellman(&enc).as_bytes(), *self.secret.diffie_hellman(&theirs).as_bytes()];
        let context = [enc.as_bytes(), mine.as_bytes(), theirs.as_bytes()].map(|k| *k);
        let (cipher, nonce) = key_schedule(&extract_and_expand(&secrets.concat(), &context.concat()));
        let aad = format!("{from}>{}", self.name);
        let opened = cipher.decrypt(&nonce.into(), Payload { msg: ciphertext, aad: aad.as_bytes() });
        let text = opened
            .map_err(|_| format!("it is not HPKE in mode auth with info \"chat e2e\" and aad {aad:?}"))?;
        String::from_utf8(text).map_err(|_| "its text is not UTF-8".into())
    }
}

/// A public key in base64.
fn public_key(text: &str) -> Option<PublicKey> {
    let bytes: [u8; KEY] = STANDARD.decode(text).ok()?.try_into().ok()?;
    Some(PublicKey::from(bytes))
}

fn labeled_extract(suite: &[u8], salt: &[u8], label: &[u8], ikm: &[u8]) -> Hkdf<Sha256> {
    Hkdf::new(Some(salt), &[b"HPKE-v1", suite, label, ikm].concat())
}

/// The same as bytes, for where they are bound together.
fn labeled_extracted(label: &[u8], ikm: &[u8]) -> Vec<u8> {
    let ikm = [b"HPKE-v1", SUITE, label, ikm].concat();
    Hkdf::<Sha256>::extract(Some(&[]), &ikm).0.to_vec()
}

fn labeled_expand<const L: usize>(suite: &[u8], prk: &Hkdf<Sha256>, label: &[u8], info: &[u8]) -> [u8; L] {
    let length = (L as u16).to_be_bytes();
    let mut out = [0; L];
    prk.expand(&[&length, &b"HPKE-v1"[..], suite, label, info].concat(), &mut out).expect("a few bytes");
    out
}

fn extract_and_expand(dh: &[u8], kem_context: &[u8]) -> [u8; 32] {
    let prk = labeled_extract(KEM, b"", b"eae_prk", dh);
    labeled_expand(KEM, &prk, b"shared_secret", kem_context)
}

fn key_schedule(shared_secret: &[u8; 32]) -> (ChaCha20Poly1305, [u8; 12]) {
    let hashes = [labeled_extracted(b"psk_id_hash", b""), labeled_extracted(b"info_hash", INFO)].concat();
    let context = [&[MODE_AUTH], &hashes[..]].concat();
    let secret = labeled_extract(SUITE, shared_secret, b"secret", b"");
    let key: [u8; 32] = labeled_expand(SUITE, &secret, b"key", &context);
    (ChaCha20Poly1305::new(&key.into()), labeled_expand(SUITE, &secret, b"base_nonce", &context))
}
