//! Private messages that the server passes on and cannot read.
//!
//! TLS protects a line from everyone between a client and the server, and ends
//! there: the server reads what it relays. So each user has a key pair, and a private message is sealed by one client and opened by the
//! other, with HPKE (RFC 9180) in its mode *auth*: an ephemeral key and the
//! sender's own one are both combined with the recipient's, so that only the
//! recipient can open the message, and knows that the sender has sealed it.
//! On the wire it is `base64(enc || ct)`, `enc` being the ephemeral public key.
//!
//! The names are bound to it as `alice>bob` (aad, authenticated and not sent),
//! so that the server cannot pass it off as said to another user, or in the
//! other direction.
//!
//! What this does not do, and where it is answered for:
//!
//! - The server says whose key is whose, and can lie. [`KnownKeys`] notices when
//!   it says something else than before; only two users who compare their
//!   [`safety_number`] notice the first lie.
//! - The server can pass on the same message twice. [`ReplayCache`] notices.
//! - It can drop messages and change their order. Nothing notices.
//! - A thief of an identity file can read every message that was ever sent
//!   *to* its owner (no forward secrecy), and can seal messages to its owner in
//!   any user's name (key compromise impersonation; RFC 9180, 9.1.1 and 9.1.2).

mod file;
mod fingerprint;
mod known_keys;
mod public_key;
mod replay_cache;

pub use file::IdentityError;
pub use fingerprint::{fingerprint, safety_number};
pub use known_keys::{KeyStatus, KnownKeys, KnownKeysError};
pub use public_key::{BadPublicKey, PublicKey};
pub use replay_cache::ReplayCache;

use base64::{Engine, engine::general_purpose::STANDARD};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use stage2_echo::line::MAX_LINE;
use stage6_auth::accounts::LONGEST_NAME;
use std::fmt;

/// What the keys are used for. The same keys in another protocol would be
/// combined with another text, so that no message of one is one of the other.
const INFO: &[u8] = b"chat e2e";

/// Length of `enc` in bytes, and of every X25519 key.
const KEY_LEN: usize = 32;
/// Length in bytes of the tag at the end of `ct`.
const TAG_LEN: usize = 16;

/// Length in bytes of the longest text that can be sent as a private message:
/// 2994. The line is `/dm NAME BASE64` with the longest name, base64 comes in
/// groups of four characters for three bytes, and around the text are `enc` and
/// the tag: (4096 - 4 - 32 - 1) / 4 * 3 - 32 - 16.
pub const MAX_TEXT: usize = (MAX_LINE - "/dm ".len() - LONGEST_NAME - " ".len()) / 4 * 3 - KEY_LEN - TAG_LEN;

/// The suite: how a secret is agreed upon, what is derived from it, and the
/// cipher that is used under what was derived.
type Dhkem = hpke::kem::X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type Aead = hpke::aead::ChaCha20Poly1305;

type PrivateKey = <Dhkem as Kem>::PrivateKey;
type EncappedKey = <Dhkem as Kem>::EncappedKey;

/// A user's own key pair. The private half is wiped from memory when it is
/// dropped, and is shown by nothing: there is no `Display`, and `Debug` is mute.
pub struct Identity {
    private: PrivateKey,
    public: PublicKey,
}

/// The text is longer than [`MAX_TEXT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a private message has at most {MAX_TEXT} bytes")]
pub struct TooLong;

/// A private message that was not sealed for this identity by that sender under
/// these names, or has been changed.
///
/// One error for all that can be wrong: an attacker who sends lines and watches the
/// answers is to learn nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot be opened")]
pub struct CannotOpen;

impl Identity {
    /// A new key pair.
    pub fn random() -> Self {
        let (private, _) = Dhkem::gen_keypair();
        Self::of(private)
    }

    fn of(private: PrivateKey) -> Self {
        let public = Dhkem::sk_to_pk(&private).to_bytes();
        Self { private, public: PublicKey::of_ours(public.into()) }
    }

    /// The half that everyone may know.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Seals `text`, from this identity, whose name is `from`, to the owner of
    /// the key `key`, whose name is `to`; both names as registered. The result
    /// is what stands in `/dm` and `[DM]`.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn seal(&self, key: &PublicKey, from: &str, to: &str, text: &str) -> Result<String, TooLong> {
        if text.len() > MAX_TEXT {
            return Err(TooLong);
        }
        let mode = OpModeS::Auth((self.private.clone(), self.public.to_hpke()));
        let (enc, ct) = hpke::single_shot_seal::<Aead, Kdf, Dhkem>(
            &mode,
            &key.to_hpke(),
            INFO,
            text.as_bytes(),
            &aad(from, to),
        )
        .expect("no PublicKey is of low order, which is all that can fail");
        Ok(STANDARD.encode([enc.to_bytes().as_slice(), &ct].concat()))
    }

    /// Opens what the owner of the key `key`, whose name is `from`, sealed for
    /// this identity, whose name is `to`; both names as registered.
    ///
    /// What comes out is as the sender typed it, control characters and all.
    ///
    /// # Errors
    /// [`CannotOpen`].
    pub fn open(&self, key: &PublicKey, from: &str, to: &str, sealed: &str) -> Result<String, CannotOpen> {
        // Strict: there is one base64 for each message, or `ReplayCache` could be
        // shown the same message in another spelling.
        let bytes = STANDARD.decode(sealed).map_err(|_| CannotOpen)?;
        let text = self.open_bytes(key, INFO, &aad(from, to), &bytes)?;
        String::from_utf8(text).map_err(|_| CannotOpen)
    }

    fn open_bytes(
        &self,
        key: &PublicKey,
        info: &[u8],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, CannotOpen> {
        let (enc, ct) = sealed.split_at_checked(KEY_LEN).ok_or(CannotOpen)?;
        let enc = EncappedKey::from_bytes(enc).map_err(|_| CannotOpen)?;
        hpke::single_shot_open::<Aead, Kdf, Dhkem>(
            &OpModeR::Auth(key.to_hpke()),
            &self.private,
            &enc,
            info,
            ct,
            aad,
        )
        .map_err(|_| CannotOpen)
    }
}

/// No name has a `>` in it, so that these bytes belong to one pair of names.
fn aad(from: &str, to: &str) -> Vec<u8> {
    format!("{from}>{to}").into_bytes()
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(secret)")
    }
}

#[cfg(test)]
mod tests;
