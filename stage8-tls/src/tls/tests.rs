//! Both sides over real sockets, where a test has to see inside of them. What
//! can be seen from outside is in `tests/tls.rs`.

use super::*;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use stage4_multichat::wire::Wire;
use std::io::{ErrorKind, IoSlice, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// A server for localhost and the folder with the authority's certificate.
struct Ground {
    acceptor: Acceptor,
    listener: TcpListener,
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Ground {
        let mut authority = CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![leaf.der().clone()];
        let acceptor = Acceptor::new(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap()).unwrap();
        Ground { acceptor, listener: TcpListener::bind("127.0.0.1:0").unwrap(), folder }
    }

    fn connect(&self) -> TlsWire {
        let to = self.listener.local_addr().unwrap().to_string().parse().unwrap();
        let trust = TrustArgs { ca: self.folder.path().join("ca.pem"), server_name: None };
        trust.load(&to).unwrap().connect(&to).unwrap()
    }

    fn accept(&self) -> Result<TlsWire, Failure> {
        let (socket, _) = self.listener.accept().unwrap();
        self.acceptor.accept(&Arc::new(socket))
    }

    /// The two ends of a connection.
    fn pair(&self) -> (TlsWire, TlsWire) {
        thread::scope(|scope| {
            let server = scope.spawn(|| self.accept().unwrap());
            (self.connect(), server.join().unwrap())
        })
    }
}

#[test]
fn what_one_side_sends_the_other_reads_to_its_end() {
    let (client, server) = Ground::new().pair();
    let much: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(client.send(&much), much.len());
            client.finish();
        });
        let mut got = Vec::new();
        (&server).read_to_end(&mut got).unwrap();
        assert!(got == much);
        // Half of the connection is closed, the other is not.
        assert_eq!(server.send(b"bye"), 3);
        server.finish();
        got.clear();
        (&client).read_to_end(&mut got).unwrap();
        assert_eq!(got, b"bye");
    });
}

#[test]
fn an_end_without_the_word_for_it_is_an_error() {
    let (client, server) = Ground::new().pair();
    client.write(&[IoSlice::new(b"half a li")]).unwrap();
    client.stream().shutdown(Shutdown::Write).unwrap();
    let mut got = Vec::new();
    let error = (&server).read_to_end(&mut got).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(got, b"half a li");
}

#[test]
fn the_agreement_is_the_newest_version_and_the_fastest_cipher() {
    let (client, server) = Ground::new().pair();
    assert_eq!(client.agreed(), "TLS 1.3 with TLS13_AES_128_GCM_SHA256");
    assert_eq!(server.agreed(), client.agreed());
}

#[test]
fn the_sockets_read_timeout_counts() {
    let (client, server) = Ground::new().pair();
    server.stream().set_read_timeout(Some(std::time::Duration::from_millis(20))).unwrap();
    assert_eq!((&server).read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::WouldBlock);
    // And it goes on after it.
    assert_eq!(client.send(b"late"), 4);
    server.stream().set_read_timeout(None).unwrap();
    let mut got = [0; 10];
    assert_eq!((&server).read(&mut got).unwrap(), 4);
}

#[test]
fn other_protocols_are_known_for_what_they_are() {
    let ground = Ground::new();
    for first in ["LOGIN alice secret\n", "GET / HTTP/1.1\r\n\r\n", "\0\0\0\0\0\0\0\0", "SSH-2.0-OpenSSH\r\n"]
    {
        let mut client = TcpStream::connect(ground.listener.local_addr().unwrap()).unwrap();
        std::io::Write::write_all(&mut client, first.as_bytes()).unwrap();
        let failure = ground.accept().err().unwrap();
        assert!(matches!(failure, Failure::NotTls), "{first:?}: {failure:?}");
    }
}
