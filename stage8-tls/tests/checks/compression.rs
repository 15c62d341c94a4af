//! Compression, where both sides ask for it.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use testkit::{Carried, Case, IgnorePoison, Transport, checks, require};
use testkit_chat::chat::{Chat, PASSWORD};
use testkit_chat::connection::Connection;
use testkit_chat::tls::{LOCALHOST, TrustedCa};
use testkit_chat::user::User;

/// The line by which both sides agree.
const AGREEMENT: &str = "COMPRESS DEFLATE";

/// What the check sends, compressed before it is encrypted.
struct Deflate {
    below: Arc<dyn Transport>,
    state: Mutex<Compress>,
}

impl Transport for Deflate {
    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock().ignore_poison();
        let mut out = Vec::with_capacity(bytes.len() + 1000);
        state.compress_vec(bytes, &mut out, FlushCompress::Sync)?;
        self.below.send(&out)
    }

    fn half_close(&self) {
        self.below.half_close();
    }
}

/// What the check receives. The stream has no end of its own, which flate2's readers miss.
struct Inflate {
    below: Box<dyn Read + Send + Sync>,
    state: Decompress,
    /// Received and not inflated yet.
    left: Vec<u8>,
}

impl Read for Inflate {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let (read, made) = (self.state.total_in(), self.state.total_out());
            self.state.decompress(&self.left, into, FlushDecompress::None)?;
            self.left.drain(..(self.state.total_in() - read) as usize);
            if self.state.total_out() > made {
                return Ok((self.state.total_out() - made) as usize);
            }
            let mut received = [0; 4096];
            let n = self.below.read(&mut received)?;
            if n == 0 {
                return Ok(0);
            }
            self.left.extend_from_slice(&received[..n]);
        }
    }
}

/// The next plain line, and no byte more.
#[track_caller]
fn plain_line(from: &mut impl Read) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        if from.read(&mut byte).unwrap_or(0) == 0 {
            break;
        }
        line.extend(byte);
    }
    String::from_utf8_lossy(&line).into_owned()
}

#[track_caller]
fn require_line(from: &mut impl Read, line: &str) {
    let got = plain_line(from);
    require(got == format!("{line}\n"), format!("the plain line {line}"), got);
}

/// Agrees on compression over `stream`, and sends `first`; all that comes after the
/// agreement goes through deflate.
#[track_caller]
fn agree<'c>(case: &'c Case, who: &str, stream: TcpStream, first: &str) -> Connection<'c> {
    let carried = TrustedCa::of_server(case).connect(who, stream, LOCALHOST);
    let (below, mut source) = (carried.transport.expect("it is TLS"), carried.source.expect("it is TLS"));
    let _ = carried.stream.set_read_timeout(Some(testkit::patience()));
    require_line(&mut source, AGREEMENT);
    require_line(&mut source, "AUTH_REQUIRED");
    let send = |wire: &dyn Transport, line: &str| {
        let sent = wire.send(format!("{line}\n").as_bytes());
        require(sent.is_ok(), format!("a server that takes {line}"), format!("{sent:?}"));
    };
    send(&*below, AGREEMENT);
    let wire = Arc::new(Deflate { below, state: Mutex::new(Compress::new(Compression::best(), false)) });
    send(&*wire, first);
    require_line(&mut source, AGREEMENT);
    let _ = carried.stream.set_read_timeout(None);
    let source = Box::new(Inflate { below: source, state: Decompress::new(false), left: Vec::new() });
    let carried = Carried { stream: carried.stream, transport: Some(wire), source: Some(source) };
    Connection { case, peer: case.carry(who, carried), envelope: None, from_a_client: false }
}

/// A new user in the room, with a compressed connection.
#[track_caller]
fn compressed<'c>(chat: &Chat<'c>, who: &str) -> User<'c> {
    let stream = chat.case.stream_to(who, chat.address());
    let mut connection = agree(chat.case, who, stream, &format!("REGISTER {} {PASSWORD}", chat.name(who)));
    connection.peer.read_on();
    User::enters(connection)
}

/// A new user in the room, with a plain connection.
#[track_caller]
fn plain<'c>(chat: &Chat<'c>, who: &str) -> User<'c> {
    let connection = chat.connect(who);
    connection.receives(AGREEMENT);
    connection.receives("AUTH_REQUIRED");
    connection.send(&format!("REGISTER {} {PASSWORD}", chat.name(who)));
    User::enters(connection)
}

checks! {
/// With `--compress`.
pub compression:

/// Each direction is a stream of deflate from the line COMPRESS DEFLATE on. A client that
/// does not answer the offer stays plain, and both are in one room.
ours(server) fn compression_is_agreed_on_by_each_client(case) {
    let chat = Chat::start_with(case, &["--compress"]);
    let (alice, bob) = (compressed(&chat, "alice"), plain(&chat, "bob"));
    alice.hears_some("bob joined", |l| l.starts_with(&format!("[SERVER] {} joined", bob.name)));
    for n in 0..50 {
        alice.tells(&bob, &format!("the same again, and {n}"));
        bob.tells(&alice, &format!("{} and again, and {n}", "x".repeat(80 * n)));
    }
    alice.send(&format!("/msg {} between us", bob.name));
    bob.hears(&format!("[private] {}: between us", alice.name));
    bob.send(&format!("/msg {} and you", alice.name));
    alice.hears(&format!("[private] {}: and you", bob.name));
    alice.send("/quit");
    alice.lines_to_the_end();
    bob.hears_some("alice left", |l| l.starts_with(&format!("[SERVER] {} left", alice.name)));
}

/// The real client with the option and without it, at a server with the option and
/// without it: a room line and a private one come through in each of the four.
ours(both) fn clients_and_servers_with_and_without_compression_talk(case) {
    for flags in [&[][..], &["--compress"]] {
        let chat = Chat::start_with(case, flags);
        let at = chat.address().to_string();
        let mut clients = ["alice", "bob"].map(|who| {
            let compress = if who == "alice" { &["--compress"][..] } else { &[] };
            let identity = case.folder().join(format!("{who}.identity"));
            let arguments = ["--connect", &at, "--identity", &identity.to_string_lossy()];
            let mut client = case.run_client(&[&arguments[..], compress].concat());
            client.type_line(&format!("REGISTER {} {PASSWORD}", chat.name(who)));
            client.prints_some("[USERS_LIST]", |l| l.starts_with("[USERS_LIST]"));
            client
        });
        let [alice, bob] = &mut clients;
        alice.prints_some("bob joined", |l| l.contains("joined (2 online)"));
        alice.type_line("hello");
        // A list of users may come once more before it.
        bob.prints_some("alice: hello", |l| l == format!("{}: hello", chat.name("alice")));
        bob.type_line(&format!("/msg {} between us", chat.name("alice")));
        alice.prints_some("the private line", |l| l == format!("[private] {}: between us", chat.name("bob")));
    }
}

/// A few bytes that become megabytes: one line without an end, or a million empty ones.
/// The client that sends them is disconnected, and the others notice nothing else.
ours(server) fn a_compression_bomb_ends_its_own_connection_only(case) {
    let chat = Chat::start_with(case, &["--compress"]);
    let (alice, bob) = (compressed(&chat, "alice"), plain(&chat, "bob"));
    alice.hears_some("bob joined", |l| l.starts_with(&format!("[SERVER] {} joined", bob.name)));
    for (who, byte) in [("eve", b"a"), ("mallory", b"\n")] {
        let eve = compressed(&chat, who);
        eve.peer.send_bytes(&byte.repeat(4 << 20));
        eve.lines_to_the_end();
        alice.hears_some(&format!("{who} left"), |l| l.starts_with(&format!("[SERVER] {} left", eve.name)));
        alice.tells(&bob, "still here");
        bob.tells(&alice, "so am I");
    }
}

/// A client that does not read is disconnected when its queue is full, as without
/// compression, and makes no user wait.
ours(server) fn a_compressed_client_that_never_reads_is_disconnected(case) {
    let chat = Chat::start_with(case, &["--compress", "--queue", "100000"]);
    let (alice, bob) = (plain(&chat, "alice"), plain(&chat, "bob"));
    let (stuck, request) = (chat.name("stuck"), format!("REGISTER {} {PASSWORD}", chat.name("stuck")));
    let _unread = agree(case, "stuck", case.stream_with_small_buffer("stuck", chat.address()), &request);
    bob.hears_some("stuck joined", |l| l.starts_with(&format!("[SERVER] {stuck} joined")));
    let left = format!("[SERVER] {stuck} left");
    let mut state = 1_u64;
    // Deflate finds nothing in it that repeats.
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'0' + (state >> 58) as u8)
    };
    for n in 0..300 {
        let block: String = (0..16).map(|_| (0..3000).map(|_| noise()).collect::<String>() + "\n").collect();
        bob.peer.send_bytes(block.as_bytes());
        bob.send(&format!("block {n}"));
        let end = format!("{}: block {n}", bob.name);
        if alice.hears_some("the end of the block", |l| l == end || l.starts_with(&left)) != end {
            return;
        }
    }
    require(false, &left, "after 14 MB it is still there");
}
}
