//! The half of a key pair that everyone may know.

use super::{Aead, Dhkem, KEY_LEN, Kdf};
use base64::{Engine, engine::general_purpose::STANDARD};
use hpke::{Deserializable, Kem, OpModeS};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A user's public key: 32 bytes, on the wire in standard base64. Whatever
/// has this type can be sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; KEY_LEN]);

/// Why a text is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadPublicKey {
    /// Not in standard base64 with padding.
    #[error("a public key is 32 bytes in base64, 44 characters; this is no base64")]
    NoBase64,
    /// The wrong number of bytes.
    #[error("a public key is 32 bytes in base64, 44 characters; these are {0} bytes")]
    Length(usize),
    /// One of the few points with which every private key has the same result.
    #[error("this public key would encrypt for everybody")]
    LowOrder,
}

impl PublicKey {
    /// # Errors
    /// [`BadPublicKey::LowOrder`]. With such a key the secret that two keys have
    /// in common is zero whatever the other one is, so that everyone could read
    /// along (RFC 7748, 6.1; RFC 9180, 7.1.4). There are twelve ways to write
    /// one; instead of a list of them, which would have to be right, the key is
    /// tried, and the library refuses the result.
    pub fn new(bytes: [u8; KEY_LEN]) -> Result<Self, BadPublicKey> {
        let key = Self(bytes);
        let tried = hpke::setup_sender::<Aead, Kdf, Dhkem>(&OpModeS::Base, &key.to_hpke(), b"");
        tried.map(|_| key).map_err(|_| BadPublicKey::LowOrder)
    }

    /// The public key of a private key of ours, which is never of low order.
    pub(super) fn of_ours(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// The key itself.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    pub(super) fn to_hpke(self) -> <Dhkem as Kem>::PublicKey {
        Deserializable::from_bytes(&self.0).expect("any 32 bytes are a point")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = BadPublicKey;

    fn from_str(text: &str) -> Result<Self, BadPublicKey> {
        Self::new(decode(text)?)
    }
}

/// The bytes of a key, which is not tried: that takes as long as it takes to
/// read a thousand lines.
pub(super) fn decode(text: &str) -> Result<[u8; KEY_LEN], BadPublicKey> {
    let bytes = STANDARD.decode(text).map_err(|_| BadPublicKey::NoBase64)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| BadPublicKey::Length(length))
}
