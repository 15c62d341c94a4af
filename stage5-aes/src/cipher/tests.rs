//! The cipher on its own, before it meets a socket: published vectors, another
//! implementation, any input at all, and the attacks that it is open to.

use super::*;
use proptest::prelude::*;
use std::io::Write;
use std::process::{Command, Stdio};

// NIST SP 800-38A, F.2.5 and F.2.6 (CBC-AES256). The four blocks there carry no
// padding; ours add a fifth.
const NIST_KEY: &str = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
const NIST_IV: &str = "000102030405060708090a0b0c0d0e0f";
const NIST_TEXT: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                         30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
const NIST_CIPHERTEXT: &str = "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d\
                               39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b";

fn nist_cipher() -> (Cipher, Iv) {
    (Cipher::new(&Key::new(array(NIST_KEY))), array(NIST_IV))
}

fn array<const N: usize>(digits: &str) -> [u8; N] {
    hex::decode(digits).unwrap().try_into().unwrap()
}

fn cipher() -> Cipher {
    Cipher::new(&Key::new([7; KEY_LEN]))
}

#[test]
fn encrypts_as_nist_says() {
    let (cipher, iv) = nist_cipher();
    let mut message = Vec::new();
    cipher.encrypt(&hex::decode(NIST_TEXT).unwrap(), &iv, &mut message);
    assert_eq!(hex::encode(&message[..16]), NIST_IV);
    assert_eq!(hex::encode(&message[16..80]), NIST_CIPHERTEXT);
    assert_eq!(message.len(), 96, "a whole block of padding after whole blocks");
}

#[test]
fn decrypts_as_nist_says() {
    let (cipher, iv) = nist_cipher();
    let text = hex::decode(NIST_TEXT).unwrap();
    // The vector has no padding, so its fifth block is made here: 16 times 16,
    // encrypted with the vector's last block as IV.
    let last: Iv = array(&NIST_CIPHERTEXT[96..]);
    let mut padding = Vec::new();
    cipher.encrypt(b"", &last, &mut padding);

    let message = [&iv[..], &hex::decode(NIST_CIPHERTEXT).unwrap(), &padding[16..]].concat();
    assert_eq!(cipher.decrypt(&message), Ok(text));
}

/// `openssl enc` with the NIST key and `iv`; None where there is no `openssl`.
fn openssl(direction: &str, iv: &Iv, input: &[u8]) -> Option<Vec<u8>> {
    // A key on a command line is seen by every user of the machine. This one
    // stands in a NIST publication.
    let child = Command::new("openssl")
        .args(["enc", direction, "-aes-256-cbc", "-K", NIST_KEY, "-iv"])
        .arg(hex::encode(iv))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            assert!(std::env::var_os("CHAT_CI").is_none(), "openssl: {error}");
            eprintln!("not compared with openssl: {error}");
            return None;
        }
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl enc failed");
    Some(output.stdout)
}

#[test]
fn agrees_with_openssl_both_ways() {
    let (cipher, _) = nist_cipher();
    for len in [0, 1, 15, 16, 17, 31, 32, 1000, MAX_TEXT] {
        let (text, iv) = ("é".repeat(len / 2) + &"x".repeat(len % 2), random_iv());
        let mut message = Vec::new();
        cipher.encrypt(text.as_bytes(), &iv, &mut message);

        let Some(decrypted) = openssl("-d", &iv, &message[IV_LEN..]) else {
            return;
        };
        assert_eq!(decrypted, text.as_bytes(), "openssl reads ours, {len}");

        let ciphertext = openssl("-e", &iv, text.as_bytes()).unwrap();
        let theirs = [&iv[..], &ciphertext].concat();
        assert_eq!(
            cipher.decrypt_line(&STANDARD.encode(theirs)).as_deref(),
            Ok(text.as_str()),
            "we read openssl's, {len}"
        );
    }
}

#[test]
fn the_longest_text_fits_the_line_and_one_byte_more_does_not() {
    assert_eq!(MAX_TEXT, 3055);
    let at = |len: usize| {
        let line = cipher().encrypt_line(&"x".repeat(len), &random_iv());
        assert_eq!(line.len(), line_len(len, 0));
        line.len()
    };
    assert_eq!(at(3055), 4096);
    assert!(at(3056) > 4096);
    // With stage 6's tag inside.
    assert_eq!(longest_text(32), 3023);
    assert!(line_len(3023, 32) <= 4096 && line_len(3024, 32) > 4096);
}

#[test]
fn equal_texts_differ_on_the_wire_under_fresh_ivs() {
    let lines: std::collections::HashSet<String> =
        (0..1000).map(|_| cipher().encrypt_line("same", &random_iv())).collect();
    assert_eq!(lines.len(), 1000);
}

#[test]
fn a_fixed_iv_shows_equal_beginnings() {
    let iv = random_iv();
    let raw = |text: &str| STANDARD.decode(cipher().encrypt_line(text, &iv)).expect("our own base64");
    let (one, two) = (raw("PAY ALICE 00100 EUR, thanks"), raw("PAY ALICE 00100 USD"));
    assert_eq!(one[..32], two[..32], "16 equal bytes, one equal block");
    assert_ne!(one[32..48], two[32..48]);
    assert_eq!(raw("again"), raw("again"), "a repeated message is seen");
}

#[test]
fn a_bit_flipped_in_the_iv_flips_that_bit_of_the_text() {
    let mut message = Vec::new();
    cipher().encrypt(b"PAY ALICE 00100", &random_iv(), &mut message);
    // The attacker knows where the amount stands, and no key.
    message[10] ^= b'0' ^ b'9';
    assert_eq!(cipher().decrypt(&message), Ok(b"PAY ALICE 90100".to_vec()));
}

#[test]
fn a_bit_flipped_in_a_block_wrecks_it_and_flips_that_bit_of_the_next() {
    let text = b"0123456789abcdefPAY ALICE 00100";
    let mut message = Vec::new();
    cipher().encrypt(text, &random_iv(), &mut message);
    message[IV_LEN + 10] ^= b'0' ^ b'9';
    let changed = cipher().decrypt(&message).unwrap();
    assert_ne!(changed[..16], text[..16]);
    assert_eq!(&changed[16..], b"PAY ALICE 90100");
}

#[test]
fn everything_wrong_is_the_same_error() {
    let cipher = cipher();
    let line = cipher.encrypt_line("hello", &random_iv());
    let other_key = Cipher::new(&Key::new([8; KEY_LEN]));
    let mut not_utf8 = Vec::new();
    cipher.encrypt(&[0xff, 0xfe], &random_iv(), &mut not_utf8);
    // The last byte of the IV is the last byte of this one block's padding.
    let mut padding = STANDARD.decode(&line).unwrap();
    padding[IV_LEN - 1] ^= 0x80;

    let wrong = [
        String::new(),
        "hello, in the clear".to_owned(),
        line[..line.len() - 4].to_owned(),
        line.trim_end_matches('=').to_owned(),
        format!("{line}\r"),
        format!(" {line}"),
        line.replace(|c: char| !c.is_ascii_digit(), "-"),
        STANDARD.encode([0; IV_LEN]),
        STANDARD.encode([0; IV_LEN + 15]),
        STANDARD.encode(not_utf8),
        STANDARD.encode(padding),
        // One message in 256 has valid padding under a wrong key. Not this one.
        other_key.encrypt_line("hello", &[3; IV_LEN]),
    ];
    for line in wrong {
        assert_eq!(cipher.decrypt_line(&line), Err(CannotDecrypt), "{line:?}");
    }
    assert_eq!(CannotDecrypt.to_string(), "cannot decrypt");
}

#[test]
fn debug_shows_no_key() {
    let key = Key::new([0xab; KEY_LEN]);
    for shown in [format!("{key:?}"), format!("{:?}", Cipher::new(&key))] {
        assert!(!shown.contains("ab") && !shown.contains("171"), "{shown}");
    }
}

proptest! {
    #[test]
    fn any_text_comes_back(text: String, key: [u8; KEY_LEN], iv: Iv) {
        let cipher = Cipher::new(&Key::new(key));
        let line = cipher.encrypt_line(&text, &iv);
        prop_assert_eq!(line.len(), line_len(text.len(), 0));
        prop_assert!(!line.contains(['\n', '\r', ' ']));
        prop_assert_eq!(cipher.decrypt_line(&line), Ok(text));
    }

    #[test]
    fn no_bytes_make_it_panic(message: Vec<u8>) {
        let _ = cipher().decrypt(&message);
    }

    #[test]
    fn no_line_makes_it_panic(line in "[A-Za-z0-9+/=]{0,90}|.*") {
        let _ = cipher().decrypt_line(&line);
    }

    #[test]
    fn flipping_iv_bits_flips_text_bits(text: [u8; 15], flip: [u8; 15]) {
        let mut message = Vec::new();
        cipher().encrypt(&text, &random_iv(), &mut message);
        for (byte, bits) in message.iter_mut().zip(flip) {
            *byte ^= bits;
        }
        let expected: Vec<u8> = text.iter().zip(flip).map(|(t, f)| t ^ f).collect();
        prop_assert_eq!(cipher().decrypt(&message), Ok(expected));
    }
}
