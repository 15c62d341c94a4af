//! Does what stage 4 is built of carry TLS? A room with its real outbox, registry
//! and helper, on sockets that are all full.

use super::Ground;
use crate::tls::TlsStream;
use common::log::{Level, Log};
use stage2_echo::line::{LineReader, Received};
use stage4_multichat::outbox::{Outbox, Terms};
use stage4_multichat::registry::Registry;
use stage4_multichat::stalled::Stalled;
use stage4_multichat::wire::{Piece, Plain};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

const CLIENTS: usize = 3;

/// Of a kilobyte each. What two others say, 16 MB, is more than a connection's
/// two sockets hold: every outbox of the server is stalled.
const LINES: usize = 8000;

struct Room {
    terms: Arc<Terms<TlsStream>>,
    registry: Arc<Registry<TlsStream>>,
    /// All clients' threads in the server.
    joined: Barrier,
    /// The same and the clients themselves.
    said: Barrier,
}

impl Room {
    /// One client's thread in the server, as `server::serve` has it.
    fn serve(&self, wire: TlsStream, name: String) {
        let outbox = Outbox::new(wire, self.terms.clone());
        let member = self.registry.join(name, outbox.clone()).unwrap();
        self.joined.wait();
        let mut lines = LineReader::new(outbox.wire());
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
    fn talk(&self, me: usize, wire: TlsStream) {
        let outbox = Outbox::new(wire, self.terms.clone());
        let padding = "x".repeat(1000);
        for n in 0..LINES {
            if n % 500 == 250 {
                // The server has to answer, and it is its reader that finds that out.
                outbox.wire().refresh_keys();
            }
            outbox.send(&[Piece::lines(&format!("{me} {n} {padding}\n"), &Plain)]);
        }
        outbox.end();
        self.said.wait();
        let mut heard = [0; CLIENTS];
        let mut lines = LineReader::new(outbox.wire());
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
    let ground = Ground::new();
    let room = Room {
        terms: Arc::new(Terms { bound: 64 << 20, helper: Stalled::start().unwrap(), form: Arc::new(Plain) }),
        registry: Registry::new(CLIENTS, Arc::new(Plain), &log),
        joined: Barrier::new(CLIENTS),
        said: Barrier::new(2 * CLIENTS),
    };
    thread::scope(|scope| {
        for me in 0..CLIENTS {
            let (client, server) = ground.pair();
            let room = &room;
            scope.spawn(move || room.talk(me, client));
            scope.spawn(move || room.serve(server, format!("client {me}")));
        }
    });
}
