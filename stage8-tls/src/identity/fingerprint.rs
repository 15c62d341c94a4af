//! What two users compare, to know that no attacker is between them.
//!
//! A server that lies about keys gives alice a key of its own as bob's, and bob
//! one as alice's, and reads and seals anew what passes. Everything looks right
//! on both sides, but the keys are others. So the two compare what their
//! programs have, over a way on which the server is not: face to face, or on
//! the telephone, where they know the voice.
//!
//! Digits, as in Signal's safety numbers and unlike SSH's base64, because they
//! can be read aloud in any language and no two of them look alike. Thirty for
//! each user, and those of both in one number, the same on both screens, so that
//! one comparison settles both directions.
//!
//! How strong that is: 30 decimal digits are 99.6 bits. An attacker who
//! wants to pose as bob needs a key whose 30 digits under the name bob are bob's; he
//! has to try 2^99 keys for that. That two keys of which he has both collide
//! (2^50) is of no use to him. Comparing only the first two groups leaves 33
//! bits, some hours for a graphics card: compare them all.

use super::PublicKey;
use sha2::{Digest, Sha256};

/// Groups of five digits for each user.
const GROUPS: usize = 6;
/// Five bytes are reduced to five digits; some groups are then likelier than
/// others by one part in eleven millions.
const GROUP_BYTES: usize = 5;

/// One user's key and name in 30 digits, to be printed on a card.
///
/// Names are the same whatever their case, and so are their fingerprints.
pub fn fingerprint(name: &str, key: &PublicKey) -> String {
    let hash = Sha256::new()
        .chain_update(b"chat fingerprint\0")
        .chain_update(name.to_ascii_lowercase())
        // Ends the name, which has no NUL, so that no part of the key can
        // be taken for a part of the name.
        .chain_update(b"\0")
        .chain_update(key.as_bytes())
        .finalize();
    let group = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte)) % 100_000;
    let groups = hash.chunks_exact(GROUP_BYTES).take(GROUPS);
    groups.map(|bytes| format!("{:05}", group(bytes))).collect::<Vec<_>>().join(" ")
}

/// What two users compare: the fingerprints of both, the one whose name comes
/// first in the alphabet in front, so that it is the same on both sides. The two
/// may be given in any order.
pub fn safety_number(one: (&str, &PublicKey), other: (&str, &PublicKey)) -> String {
    let mut both = [one, other].map(|(name, key)| (name.to_ascii_lowercase(), fingerprint(name, key)));
    both.sort();
    both.map(|(_, fingerprint)| fingerprint).join(" ")
}

#[cfg(test)]
mod tests;
