//! Hostile certificates and keys, kept in `tests/hostile/` (the script `make` there says
//! how each was made). Every program that reads one says what is wrong with it, and nothing
//! of the file reaches a terminal or a log raw.

#![allow(clippy::unwrap_used)] // as in every test, here also outside of the functions marked so

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use stage8_tls::certs::{ServerCertificate, read_certificates};
use stage8_tls::tls::TlsAcceptor;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;

/// Of a certificate that is right.
const GOOD: &str = "names:       localhost, 127.0.0.1\n";

/// Each file, and words of what `stage8-certs show` says about it.
const CERTIFICATES: [(&str, &str); 29] = [
    ("address-as-name.pem", "names:       127.0.0.1\n"),
    ("authority.pem", "subject:     CN=authority\n"),
    ("byte-order-mark.pem", r"subject:     CN=evil\x1b[2J"),
    ("c1.pem", r"subject:     CN=x\x9b2J"),
    ("carriage-return.pem", r"subject:     CN=x\x0dsubject:     CN=bank"),
    ("common-name.pem", "names:       none\n"),
    ("cr-lf.pem", GOOD),
    ("cut.pem", "is cut"),
    ("der.pem", "is binary, not PEM text"),
    ("direction.pem", r"subject:     CN=\u{202e}moc.elpmaxe"),
    ("empty.pem", "holds no certificate"),
    ("esc-in-base64.pem", "is not base64"),
    ("esc-in-comment.pem", GOOD),
    ("esc-in-label.pem", "holds no certificate"),
    ("esc.pem", r"names:       evil\x1b[2J.example"),
    ("good.pem", GOOD),
    ("line-end.pem", r"subject:     CN=x\x0avalid:       2000 to 3000 (valid now)"),
    ("lower-case.pem", "holds no certificate"),
    ("marks.pem", r"\u{0301}\u{0301}"),
    ("not-pem.pem", "holds no certificate"),
    ("not-x509.pem", "has not the form of one (X.509)"),
    ("nul.pem", "is not base64"),
    ("one-long-line.pem", "is damaged"),
    ("other.pem", "names:       another.example\n"),
    ("osc-52.pem", r"subject:     CN=x\x1b]52;c;eA==\x07"),
    ("utf-16.pem", "is UTF-16 text"),
    ("version-1.pem", "names:       none\n"),
    ("weak-key.pem", "key:         RSA, 1024 bits\n"),
    ("zero-width.pem", r"subject:     CN=exam\u{200b}ple\u{feff}"),
];

/// Each key, and words of what the server says that finds it as its own.
const KEYS: [(&str, &str); 7] = [
    ("certificate.key", "holds no private key"),
    ("cut.key", "is cut"),
    ("encrypted.key", "encrypted with a passphrase"),
    ("esc-in-base64.key", "is not base64"),
    ("good.key", ""),
    ("other.key", "does not fit server.pem"),
    ("utf-16.key", "is UTF-16 text"),
];

fn corpus(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(file)
}

/// What may not reach a terminal: it would drive it, or cannot be seen there.
fn is_raw(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[track_caller]
fn assert_clean<'a>(what: &str, said: &'a [u8]) -> &'a str {
    let text = str::from_utf8(said).unwrap();
    assert!(!text.contains(is_raw), "{what}: {text:?}");
    // No marks in a pile, no panic, and no words of a library.
    for bad in ["\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}", "panicked", "Error(", "Error {"] {
        assert!(!text.contains(bad), "{what}: {bad:?} is in {text}");
    }
    text
}

/// Returns `true` if the file is a certificate, which can be shown.
fn is_shown(words: &str) -> bool {
    words.contains(":  ") || words.starts_with('\\')
}

/// Both streams of a program that has ended.
#[track_caller]
fn said(what: &str, output: &Output, code: i32) -> String {
    let text = [&output.stdout, &output.stderr].map(|said| assert_clean(what, said)).concat();
    assert_eq!(output.status.code(), Some(code), "{what}: {text}");
    text
}

#[test]
fn the_table_names_every_file() {
    let mut files: Vec<_> = fs::read_dir(corpus("")).unwrap().map(|f| f.unwrap().file_name()).collect();
    files.retain(|file| file != "make");
    files.sort_unstable();
    let mut named: Vec<_> = CERTIFICATES.iter().chain(&KEYS).map(|(file, _)| *file).collect();
    named.sort_unstable();
    assert_eq!(files, named);
}

#[test]
fn certs_show() {
    for (file, words) in CERTIFICATES {
        let output = Command::new(env!("CARGO_BIN_EXE_stage8-certs")).arg("show").arg(corpus(file)).output();
        let text = said(file, &output.unwrap(), i32::from(!is_shown(words)));
        assert!(text.contains(words), "{file}: {words:?} is not in {text}");
        // A certificate cannot add a line.
        assert_eq!(text.lines().count(), if is_shown(words) { 7 } else { 1 }, "{file}: {text}");
    }
}

/// What a server says that starts with these three files. It ends in any case, since
/// its address is in use.
fn server_says(what: &str, ca: &str, certificate: &str, key: &str) -> String {
    let in_use = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let certs = folder.path().join("certs");
    fs::create_dir(&certs).unwrap();
    for (name, file) in [("ca.pem", ca), ("server.pem", certificate), ("server.key", key)] {
        fs::copy(corpus(file), certs.join(name)).unwrap();
    }
    fs::set_permissions(certs.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_stage8-server"))
        .args(["--listen", &in_use.local_addr().unwrap().to_string()])
        .current_dir(folder.path())
        .output();
    assert_clean(what, &fs::read(folder.path().join("server_logs.txt")).unwrap());
    said(what, &output.unwrap(), 1)
}

#[test]
fn a_server_with_each_of_them() {
    for (file, _) in CERTIFICATES {
        server_says(&format!("{file} as server.pem"), "authority.pem", file, "good.key");
        server_says(&format!("{file} as ca.pem"), file, "good.pem", "good.key");
    }
    for (file, words) in KEYS {
        let text = server_says(file, "authority.pem", "good.pem", file);
        assert!(text.contains(words), "{file}: {words:?} is not in {text}");
    }
}

/// A client that meets a server with this certificate, and trusts that authority.
fn client_says(what: &str, ca: &str, certificate: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Command::new(env!("CARGO_BIN_EXE_stage8-client"));
    client.args(["--connect", &listener.local_addr().unwrap().to_string(), "--ca"]).arg(corpus(ca));
    let pem = fs::read(corpus(certificate)).unwrap();
    let pem = pem.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&pem);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    // Not the certificate's own key, which a client would find out later.
    let key = PrivateKeyDer::from_pem_file(corpus("good.key")).unwrap();
    let acceptor = TlsAcceptor::new(&ServerCertificate {
        key: Arc::new(CertifiedKey::new(chain.unwrap(), any_supported_type(&key).unwrap())),
        info: read_certificates(&corpus("good.pem")).unwrap().remove(0),
    });
    // It waits for a client for as long as the listener is there, and may wait in vain.
    let copy = listener.try_clone().unwrap();
    thread::spawn(move || copy.accept().map(|(stream, _)| acceptor.accept(&Arc::new(stream)).is_ok()));
    let output = client.stdin(Stdio::null()).output().unwrap();
    said(what, &output, 1)
}

#[test]
fn a_client_that_trusts_each_of_them_or_meets_it() {
    for (file, words) in CERTIFICATES {
        client_says(&format!("{file} as --ca"), file, "other.pem");
        if is_shown(words) {
            let text = client_says(&format!("{file} at the server"), "authority.pem", file);
            let refused = text.contains(": its certificate ");
            assert_eq!(refused, words != GOOD, "{file}: {text}");
        }
    }
}
