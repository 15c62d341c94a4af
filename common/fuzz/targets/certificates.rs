//! A file that is said to hold certificates.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage8_tls::certs::read_certificates;
use std::io::{Seek, Write};
use std::sync::{LazyLock, Mutex};
use tempfile::NamedTempFile;

static FILE: LazyLock<Mutex<NamedTempFile>> =
    LazyLock::new(|| Mutex::new(NamedTempFile::new().expect("the folder for temporary files can be written")));

fuzz_target!(|bytes: &[u8]| {
    let mut file = FILE.lock().expect("a panic ends the run");
    let file = &mut *file;
    file.as_file().set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(bytes)).expect("written");
    match read_certificates(file.path()) {
        Ok(certificates) => assert!(!certificates.is_empty()),
        Err(error) => assert!(!error.to_string().contains('\x1b'), "{error}"),
    }
});
