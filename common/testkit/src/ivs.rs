//! Whether the IVs of many messages look random.

use std::collections::HashSet;

/// An IV of AES has so many bytes, and stands at the beginning of its message.
const IV: usize = 16;

/// So many messages a test takes. A random bit is the same in all of them once in 10^19
/// times, so that no right program ever fails by chance.
pub const MESSAGES: usize = 64;

/// Fails unless the IVs at the beginnings of these messages look random. The messages, at
/// least [`MESSAGES`], stand in the order in which they were sent.
///
/// It finds IVs that come twice, that were part of an earlier message, and of which one bit
/// follows from another bit of the same IV or of the one before: so do counters, times and
/// letters. What a hash makes of a counter looks random.
#[track_caller]
pub fn require_random(messages: &[Vec<u8>]) {
    if let Some(found) = not_random(messages) {
        crate::fail("random IVs", found);
    }
}

/// What gives the IVs away; `None` where they look random.
fn not_random(messages: &[Vec<u8>]) -> Option<String> {
    assert!(messages.len() >= MESSAGES, "a test of IVs takes {MESSAGES} messages");
    let ivs: Vec<_> = messages.iter().map(|message| &message[..IV]).collect();
    if ivs.iter().collect::<HashSet<_>>().len() < ivs.len() {
        return Some("an IV that comes twice".to_owned());
    }
    let is_part = |at: usize| messages[..at].iter().any(|m| m.windows(IV).any(|part| part == ivs[at]));
    if (0..ivs.len()).any(is_part) {
        return Some("an IV that was part of an earlier message".to_owned());
    }
    // The same bit of all IVs is one number; behind the real bits stands one that never changes.
    let ivs = &ivs[ivs.len() - MESSAGES..];
    let bit = |at: usize| ivs.iter().fold(0u64, |all, iv| all << 1 | u64::from(iv[at / 8] >> (at % 8) & 1));
    let bits: Vec<_> = (0..IV * 8).map(bit).chain([0]).collect();
    for (one, &first) in bits[..IV * 8].iter().enumerate() {
        for (other, &second) in bits.iter().enumerate() {
            let (of_this, of_the_one_before) = (first ^ second, (first ^ (second >> 1)) << 1);
            let is_known = (one < other && [0, u64::MAX].contains(&of_this))
                || [0, u64::MAX << 1].contains(&of_the_one_before);
            if is_known {
                return Some(format!("IVs with a bit ({one}) that is known beforehand"));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::Random;

    /// Each message has this IV and 16 bytes more.
    fn found(iv: impl Fn(u64, &mut Random) -> Vec<u8>) -> Option<String> {
        let mut random = Random::new(7);
        let message = |n| {
            let iv = iv(n, &mut random);
            [iv, bytes(&mut random)].concat()
        };
        not_random(&(0..MESSAGES as u64).map(message).collect::<Vec<_>>())
    }

    fn bytes(random: &mut Random) -> Vec<u8> {
        (0..IV).map(|_| random.below(256) as u8).collect()
    }

    #[test]
    fn random_ivs_pass() {
        for seed in 0..1000 {
            let mut random = Random::new(seed);
            let messages: Vec<_> = (0..MESSAGES).map(|_| bytes(&mut random)).collect();
            assert_eq!(not_random(&messages), None, "{seed}");
        }
    }

    #[test]
    fn ivs_that_are_known_beforehand_are_found() {
        assert_eq!(found(|_, _| vec![7; IV]).unwrap(), "an IV that comes twice");
        let start = 0x1234_5678_9abc_def0_0fed_cba9_8765_43f0_u128;
        for step in [1, 1 << 64, 0x9e37_79b9_7f4a_7c15_u128] {
            let counted = found(|n, _| (start + u128::from(n) * step).to_be_bytes().to_vec());
            assert!(counted.is_some(), "{step:x}");
        }
        let letters = found(|_, random| (0..IV).map(|_| b"0123456789abcdef"[random.below(16)]).collect());
        assert!(letters.unwrap().contains("known beforehand"));
        let half = found(|n, random| [&n.to_be_bytes()[..], &bytes(random)[8..]].concat());
        assert!(half.unwrap().contains("known beforehand"));
        let repeated = found(|_, random| bytes(random)[..8].repeat(2));
        assert!(repeated.unwrap().contains("known beforehand"));
    }

    #[test]
    fn an_iv_out_of_the_message_before_is_found() {
        let mut random = Random::new(1);
        let mut messages = vec![[bytes(&mut random), bytes(&mut random)].concat()];
        while messages.len() < MESSAGES {
            let last = messages.last().unwrap()[IV..].to_vec();
            messages.push([last, bytes(&mut random)].concat());
        }
        assert_eq!(not_random(&messages).unwrap(), "an IV that was part of an earlier message");
    }

    #[test]
    fn an_iv_that_turns_the_one_before_round_is_found() {
        let mut random = Random::new(1);
        let mut messages = vec![bytes(&mut random)];
        while messages.len() < MESSAGES {
            // One half is new, and the other one is the new half of the IV before.
            messages.push([&messages.last().unwrap()[8..], &bytes(&mut random)[8..]].concat());
        }
        assert!(not_random(&messages).unwrap().contains("known beforehand"));
    }
}
