//! Both ends of a connection without a socket: what is under way is moved by the test,
//! in pieces as small as it likes.

use super::*;
use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;
use stage2_echo::line::{LineReader, Received};
use stage6_auth::client::connection::{Reader, send_all};
use std::io::Read;

/// A connection below, of either side. When nothing is there to be read, the time of the
/// reader is over.
#[derive(Default)]
struct Below {
    sent: Mutex<Vec<u8>>,
    received: Mutex<Vec<u8>>,
    ended: Mutex<bool>,
    /// How many bytes are taken before the socket is full.
    room: Mutex<Option<usize>>,
}

impl Below {
    fn receive(&self, bytes: &[u8]) {
        self.received.lock().unwrap().extend_from_slice(bytes);
    }

    fn take_sent(&self) -> Vec<u8> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

impl Transport for Below {
    fn read(&self, into: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
        let mut received = self.received.lock().unwrap();
        let is_late = deadline.is_some_and(|deadline| deadline <= Instant::now());
        if is_late || received.is_empty() && !*self.ended.lock().unwrap() {
            return Err(ErrorKind::TimedOut.into());
        }
        let n = received.len().min(into.len());
        into[..n].copy_from_slice(&received[..n]);
        received.drain(..n);
        Ok(n)
    }

    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = bytes.iter().flat_map(|piece| piece.to_vec()).collect();
        let mut room = self.room.lock().unwrap();
        let n = room.map_or(bytes.len(), |room| room.min(bytes.len()));
        *room = room.map(|room| room - n);
        self.sent.lock().unwrap().extend_from_slice(&bytes[..n]);
        if n == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(n) }
    }

    fn shutdown_write(&self) {}

    fn abort(&self) {}

    fn shutdown_read(&self) {}

    fn as_fd(&self) -> BorrowedFd<'_> {
        unreachable!("no test waits for it")
    }
}

/// The two ends of a connection, and what lies below them.
struct Ends {
    server: Arc<dyn Transport>,
    client: Arc<dyn Transport>,
    below_server: Arc<Below>,
    below_client: Arc<Below>,
    /// Bytes that were under way, to the client and to the server.
    moved: [usize; 2],
}

impl Ends {
    fn new(server: bool, client: bool) -> Ends {
        let (below_server, below_client) = (Arc::<Below>::default(), Arc::<Below>::default());
        Ends {
            server: CompressionArgs { compress: server }.offer(below_server.clone()),
            client: CompressionArgs { compress: client }.accept(below_client.clone()),
            below_server,
            below_client,
            moved: [0; 2],
        }
    }

    fn server_sends(&self, line: &str) {
        send_all(&*self.server, format!("{line}\n").as_bytes()).unwrap();
    }

    fn client_sends(&self, line: &str) {
        send_all(&*self.client, format!("{line}\n").as_bytes()).unwrap();
    }

    /// The lines that arrive at the client and at the server, if what was sent travels in
    /// pieces of so many bytes.
    fn arrive(&mut self, piece: usize) -> [Vec<String>; 2] {
        let (client, server) = (self.client.clone(), self.server.clone());
        let mut at_client = LineReader::with_limit(Reader(&*client), 1 << 20);
        let mut at_server = LineReader::new(Reader(&*server));
        let mut lines = [Vec::new(), Vec::new()];
        let to_client = self.below_server.take_sent();
        for piece in to_client.chunks(piece) {
            self.below_client.receive(piece);
            lines[0].extend(read_all(&mut at_client));
        }
        let to_server = self.below_client.take_sent();
        for piece in to_server.chunks(piece) {
            self.below_server.receive(piece);
            lines[1].extend(read_all(&mut at_server));
        }
        self.moved[0] += to_client.len();
        self.moved[1] += to_server.len();
        lines
    }
}

/// The lines that are there.
fn read_all(lines: &mut LineReader<impl Read>) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        match lines.next() {
            Ok(Received::Line(line)) => all.push(line.to_owned()),
            Ok(other) => panic!("{other:?} after {all:?}"),
            Err(e) if e.kind() == ErrorKind::TimedOut => return all,
            Err(e) => panic!("{e} after {all:?}"),
        }
    }
}

const OFFER: &str = "COMPRESS DEFLATE";

/// A login. Returns what the client shows.
fn log_in(ends: &mut Ends, piece: usize) -> Vec<String> {
    ends.server_sends("AUTH_REQUIRED");
    let [mut shown, _] = ends.arrive(piece);
    ends.client_sends("LOGIN alice wonderland");
    assert_eq!(ends.arrive(piece)[1], ["LOGIN alice wonderland"]);
    ends.server_sends("AUTH_SUCCESS alice x");
    shown.extend(ends.arrive(piece)[0].clone());
    shown
}

#[test]
fn compressed_if_both_sides_want_it_and_else_plain() {
    let line = "[private] bob: the same again and again, the same again and again";
    let mut plain = None;
    for (server, client) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut ends = Ends::new(server, client);
        let mut expected = vec!["AUTH_REQUIRED", "AUTH_SUCCESS alice x"];
        if server && !client {
            // Shown, as every line that a client does not know.
            expected.insert(0, OFFER);
        }
        assert_eq!(log_in(&mut ends, 7), expected, "{server} {client}");
        ends.moved = [0; 2];
        for _ in 0..20 {
            ends.server_sends(line);
            ends.client_sends(line);
            assert_eq!(ends.arrive(7), [[line], [line]]);
        }
        let plain = plain.get_or_insert(ends.moved);
        if server && client {
            assert!(ends.moved.iter().zip(plain).all(|(n, plain)| 2 * n < *plain), "{:?}", ends.moved);
        } else {
            assert_eq!(ends.moved, *plain);
        }
    }
}

#[test]
fn whatever_else_a_client_begins_with_is_a_plain_line() {
    let other =
        ["", "COMPRESS", "COMPRESS DEFLATE ", "COMPRESS DEFLATE\r", "COMPRESS GZIP", "x COMPRESS DEFLATE"];
    for first in other {
        for piece in [1, 5, 100] {
            let mut ends = Ends::new(true, false);
            ends.client_sends(first);
            ends.client_sends(OFFER);
            assert_eq!(ends.arrive(piece)[1], [first.trim_end_matches('\r'), OFFER], "{first:?}");
        }
    }
}

#[test]
fn half_of_the_agreement_at_the_end_is_a_last_line() {
    let ends = Ends::new(true, false);
    ends.below_server.receive(b"COMPRESS DEF");
    *ends.below_server.ended.lock().unwrap() = true;
    let mut lines = LineReader::new(Reader(&*ends.server));
    assert_eq!(lines.next().unwrap(), Received::Line("COMPRESS DEF"));
    assert_eq!(lines.next().unwrap(), Received::End);
}

/// A server's end whose client has agreed, and then sent this.
fn after_agreement(bytes: &[u8]) -> Ends {
    let ends = Ends::new(true, false);
    ends.below_server.receive(AGREEMENT);
    ends.below_server.receive(bytes);
    ends
}

/// `block` so many times, each time with a `flush`.
fn deflated(block: &[u8], times: usize, flush: FlushCompress) -> Vec<u8> {
    let mut deflate = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(1 << 20);
    for _ in 0..times {
        deflate.compress_vec(block, &mut out, flush).unwrap();
    }
    assert_eq!(deflate.total_in(), (block.len() * times) as u64);
    out
}

/// How many bytes the server's end gives out, and the error that ends it.
fn read_to_error(ends: &Ends) -> (usize, ErrorKind) {
    let (mut made, mut into) = (0, [0; 4096]);
    loop {
        match ends.server.read(&mut into, None) {
            Ok(0) => return (made, ErrorKind::UnexpectedEof),
            Ok(n) => made += n,
            Err(e) => return (made, e.kind()),
        }
    }
}

#[test]
fn a_bomb_is_an_error_before_it_has_made_much() {
    for byte in [b"a", b"\n"] {
        let bomb = deflated(&byte.repeat(4 << 20), 1, FlushCompress::Sync);
        let ends = after_agreement(&bomb);
        let (made, error) = read_to_error(&ends);
        assert_eq!(error, ErrorKind::InvalidData);
        assert!(made < 2 << 20, "{made}");
    }
}

#[test]
fn an_honest_client_sends_no_bomb_however_it_repeats_itself() {
    let line = [vec![b'a'; 4096], vec![b'\n']].concat();
    let ends = after_agreement(&deflated(&line, 500, FlushCompress::Sync));
    assert_eq!(read_to_error(&ends), (500 * line.len(), ErrorKind::TimedOut));
}

#[test]
fn what_is_no_deflate_is_an_error() {
    assert_eq!(read_to_error(&after_agreement(b"LOGIN alice wonderland\n")).1, ErrorKind::InvalidData);
}

#[test]
fn a_stream_that_ends_itself_is_the_end_of_the_lines() {
    let last = deflated(b"last\n", 1, FlushCompress::Finish);
    let ends = after_agreement(&[&last, &b"more"[..]].concat());
    let mut lines = LineReader::new(Reader(&*ends.server));
    assert_eq!(lines.next().unwrap(), Received::Line("last"));
    assert_eq!(lines.next().unwrap(), Received::End);
}

#[test]
fn bytes_that_make_nothing_yet_buy_no_time() {
    let ends = Ends::new(true, false);
    ends.below_server.receive(b"LOGIN alice wonderland\n");
    let now = Some(Instant::now());
    assert_eq!(ends.server.read(&mut [0; 100], now).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(ends.server.read(&mut [0; 100], None).unwrap(), 23, "and nothing was lost");
}

#[test]
fn a_full_socket_takes_nothing_more_and_little_is_kept() {
    let mut ends = Ends::new(true, true);
    log_in(&mut ends, 100);
    *ends.below_server.room.lock().unwrap() = Some(1000);
    let much = vec![b'x'; 200_000];
    // The bytes of one write are kept, compressed or not, and the next ones are not taken.
    let noise: Vec<u8> = (0..200_000u64).map(|n| (n.wrapping_mul(n * 2_654_435_761) >> 23) as u8).collect();
    assert_eq!(ends.server.write(&[IoSlice::new(&noise)]).unwrap(), MAX_WRITE);
    for bytes in [&much, &noise] {
        let error = ends.server.write(&[IoSlice::new(bytes)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(ends.server.flush().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    *ends.below_server.room.lock().unwrap() = None;
    ends.server.flush().unwrap();
    ends.below_client.receive(&ends.below_server.take_sent());
    let mut got = Vec::new();
    let error = Reader(&*ends.client).read_to_end(&mut got).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(got == noise[..MAX_WRITE]);
}

proptest! {
    // Each case is a login and some thousand reads.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_lines_arrive_however_they_are_cut(
        lines in prop::collection::vec(prop_oneof!["[ -~]{0,50}", "[ab]{0,4000}", "\\PC{0,20}"], 2..30),
        piece in 1..3000_usize,
    ) {
        let mut ends = Ends::new(true, true);
        log_in(&mut ends, piece);
        for half in lines.chunks(lines.len() / 2) {
            half.iter().for_each(|line| {
                ends.server_sends(line);
                ends.client_sends(line);
            });
            prop_assert_eq!(ends.arrive(piece), [half, half]);
        }
    }

    /// Nothing that a client sends makes a panic, or more bytes than it may.
    #[test]
    fn any_bytes_after_the_agreement(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (made, _) = read_to_error(&after_agreement(&bytes));
        prop_assert!(made <= 256 * (bytes.len() + 256));
    }
}

/// What compression saves and costs, on a chat log of one's own, a line each message:
///
/// ```text
/// CHAT_LOG=$PWD/log.txt cargo test --release -p stage8-tls --lib figures -- --ignored --nocapture
/// ```
///
/// Without `CHAT_LOG`, a text of this workspace takes its place. Each line is a write of its
/// own, as in a room where users talk one after the other.
#[test]
#[ignore = "prints figures and asserts little"]
fn figures() {
    let path = std::env::var("CHAT_LOG")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/README.md").into());
    let log = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
    let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty() && line.len() <= 4096).collect();
    let mut ends = Ends::new(true, true);
    log_in(&mut ends, 4096);
    let before = ends.moved[0];
    let start = std::time::Instant::now();
    lines.iter().for_each(|line| ends.server_sends(line));
    let sending = start.elapsed();
    let start = std::time::Instant::now();
    let [got, _] = ends.arrive(4096);
    let receiving = start.elapsed();
    assert_eq!(got, lines);
    let (count, plain) = (lines.len(), lines.iter().map(|line| line.len() + 1).sum::<usize>());
    println!("{path}: {count} lines, {plain} bytes; compressed {} bytes", ends.moved[0] - before);
    for (what, time) in [("compress", sending), ("inflate", receiving)] {
        println!("{what}: {:.1} µs for each line", time.as_secs_f64() * 1e6 / count as f64);
    }
}
