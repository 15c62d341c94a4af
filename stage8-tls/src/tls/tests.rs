//! Both sides over real sockets, where a test has to look inside. What can be seen from
//! outside is in `tests/tls.rs`.

mod room;

use super::*;
use crate::certs::{CertificateFolder, Validity};
use common::endpoint::Endpoint;
use common::log::{Level, Log};
use rustix::event::PollFlags;
use stage4_multichat::transport::{Transport, wait_ready};
use stage6_auth::client::connection::{Reader, finish, send_all};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// A server for localhost and the folder with its certificates.
struct TestServer {
    acceptor: TlsAcceptor,
    listener: TcpListener,
    folder: tempfile::TempDir,
}

impl TestServer {
    fn new() -> TestServer {
        let folder = tempfile::tempdir().unwrap();
        let certs = CertificateFolder::new(folder.path());
        certs.make(&["127.0.0.1".to_owned()], Validity::days(1), false).unwrap();
        let (log, _guard) = Log::start(Level::Error, None).unwrap();
        let acceptor = TlsAcceptor::new(&certs.open(&[], &log).unwrap());
        TestServer { acceptor, listener: TcpListener::bind("127.0.0.1:0").unwrap(), folder }
    }

    fn stream(&self) -> TcpStream {
        TcpStream::connect(self.listener.local_addr().unwrap()).unwrap()
    }

    fn connector(&self) -> TlsConnector {
        let to = self.address();
        TrustArgs { ca: self.folder.path().join("ca.pem"), server_name: None }.load(&to).unwrap()
    }

    fn address(&self) -> Endpoint {
        self.listener.local_addr().unwrap().to_string().parse().unwrap()
    }

    fn connect(&self) -> TlsStream {
        self.connector().connect().unwrap()
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

/// How long a test waits for what must come.
fn deadline() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(20))
}

/// Has the form of a record, and was not made with the key of any connection.
const DAMAGED_RECORD: [u8; 25] =
    [23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];

#[test]
fn what_one_side_sends_the_other_reads_to_its_end() {
    let (client, server) = TestServer::new().pair();
    let much: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            send_all(&client, &much).unwrap();
            finish(&client);
        });
        let mut got = Vec::new();
        Reader(&server).read_to_end(&mut got).unwrap();
        assert!(got == much);
        // Half of the connection is closed, the other is not.
        send_all(&server, b"bye").unwrap();
        finish(&server);
        got.clear();
        Reader(&client).read_to_end(&mut got).unwrap();
        assert_eq!(got, b"bye");
    });
}

#[test]
fn an_end_without_close_notify_is_an_error() {
    let (client, server) = TestServer::new().pair();
    client.write(&[IoSlice::new(b"half a li")]).unwrap();
    client.socket.shutdown(Shutdown::Write).unwrap();
    let mut got = Vec::new();
    let error = Reader(&server).read_to_end(&mut got).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(got, b"half a li");
}

#[test]
fn the_newest_version_and_the_fastest_cipher_are_negotiated() {
    let (client, server) = TestServer::new().pair();
    assert_eq!(client.negotiated(), "TLS 1.3 with TLS13_AES_128_GCM_SHA256");
    assert_eq!(server.negotiated(), client.negotiated());
}

#[test]
fn a_reader_waits_until_its_deadline_and_no_byte_buys_it_more_time() {
    let (client, server) = TestServer::new().pair();
    let soon = Instant::now() + Duration::from_millis(20);
    assert_eq!(server.read(&mut [0; 10], Some(soon)).unwrap_err().kind(), ErrorKind::TimedOut);
    send_all(&client, b"late").unwrap();
    wait_ready(server.as_fd(), PollFlags::IN, deadline()).unwrap();
    assert_eq!(server.read(&mut [0; 10], Some(soon)).unwrap_err().kind(), ErrorKind::TimedOut);
    // And it can go on after it.
    let mut got = [0; 10];
    assert_eq!(server.read(&mut got, deadline()).unwrap(), 4);
}

#[test]
fn other_protocols_are_known_for_what_they_are_and_told_so() {
    let test = TestServer::new();
    for first in ["LOGIN alice secret\n", "GET / HTTP/1.1\r\n\r\n", "\0\0\0\0\0\0\0\0", "SSH-2.0-OpenSSH\r\n"]
    {
        let mut client = test.stream();
        client.set_nodelay(true).unwrap();
        // Typed by hand, the bytes come one by one.
        for byte in first.as_bytes() {
            client.write_all(&[*byte]).unwrap();
        }
        let failure = test.accept().err().unwrap();
        assert!(matches!(failure, HandshakeError::NotTls), "{first:?}: {failure:?}");
        let mut told = [0; 200];
        let n = Read::read(&mut client, &mut told).unwrap();
        assert!(told[..n].starts_with(b"[SERVER] error: this server speaks TLS only"), "{told:?}");
    }
}

#[test]
fn a_client_that_does_not_shake_hands_is_dropped_at_the_deadline() {
    let mut test = TestServer::new();
    let limit = Duration::from_millis(300);
    test.acceptor.timeout = limit;
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
        let client = test.stream();
        scope.spawn(move || drip(client));
        let start = Instant::now();
        let failure = test.accept().err().unwrap();
        assert!(matches!(failure, HandshakeError::TooSlow), "{failure:?}");
        assert!(start.elapsed() >= limit && start.elapsed() < Duration::from_secs(5));
    });
    let _silent = test.stream();
    let failure = test.accept().err().unwrap();
    assert!(matches!(failure, HandshakeError::Silent), "{failure:?}");
}

#[test]
fn a_handshake_that_waits_for_the_network_takes_no_place() {
    let test = TestServer::new();
    // Each has sent half of its first message, and there are far more than processors.
    let stuck: Vec<_> = (0..50)
        .map(|_| {
            let mut client = test.stream();
            client.write_all(&[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]).unwrap();
            (client, Arc::new(test.listener.accept().unwrap().0))
        })
        .collect();
    thread::scope(|scope| {
        for (_, socket) in &stuck {
            scope.spawn(|| assert!(test.acceptor.accept(socket).is_err()));
        }
        // Meanwhile another client gets in, well before they are dropped.
        let (_client, _server) = test.pair();
        for (client, _) in &stuck {
            client.shutdown(Shutdown::Both).unwrap();
        }
    });
}

#[test]
fn a_record_changed_on_the_way_ends_the_connection() {
    let (client, server) = TestServer::new().pair();
    (&*client.socket).write_all(&DAMAGED_RECORD).unwrap();
    let error = server.read(&mut [0; 10], None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    // The client learns the reason: it gets an alert, not only the end.
    let error = client.read(&mut [0; 10], None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
    assert!(server.write(&[IoSlice::new(b"more")]).is_err());
    server.shutdown_write();
}

#[test]
fn a_reader_that_this_side_stops_finds_the_end_and_no_error() {
    for stop in [TlsStream::shutdown_read, TlsStream::abort] {
        let (_client, server) = TestServer::new().pair();
        thread::scope(|scope| {
            let reader = scope.spawn(|| server.read(&mut [0; 10], None));
            stop(&server);
            assert_eq!(reader.join().unwrap().unwrap(), 0);
        });
    }
}

#[test]
fn what_comes_with_the_end_of_the_handshake_is_not_waited_for_again() {
    let test = TestServer::new();
    let mut client = test.connector().connection();
    let mut stream = test.stream();
    let socket = Arc::new(test.listener.accept().unwrap().0);
    let server = thread::scope(|scope| {
        let accepting = scope.spawn(|| test.acceptor.accept(&socket).unwrap());
        client.write_tls(&mut stream).unwrap();
        while client.is_handshaking() {
            client.read_tls(&mut stream).unwrap();
            client.process_new_packets().unwrap();
        }
        // The last message of the handshake and the first line, in one packet.
        client.writer().write_all(b"hello").unwrap();
        let mut packet = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut packet).unwrap();
        }
        stream.write_all(&packet).unwrap();
        accepting.join().unwrap()
    });
    let mut got = [0; 10];
    assert_eq!(server.read(&mut got, deadline()).unwrap(), 5);
    assert_eq!(&got[..5], b"hello");
}

#[test]
fn what_came_before_a_damaged_record_is_read_before_the_error() {
    let (client, server) = TestServer::new().pair();
    send_all(&client, b"hello").unwrap();
    (&*client.socket).write_all(&DAMAGED_RECORD).unwrap();
    // Both are there before anything is read.
    while server.socket.peek(&mut [0; 100]).unwrap_or(0) < 5 + 22 + DAMAGED_RECORD.len() {
        thread::yield_now();
    }
    let mut got = Vec::new();
    let error = Reader(&server).read_to_end(&mut got).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(got, b"hello");
}
