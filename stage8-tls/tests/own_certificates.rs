//! Certificates that people make with OpenSSL, with the mistakes that people make:
//! what the server says about each when it starts, and what a client says that meets it.

#![allow(clippy::unwrap_used)] // as in every test, here also outside of the functions marked so

use clap::Parser;
use common::log::{Level, Log};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use stage8_tls::certs::{CertificateFolder, ServerCertificate, read_certificates};
use stage8_tls::tls::{TlsAcceptor, TrustArgs};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use tempfile::TempDir;

/// An authority, and a certificate from it with these extensions (`""` is none, and the
/// file of them is then left out) and the key of that size, as by the guides on the web.
const SIGNED: &str = r#"
    openssl req -x509 -nodes -newkey rsa:2048 -subj "/CN=Own authority" -days 30 -keyout ca.key -out ca.pem
    openssl req -new -nodes -newkey "$KEY" -subj /CN=localhost -keyout server.key -out server.csr
    if [ -n "$EXT" ]; then echo "$EXT" >ext; set -- -extfile ext; fi
    openssl x509 -req -days 30 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem "$@"
"#;

const NAMES: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1";

/// A folder with what the script has made; `None` where there is no OpenSSL.
fn made(script: &str, key: &str, extensions: &str) -> Option<TempDir> {
    if let Err(error) = Command::new("openssl").arg("version").output() {
        println!("no openssl here: {error}");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!("set -e; umask 077; {script}");
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("KEY", key)
        .env("EXT", extensions)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(folder)
}

/// What the server says when it starts with this folder.
fn server_says(folder: &Path) -> String {
    let (log, _guard) = Log::start(Level::Error, None).unwrap();
    let error = CertificateFolder::new(folder).open(&[], &log).err().expect("it must be refused");
    error.to_string()
}

/// What a client says that trusts the `ca.pem` of this folder, to a server that uses its
/// `server.pem` without looking.
fn client_says(folder: &Path) -> String {
    let file = |name| folder.join(name);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string().parse().unwrap();
    let args = Args::parse_from(["client".as_ref(), "--ca".as_ref(), file("ca.pem").as_os_str()]);
    let connector = match args.trust.load(&to) {
        Ok(connector) => connector,
        Err(error) => return error.to_string(),
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file("server.pem")).unwrap().collect();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let certificate = ServerCertificate {
        key: Arc::new(CertifiedKey::new(chain.unwrap(), any_supported_type(&key).unwrap())),
        info: read_certificates(&file("server.pem")).unwrap().remove(0),
    };
    let acceptor = TlsAcceptor::new(&certificate);
    thread::scope(|scope| {
        scope.spawn(move || acceptor.accept(&Arc::new(listener.accept().unwrap().0)));
        connector.connect().err().expect("it must be refused").to_string()
    })
}

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    trust: TrustArgs,
}

#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    // No words of the library, and nothing that would destroy what somebody has made.
    for bad in ["Other(", "Error(", "[45, ", "--force", "OtherError", "{ "] {
        assert!(!text.contains(bad), "{bad:?} is in: {text}");
    }
}

/// Made with [`SIGNED`], and refused for the same reason at both ends.
fn signed(key: &str, extensions: &str, words: &[&str]) {
    let Some(folder) = made(SIGNED, key, extensions) else { return };
    assert_says(&server_says(folder.path()), &[words, &["server.pem: ", "--certs"]].concat());
    assert_says(&client_says(folder.path()), &[words, &["its certificate "]].concat());
}

#[test]
fn a_certificate_that_is_right_is_taken() {
    let (log, _guard) = Log::start(Level::Error, None).unwrap();
    for key in ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256", "ed25519"] {
        let script = SIGNED.replace("\"$KEY\"", key);
        let Some(folder) = made(&script, "", NAMES) else { return };
        CertificateFolder::new(folder.path()).open(&[], &log).unwrap();
    }
}

#[test]
fn one_self_signed_file_as_authority_and_as_server() {
    let script = "openssl req -x509 -nodes -newkey rsa:2048 -subj /CN=localhost -addext \"$EXT\" \
                  -keyout server.key -out server.pem; cp server.pem ca.pem";
    let Some(folder) = made(script, "", NAMES) else { return };
    let words = ["is the certificate of an authority (CA:TRUE), not of a server", "stage8-certs"];
    assert_says(&server_says(folder.path()), &words);
    assert_says(&client_says(folder.path()), &words);
}

#[test]
fn an_address_as_a_host_name() {
    let words = ["has the address 127.0.0.1 as a host name", "subjectAltName=IP:127.0.0.1"];
    signed("rsa:2048", "subjectAltName=DNS:localhost,DNS:127.0.0.1", &words);
}

#[test]
fn a_common_name_alone() {
    signed("rsa:2048", "keyUsage=digitalSignature", &["has no names", "common name", "subjectAltName="]);
}

#[test]
fn version_1() {
    signed("rsa:2048", "", &["version 1", "-extfile"]);
}

#[test]
fn for_clients_only() {
    let extensions = format!("{NAMES}\nextendedKeyUsage=clientAuth");
    signed("rsa:2048", &extensions, &["is not for servers", "serverAuth"]);
}

#[test]
fn a_weak_key() {
    let Some(folder) = made(SIGNED, "rsa:1024", NAMES) else { return };
    assert_says(&server_says(folder.path()), &["server.pem: has a weak key (RSA, 1024 bits)", "2048"]);
    let Some(folder) = made(&SIGNED.replace("rsa:2048", "rsa:1024"), "rsa:2048", NAMES) else { return };
    let words = ["ca.pem: ", "authority with a weak key (RSA, 1024 bits)"];
    assert_says(&server_says(folder.path()), &words);
    assert_says(&client_says(folder.path()), &words);
}

#[test]
fn the_certificate_of_another_authority() {
    let script = format!(
        "{SIGNED} openssl req -x509 -nodes -newkey rsa:2048 -subj /CN=Other -keyout o.key -out ca.pem"
    );
    let Some(folder) = made(&script, "rsa:2048", NAMES) else { return };
    assert_says(&server_says(folder.path()), &["server.pem: is not signed by the authority in ca.pem"]);
    let Some(folder) = made(&format!("{SIGNED} cp server.pem ca.pem"), "rsa:2048", NAMES) else { return };
    let words = ["ca.pem: ", "of a server, not of an authority", "not server.pem"];
    assert_says(&server_says(folder.path()), &words);
    assert_says(&client_says(folder.path()), &words);
}

#[test]
fn an_encrypted_key() {
    for encrypt in ["openssl pkey -aes256", "openssl rsa -aes256 -traditional"] {
        let script =
            format!("{SIGNED} {encrypt} -passout pass:secret -in server.key -out new; mv new server.key");
        let Some(folder) = made(&script, "rsa:2048", NAMES) else { return };
        let words = ["server.key: ", "encrypted with a passphrase", "openssl pkey -in OLD -out NEW"];
        assert_says(&server_says(folder.path()), &words);
    }
}

/// Each file of the set, changed by a command that reads it and writes it.
fn each_file_changed(by: &str, words: &[&str]) {
    for file in ["server.pem", "ca.pem", "server.key"] {
        let script = format!("{SIGNED} <{file} {by} >new; mv new {file}");
        let Some(folder) = made(&script, "rsa:2048", NAMES) else { return };
        assert_says(&server_says(folder.path()), &[words, &[&format!("{file}: ")]].concat());
        if file == "ca.pem" {
            assert_says(&client_says(folder.path()), &[words, &["ca.pem: "]].concat());
        }
    }
}

#[test]
fn a_file_that_is_cut() {
    each_file_changed("head -c 700", &["is cut", "-----END", "copy the file again"]);
}

#[test]
fn a_file_in_utf_16() {
    each_file_changed("iconv -f ASCII -t UTF-16", &["is UTF-16 text", "iconv -f UTF-16 -t UTF-8"]);
    each_file_changed("iconv -f ASCII -t UTF-16LE", &["is UTF-16 text"]);
}

#[test]
fn a_file_in_der() {
    each_file_changed("sed /-----/d | base64 -d", &["is binary, not PEM text", "openssl x509 -inform DER"]);
}

#[test]
fn a_file_with_a_byte_order_mark_is_taken() {
    let bom =
        "for f in server.pem ca.pem server.key; do printf '\\357\\273\\277' | cat - $f >new; mv new $f; done";
    let Some(folder) = made(&format!("{SIGNED} {bom}"), "rsa:2048", NAMES) else { return };
    let (log, _guard) = Log::start(Level::Error, None).unwrap();
    CertificateFolder::new(folder.path()).open(&[], &log).unwrap();
    let ca = folder.path().join("ca.pem");
    let args = Args::parse_from(["client".as_ref(), "--ca".as_ref(), ca.as_os_str()]);
    args.trust.load(&"127.0.0.1:9008".parse().unwrap()).unwrap();
}
