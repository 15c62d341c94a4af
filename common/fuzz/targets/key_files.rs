//! The files that a decision rests on: the shared key, an identity, the known keys.
#![no_main]

use fuzz::with_file;
use libfuzzer_sys::fuzz_target;
use stage5_aes::keyfile::KeyFile;
use stage8_tls::identity::{Identity, KnownKeys};

fuzz_target!(|bytes: &[u8]| with_file(bytes, |path| {
    if let Ok(key) = KeyFile::load(path) {
        assert!(!format!("{key:?}").is_empty());
    }
    // It is there, so nothing is made.
    assert!(!matches!(Identity::load_or_make(path), Ok((_, true))));
    let _ = KnownKeys::new(path, "127.0.0.1:9008").get("alice");
    assert_eq!(std::fs::read(path).expect("it is there"), bytes, "reading changes no file");
}));
