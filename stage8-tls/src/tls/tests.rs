//! Both sides over real sockets, where a test has to see inside of them. What
//! can be seen from outside is in `tests/tls.rs`.

mod room;

use super::*;
use crate::certs::{CertificateFolder, Validity};
use common::endpoint::Endpoint;
use common::log::{Level, Log};
use stage4_multichat::wire::Wire;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// A server for localhost and the folder with its certificates.
struct Ground {
    acceptor: Acceptor,
    listener: TcpListener,
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let certs = CertificateFolder::new(folder.path());
        certs.make(&["127.0.0.1".parse().unwrap()], Validity::days(1), false).unwrap();
        let (log, _guard) = Log::start(Level::Error, None).unwrap();
        let acceptor = certs.open(&[], &log).unwrap().acceptor;
        Ground { acceptor, listener: TcpListener::bind("127.0.0.1:0").unwrap(), folder }
    }

    fn stream(&self) -> TcpStream {
        TcpStream::connect(self.listener.local_addr().unwrap()).unwrap()
    }

    fn trust(&self) -> ServerTrust {
        let to = self.address();
        TrustArgs { ca: self.folder.path().join("ca.pem"), server_name: None }.load(&to).unwrap()
    }

    fn address(&self) -> Endpoint {
        self.listener.local_addr().unwrap().to_string().parse().unwrap()
    }

    fn connect(&self) -> TlsStream {
        self.trust().connect(&self.address()).unwrap()
    }

    fn accept(&self) -> Result<TlsStream, HandshakeError> {
        let (socket, _) = self.listener.accept().unwrap();
        self.acceptor.accept(&Arc::new(socket))
    }

    /// The two ends of a connection.
    fn pair(&self) -> (TlsStream, TlsStream) {
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
    assert_eq!(client.negotiated(), "TLS 1.3 with TLS13_AES_128_GCM_SHA256");
    assert_eq!(server.negotiated(), client.negotiated());
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
fn other_protocols_are_known_for_what_they_are_and_told_so() {
    let ground = Ground::new();
    for first in ["LOGIN alice secret\n", "GET / HTTP/1.1\r\n\r\n", "\0\0\0\0\0\0\0\0", "SSH-2.0-OpenSSH\r\n"]
    {
        let mut client = ground.stream();
        client.write_all(first.as_bytes()).unwrap();
        let failure = ground.accept().err().unwrap();
        assert!(matches!(failure, HandshakeError::NotTls), "{first:?}: {failure:?}");
        let mut told = [0; 200];
        let n = client.read(&mut told).unwrap();
        assert!(told[..n].starts_with(b"[SERVER] error: this server speaks TLS only"), "{told:?}");
    }
}

#[test]
fn who_does_not_shake_hands_is_dropped_at_the_deadline() {
    let mut ground = Ground::new();
    let limit = Duration::from_millis(300);
    ground.acceptor = ground.acceptor.within(limit);
    // The beginning of a handshake, a byte at a time: each is in time.
    let drip = |mut client: TcpStream| {
        for byte in [22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3].iter().chain(&[0; 90]) {
            if client.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    };
    thread::scope(|scope| {
        let client = ground.stream();
        scope.spawn(move || drip(client));
        let start = Instant::now();
        let failure = ground.accept().err().unwrap();
        assert!(matches!(failure, HandshakeError::TooSlow), "{failure:?}");
        assert!(start.elapsed() >= limit && start.elapsed() < Duration::from_secs(5));
    });
    let _silent = ground.stream();
    let failure = ground.accept().err().unwrap();
    assert!(matches!(failure, HandshakeError::Silent), "{failure:?}");
}

#[test]
fn only_so_many_compute_at_once_and_those_who_wait_for_the_network_are_not_among_them() {
    let ground = Ground::new();
    // Half of a first message each: far more than there are processors.
    let stuck: Vec<_> = (0..50)
        .map(|_| {
            let mut client = ground.stream();
            client.write_all(&[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]).unwrap();
            (client, Arc::new(ground.listener.accept().unwrap().0))
        })
        .collect();
    thread::scope(|scope| {
        for (_, socket) in &stuck {
            scope.spawn(|| assert!(ground.acceptor.accept(socket).is_err()));
        }
        // All the while somebody else gets in, well before they are dropped.
        let (_client, _server) = ground.pair();
        for (client, _) in &stuck {
            client.shutdown(Shutdown::Both).unwrap();
        }
    });
}

#[test]
fn a_record_that_somebody_changed_on_the_way_ends_the_connection() {
    let (client, server) = Ground::new().pair();
    // No record of this connection, but of the right form.
    (&**client.stream())
        .write_all(&[23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
        .unwrap();
    let error = (&server).read(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    // And the client gets to know: an alert, not just an end.
    let error = (&client).read(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
    assert!(server.write(&[IoSlice::new(b"more")]).is_err());
    server.end();
}

#[test]
fn whoever_stops_the_reader_does_not_hear_of_a_cut() {
    let (_client, server) = Ground::new().pair();
    thread::scope(|scope| {
        let reader = scope.spawn(|| (&server).read(&mut [0; 10]));
        server.stop_reading();
        assert_eq!(reader.join().unwrap().unwrap(), 0);
    });
}

#[test]
fn what_comes_with_the_end_of_the_handshake_is_not_waited_for_again() {
    let ground = Ground::new();
    let mut client = ground.trust().engine();
    let mut stream = ground.stream();
    let socket = Arc::new(ground.listener.accept().unwrap().0);
    let wire = thread::scope(|scope| {
        let accepting = scope.spawn(|| ground.acceptor.accept(&socket).unwrap());
        stream.write_all(&std::mem::take(&mut client.outgoing)).unwrap();
        while client.common().is_handshaking() {
            let mut some = [0; 1000];
            let n = stream.read(&mut some).unwrap();
            client.incoming().extend_from_slice(&some[..n]);
            client.advance().unwrap();
        }
        // Its last message and what it has to say, in one packet.
        client.encrypt(b"hello").unwrap();
        stream.write_all(&client.outgoing).unwrap();
        accepting.join().unwrap()
    });
    assert!(wire.holds_more());
    let mut got = [0; 10];
    assert_eq!((&wire).read(&mut got).unwrap(), 5);
    assert!(!wire.holds_more());
}
