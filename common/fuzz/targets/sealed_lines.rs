//! Sealed lines: nothing opens that was not sealed, and no changed byte goes unnoticed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage5_aes::cipher::{Cipher, Key};
use stage6_auth::envelope::Envelope;

fuzz_target!(|input: (&str, usize, u8, &[u8])| {
    let (text, at, change, garbage) = input;
    let key = Key::new([7; 32]);
    // Without a tag, as in stage 5, anything may come out, but no panic.
    let _ = Cipher::new(&key).decrypt_line(&String::from_utf8_lossy(garbage));

    let envelope = Envelope::new(&key);
    assert!(envelope.open(garbage).is_err());
    let sealed = envelope.seal(text);
    assert_eq!(envelope.open(&sealed).as_deref(), Ok(text));
    let mut changed = sealed.into_bytes();
    let at = at % changed.len();
    changed[at] ^= change;
    assert_eq!(envelope.open(changed).is_ok(), change == 0);
});
