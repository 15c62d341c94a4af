//! Does what stage 4 is built of carry TLS? Stage 8 in small, with the real
//! outbox, registry and helper, and a wire that encrypts.

#![allow(clippy::unwrap_used)] // as in every test, here also outside of the functions marked so

use common::log::{Level, Log};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use stage2_echo::line::{LineReader, Received};
use stage4_multichat::outbox::{Outbox, Terms};
use stage4_multichat::registry::Registry;
use stage4_multichat::stalled::Stalled;
use stage4_multichat::wire::{Piece, Plain, Wire};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use wire::{TlsReader, TlsWire};

#[path = "tls_prototype/wire.rs"]
mod wire;

/// A certificate for localhost, and what the two sides make of it.
struct Configs {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

fn configs() -> Configs {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = issued.cert.der().clone();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Configs { server: Arc::new(server), client: Arc::new(client) }
}

const LIMIT: Duration = Duration::from_secs(20);

fn accept(socket: TcpStream, configs: &Configs, limit: Duration) -> io::Result<TlsWire> {
    let connection = ServerConnection::new(configs.server.clone()).unwrap();
    TlsWire::shake_hands(socket, connection, Instant::now() + limit)
}

fn connect(listener: &TcpListener, configs: &Configs) -> TlsWire {
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(configs.client.clone(), name).unwrap();
    TlsWire::shake_hands(socket, connection, Instant::now() + LIMIT).unwrap()
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

const CLIENTS: usize = 3;

/// Of a kilobyte each. What two others say, 16 MB, is more than a connection's
/// two sockets hold: every outbox of the server is stalled.
const LINES: usize = 8000;

struct Room {
    configs: Configs,
    terms: Arc<Terms<TlsWire>>,
    registry: Arc<Registry<TlsWire>>,
    /// All clients' threads in the server.
    joined: Barrier,
    /// The same and the clients themselves.
    said: Barrier,
}

impl Room {
    /// One client's thread in the server, as `server::serve` has it.
    fn serve(&self, socket: TcpStream, name: String) {
        let outbox = Outbox::new(accept(socket, &self.configs, LIMIT).unwrap(), self.terms.clone());
        let member = self.registry.join(name, outbox.clone()).unwrap();
        self.joined.wait();
        let mut lines = LineReader::new(TlsReader(outbox.wire()));
        while let Received::Line(text) = lines.next().unwrap() {
            self.registry.say(&member, &format!("{text}\n"));
        }
        assert!(!outbox.wait_until_written(Duration::ZERO), "it is stalled");
        self.said.wait();
        drop(member);
        outbox.end();
        assert!(outbox.wait_until_written(LIMIT));
    }

    /// One client: all is said before it reads anything, and now and then under
    /// a new key.
    fn talk(&self, me: usize, wire: TlsWire) {
        let outbox = Outbox::new(wire, self.terms.clone());
        let padding = "x".repeat(1000);
        for n in 0..LINES {
            if n % 500 == 250 {
                // The server has to answer, and it is its reader that finds that out.
                outbox.wire().renew_key();
            }
            outbox.send(&[Piece::lines(&format!("{me} {n} {padding}\n"), &Plain)]);
        }
        outbox.end();
        self.said.wait();
        let mut heard = [0; CLIENTS];
        let mut lines = LineReader::new(TlsReader(outbox.wire()));
        while let Received::Line(text) = lines.next().unwrap() {
            if text.starts_with("[SERVER] ") {
                continue;
            }
            let mut words = text.split(' ');
            let [who, n] = [(); 2].map(|()| words.next().unwrap().parse::<usize>().unwrap());
            assert_eq!(n, heard[who]);
            heard[who] += 1;
        }
        for (who, heard) in heard.into_iter().enumerate() {
            assert_eq!(heard, if who == me { 0 } else { LINES });
        }
    }
}

#[test]
fn a_room_over_tls_with_full_sockets_and_new_keys() {
    let (log, _guard) = Log::start(Level::Error, None).unwrap();
    let room = Room {
        configs: configs(),
        terms: Arc::new(Terms { bound: 64 << 20, helper: Stalled::start().unwrap(), form: Arc::new(Plain) }),
        registry: Registry::new(CLIENTS, Arc::new(Plain), &log),
        joined: Barrier::new(CLIENTS),
        said: Barrier::new(2 * CLIENTS),
    };
    let listener = listen();
    thread::scope(|scope| {
        for me in 0..CLIENTS {
            let (room, listener) = (&room, &listener);
            scope.spawn(move || room.talk(me, connect(listener, &room.configs)));
            let (socket, peer) = listener.accept().unwrap();
            scope.spawn(move || room.serve(socket, peer.to_string()));
        }
    });
}

#[test]
fn who_does_not_shake_hands_is_dropped_at_the_deadline() {
    let configs = configs();
    let listener = listen();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, _) = listener.accept().unwrap();
    let limit = Duration::from_millis(300);
    let start = Instant::now();
    let dropped = thread::scope(|scope| {
        // The beginning of a handshake, a byte at a time: each is in time.
        scope.spawn(|| {
            for byte in [22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3].iter().chain(&[0; 90]) {
                if client.write_all(&[*byte]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        accept(socket, &configs, limit).map(drop)
    });
    let error = dropped.unwrap_err().kind();
    assert!(matches!(error, io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock), "{error:?}");
    assert!(start.elapsed() >= limit && start.elapsed() < LIMIT);
}

#[test]
fn an_end_without_the_word_for_it_is_an_error() {
    let configs = configs();
    let listener = listen();
    thread::scope(|scope| {
        scope.spawn(|| {
            let client = connect(&listener, &configs);
            client.write(&[IoSlice::new(b"half a li")]).unwrap();
            client.flush().unwrap();
            client.socket.shutdown(Shutdown::Write).unwrap();
            // Until the other side has seen it.
            let _ = (&*client.socket).read(&mut [0; 100]);
        });
        let (socket, _) = listener.accept().unwrap();
        let wire = accept(socket, &configs, LIMIT).unwrap();
        let error = LineReader::new(TlsReader(&wire)).next().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    });
}
