//! Does what stage 4 is built of carry TLS? A room with its real outboxes, room
//! thread and drainer, on sockets that are all full.

use super::TestServer;
use crate::tls::TlsStream;
use common::log::{Level, Log};
use stage2_echo::line::{LineReader, Received};
use stage4_multichat::drainer::PollDrainer;
use stage4_multichat::limits::ClientSlots;
use stage4_multichat::line_codec::Plaintext;
use stage4_multichat::outbox::{Outbox, OutboxConfig};
use stage4_multichat::room::{Room, RoomState};
use stage6_auth::client::connection::Reader;
use std::sync::{Arc, Barrier};
use std::thread;

const CLIENTS: usize = 3;

/// Of a kilobyte each. What two others say, 16 MB, is more than a connection's
/// two sockets hold: every outbox of the server lags behind.
const LINES: usize = 8000;

struct Server {
    config: Arc<OutboxConfig>,
    room: Arc<Room>,
    /// All clients' threads in the server.
    joined: Barrier,
    /// The same and the clients themselves.
    said: Barrier,
}

impl Server {
    /// One client's reader thread, as `server::chat` has it.
    fn serve(&self, tls: TlsStream, name: String) {
        let tls = Arc::new(tls);
        let outbox = Outbox::new(tls.clone(), self.config.clone());
        let member = self.room.join(name, &outbox, ClientSlots::new(1).try_acquire().unwrap()).unwrap();
        self.joined.wait();
        let mut lines = LineReader::new(Reader(&*tls));
        while let Received::Line(text) = lines.next().unwrap() {
            member.broadcast(format!("{text}\n")).unwrap();
        }
        self.said.wait();
        drop(member);
        // Ten seconds each: the clients have much to read.
        assert!((0..2).any(|_| outbox.wait_closed()));
    }

    /// One client: all is said before it reads anything, and now and then under
    /// a new key.
    fn talk(&self, me: usize, tls: TlsStream) {
        let tls = Arc::new(tls);
        let outbox = Outbox::new(tls.clone(), self.config.clone());
        let padding = "x".repeat(1000);
        for n in 0..LINES {
            if n % 500 == 250 {
                // The server has to answer with its next line.
                tls.refresh_keys();
            }
            outbox.send_line(&format!("{me} {n} {padding}"));
        }
        outbox.close();
        self.said.wait();
        let mut heard = [0; CLIENTS];
        let mut lines = LineReader::new(Reader(&*tls));
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
    let test = TestServer::new();
    let drainer = PollDrainer::start().unwrap();
    let config = Arc::new(OutboxConfig { limit: 64 << 20, drainer, codec: Arc::new(Plaintext) });
    let server = Server {
        room: Room::open(RoomState::new(&config, Some(&log))).unwrap(),
        config,
        joined: Barrier::new(CLIENTS),
        said: Barrier::new(2 * CLIENTS),
    };
    thread::scope(|scope| {
        for me in 0..CLIENTS {
            let (client, accepted) = test.pair();
            let server = &server;
            scope.spawn(move || server.talk(me, client));
            scope.spawn(move || server.serve(accepted, format!("client {me}")));
        }
    });
}
