//! A file that is said to hold certificates.
#![no_main]

use fuzz::with_file;
use libfuzzer_sys::fuzz_target;
use stage8_tls::certs::read_certificates;

fuzz_target!(|bytes: &[u8]| with_file(bytes, |path| {
    match read_certificates(path) {
        Ok(certificates) => assert!(!certificates.is_empty()),
        Err(error) => assert!(!error.to_string().contains('\x1b'), "{error}"),
    }
}));
