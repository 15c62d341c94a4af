//! What the RFC says, and what nobody but the two of them can do.

use super::*;
use hpke::rand_core::{TryCryptoRng, TryRng};
use proptest::prelude::*;
use std::convert::Infallible;

fn hex(digits: &str) -> Vec<u8> {
    let digit = |index| u8::from_str_radix(&digits[index..index + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(digit).collect()
}

fn identity(digits: &str) -> Identity {
    Identity::of(PrivateKey::from_bytes(&hex(digits)).unwrap())
}

/// RFC 9180, A.2.3: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305,
/// mode auth, and of its encryptions the first, as each message is the first.
mod rfc {
    pub const INFO: &str = "4f6465206f6e2061204772656369616e2055726e";
    pub const IKM_E: &str = "938d3daa5a8904540bc24f48ae90eed3f4f7f11839560597b55e7c9598c996c0";
    pub const SK_R: &str = "3ca22a6d1cda1bb9480949ec5329d3bf0b080ca4c45879c95eddb55c70b80b82";
    pub const PK_R: &str = "1a478716d63cb2e16786ee93004486dc151e988b34b475043d3e0175bdb01c44";
    pub const SK_S: &str = "2def0cb58ffcf83d1062dd085c8aceca7f4c0c3fd05912d847b61f3e54121f05";
    pub const PK_S: &str = "f0f4f9e96c54aeed3f323de8534fffd7e0577e4ce269896716bcb95643c8712b";
    pub const ENC: &str = "f7674cc8cd7baa5872d1f33dbaffe3314239f6197ddf5ded1746760bfc847e0e";
    pub const AAD: &str = "436f756e742d30";
    pub const PT: &str = "4265617574792069732074727574682c20747275746820626561757479";
    pub const CT: &str = "ab1a13c9d4f01a87ec3440dbd756e2677bd2ecf9df0ce7ed73869b98e00c09be\
                          111cb9fdf077347aeb88e61bdf";
}

#[test]
fn public_keys_are_those_of_the_rfc() {
    assert_eq!(identity(rfc::SK_R).public().as_bytes()[..], hex(rfc::PK_R));
    assert_eq!(identity(rfc::SK_S).public().as_bytes()[..], hex(rfc::PK_S));
}

#[test]
fn what_the_rfc_sealed_is_opened() {
    let sealed = hex(&[rfc::ENC, rfc::CT].concat());
    let (to, from) = (identity(rfc::SK_R), identity(rfc::SK_S).public());
    let text = to.open_bytes(&from, &hex(rfc::INFO), &hex(rfc::AAD), &sealed);
    assert_eq!(text, Ok(hex(rfc::PT)));
}

/// The example of the book's contract, which another implementation has sealed.
#[test]
fn the_contracts_example_is_opened() {
    let (alice, bob) = (identity(rfc::SK_S), identity(rfc::SK_R));
    let sealed = "y9QHtlsZ86nscsCLFYuOQL/c1N7NBULvf5waYBNe0jNf2cq3g+N/pmdjymlhYhleloDTmg4=";
    assert_eq!(bob.open(&alice.public(), "alice", "bob", sealed), Ok("hello".to_owned()));
    let number = safety_number(("bob", &bob.public()), ("alice", &alice.public()));
    assert_eq!(number, "76454 57853 35955 85162 60234 30958 51086 39273 50178 62463 08485 80173");
}

/// The library's randomness, once.
struct Once(Vec<u8>);

impl TryRng for Once {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("keys are made of bytes")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("keys are made of bytes")
    }
    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        to.copy_from_slice(&std::mem::take(&mut self.0));
        Ok(())
    }
}

impl TryCryptoRng for Once {}

#[test]
fn sealing_in_this_suite_gives_what_the_rfc_says() {
    let from = identity(rfc::SK_S);
    let to = identity(rfc::SK_R).public();
    let mode = OpModeS::Auth((from.private.clone(), from.public.to_hpke()));
    let (enc, ct) = hpke::single_shot_seal_with_rng::<Aead, Kdf, Dhkem>(
        &mode,
        &to.to_hpke(),
        &hex(rfc::INFO),
        &hex(rfc::PT),
        &hex(rfc::AAD),
        &mut Once(hex(rfc::IKM_E)),
    )
    .unwrap();
    assert_eq!(enc.to_bytes()[..], hex(rfc::ENC));
    assert_eq!(ct, hex(rfc::CT));
}

/// Alice, bob, and what alice has sealed for bob.
fn sealed_message() -> (Identity, Identity, String) {
    let (alice, bob) = (Identity::random(), Identity::random());
    let sealed = alice.seal(&bob.public(), "alice", "bob", "between you and me").unwrap();
    (alice, bob, sealed)
}

#[test]
fn only_the_right_users_under_the_right_names_open_it() {
    let (alice, bob, sealed) = sealed_message();
    let carol = Identity::random();
    let opened = |by: &Identity, key: PublicKey, from, to| by.open(&key, from, to, &sealed);

    assert_eq!(opened(&bob, alice.public(), "alice", "bob").unwrap(), "between you and me");
    for wrong in [
        opened(&carol, alice.public(), "alice", "bob"),
        opened(&alice, alice.public(), "alice", "bob"),
        opened(&bob, carol.public(), "alice", "bob"),
        opened(&bob, bob.public(), "alice", "bob"),
        // As if bob had said it to alice, somebody else had, or bob had
        // registered in another spelling.
        opened(&bob, alice.public(), "bob", "alice"),
        opened(&bob, alice.public(), "carol", "bob"),
        opened(&bob, alice.public(), "alice", "carol"),
        opened(&bob, alice.public(), "alice", "Bob"),
        opened(&bob, alice.public(), "alice>bob", ""),
    ] {
        assert_eq!(wrong, Err(CannotOpen));
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let (alice, bob, sealed) = sealed_message();
    let bytes = STANDARD.decode(&sealed).unwrap();
    for index in 0..bytes.len() {
        for bit in [0x01, 0x80] {
            let mut changed = bytes.clone();
            changed[index] ^= bit;
            let opened = bob.open(&alice.public(), "alice", "bob", &STANDARD.encode(changed));
            assert_eq!(opened, Err(CannotOpen), "bit {bit:#x} of byte {index}");
        }
    }
    for length in 0..bytes.len() {
        let cut = STANDARD.encode(&bytes[..length]);
        assert_eq!(bob.open(&alice.public(), "alice", "bob", &cut), Err(CannotOpen), "cut to {length}");
    }
}

#[test]
fn there_is_one_spelling_of_a_message() {
    let (alice, bob, _) = sealed_message();
    // 49, 50, 51 bytes: two, one and no characters of padding.
    for text in ["a", "ab", "abc"] {
        let sealed = alice.seal(&bob.public(), "alice", "bob", text).unwrap();
        let bare = sealed.trim_end_matches('=');
        let mut others =
            vec![format!("{sealed}="), format!(" {sealed}"), format!("{sealed}\r"), sealed.replace('+', "-")];
        others.push(format!("{bare}===="));
        if bare.len() < sealed.len() {
            others.push(bare.to_owned());
            // The bits that the last character has too many.
            let last = bare.as_bytes()[bare.len() - 1];
            for other in b'A'..=b'z' {
                if other != last && other.is_ascii_alphanumeric() {
                    let padding = &sealed[bare.len()..];
                    others.push(format!("{}{}{padding}", &bare[..bare.len() - 1], other as char));
                }
            }
        }
        for other in others.into_iter().filter(|other| *other != sealed) {
            assert_eq!(bob.open(&alice.public(), "alice", "bob", &other), Err(CannotOpen), "{other}");
        }
    }
}

#[test]
fn the_longest_text_fits_the_line_and_one_byte_more_does_not() {
    assert_eq!(MAX_TEXT, 2994);
    let (alice, bob, _) = sealed_message();
    let name = "n".repeat(LONGEST_NAME);
    let seal = |length| alice.seal(&bob.public(), "alice", &name, &"x".repeat(length));
    let line = format!("/dm {name} {}", seal(MAX_TEXT).unwrap());
    // The next group of four characters would be too many.
    assert!((MAX_LINE - 3..=MAX_LINE).contains(&line.len()), "{}", line.len());
    assert_eq!(seal(MAX_TEXT + 1), Err(TooLong));
}

#[test]
fn the_same_text_is_never_the_same_line() {
    let (alice, bob, sealed) = sealed_message();
    let again = alice.seal(&bob.public(), "alice", "bob", "between you and me").unwrap();
    assert_ne!(again, sealed);
    // Not even in a part: the ephemeral key is new, and everything follows from it.
    let halves = |line: &str| line.as_bytes().chunks(16).map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert!(halves(&again).iter().all(|part| !halves(&sealed).contains(part)));
}

#[test]
fn debug_shows_no_key() {
    let alice = identity(rfc::SK_S);
    assert_eq!(format!("{alice:?}"), "Identity(secret)");
}

/// RFC 7748 has points of low order; these are all encodings of them with which
/// every private key agrees on zero, with the highest bit, which does not count,
/// clear and set.
#[test]
fn keys_that_encrypt_for_everybody_are_refused() {
    let low = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for digits in low {
        let mut bytes: [u8; KEY_LEN] = hex(digits).try_into().unwrap();
        for highest in [0, 0x80] {
            bytes[KEY_LEN - 1] |= highest;
            assert_eq!(PublicKey::new(bytes), Err(BadPublicKey::LowOrder), "{digits}");
        }
    }
}

#[test]
fn a_public_key_is_32_bytes_in_base64() {
    let key = identity(rfc::SK_R).public();
    let text = key.to_string();
    assert_eq!(text, "GkeHFtY8suFnhu6TAESG3BUemIs0tHUEPT4Bdb2wHEQ=");
    assert_eq!(text.parse(), Ok(key));

    let wrong = |text: &str| text.parse::<PublicKey>().unwrap_err();
    assert_eq!(wrong(""), BadPublicKey::Length(0));
    assert_eq!(wrong(&STANDARD.encode([7; 31])), BadPublicKey::Length(31));
    assert_eq!(wrong(&STANDARD.encode([7; 33])), BadPublicKey::Length(33));
    for no_base64 in [text.trim_end_matches('='), &format!(" {text}"), &format!("{text}\n"), "*"] {
        assert_eq!(wrong(no_base64), BadPublicKey::NoBase64, "{no_base64:?}");
    }
}

proptest! {
    // Each case is three times a dozen multiplications on the curve.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_comes_back(text in "(?s).{0,200}", from in "[A-Za-z0-9_.-]{1,32}", to in "[A-Za-z0-9_.-]{1,32}") {
        let (alice, bob) = (Identity::random(), Identity::random());
        let sealed = alice.seal(&bob.public(), &from, &to, &text).unwrap();
        prop_assert_eq!(bob.open(&alice.public(), &from, &to, &sealed), Ok(text));
    }

    #[test]
    fn no_line_makes_it_panic(line in "(?s).{0,200}") {
        let (alice, bob, _) = sealed_message();
        prop_assert_eq!(bob.open(&alice.public(), "alice", "bob", &line), Err(CannotOpen));
        let _ = line.parse::<PublicKey>();
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let (alice, bob, _) = sealed_message();
        prop_assert_eq!(bob.open(&alice.public(), "alice", "bob", &STANDARD.encode(bytes)), Err(CannotOpen));
    }
}
