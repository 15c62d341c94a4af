//! The files that a decision rests on: the shared key, an identity, the known keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage5_aes::keyfile::KeyFile;
use stage8_tls::identity::{Identity, KnownKeys};
use std::io::{Seek, Write};
use std::sync::{LazyLock, Mutex};
use tempfile::NamedTempFile;

static FILE: LazyLock<Mutex<NamedTempFile>> =
    LazyLock::new(|| Mutex::new(NamedTempFile::new().expect("the folder for temporary files can be written")));

fuzz_target!(|bytes: &[u8]| {
    let mut file = FILE.lock().expect("a panic ends the run");
    let file = &mut *file;
    file.as_file().set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(bytes)).expect("written");
    let path = file.path();
    if let Ok(key) = KeyFile::load(path) {
        assert!(!format!("{key:?}").is_empty());
    }
    // It is there, so nothing is made.
    assert!(!matches!(Identity::load_or_make(path), Ok((_, true))));
    let _ = KnownKeys::new(path, "127.0.0.1:9008").get("alice");
    assert_eq!(std::fs::read(path).expect("it is there"), bytes, "reading changes no file");
});
