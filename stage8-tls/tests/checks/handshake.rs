//! The handshake: who gets through it, and what becomes of those who do not.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};
use testkit::{Carried, Case, Next, Peer, checks, fail, require, require_in_time, shown};
use testkit_chat::chat::Chat;
use testkit_chat::tls::{TrustedCa, ca_file};

/// The contract's bound on a handshake, and room for a busy machine.
const BOUND: Duration = Duration::from_secs(10);
const ROOM: Duration = Duration::from_secs(3);
/// Sixty bytes take 15 s.
const BETWEEN_BYTES: Duration = Duration::from_millis(250);
/// Record types of TLS.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// A ClientHello that offers this version and none above it, with the cipher suites
/// that every server of its time had.
fn client_hello(version: [u8; 2]) -> Vec<u8> {
    let suites: [u8; 10] = [0xc0, 0x0a, 0xc0, 0x14, 0xc0, 0x09, 0xc0, 0x13, 0x00, 0x2f];
    // Elliptic curves (X25519, P-256), their points' form, a name.
    let extensions: &[u8] = b"\x00\x0a\x00\x06\x00\x04\x00\x1d\x00\x17\x00\x0b\x00\x02\x01\x00\
        \x00\x00\x00\x0e\x00\x0c\x00\x00\x09localhost";
    let mut body = [&version[..], &[7; 32], &[0], &[0, suites.len() as u8], &suites, &[1, 0]].concat();
    body.extend([&(extensions.len() as u16).to_be_bytes(), extensions].concat());
    let message = [&[1, 0], &(body.len() as u16).to_be_bytes()[..], &body].concat();
    [&[HANDSHAKE, 3, 1], &(message.len() as u16).to_be_bytes()[..], &message].concat()
}

/// A connection that nothing lies on.
#[track_caller]
fn bare(case: &Case, chat: &Chat, who: &str) -> Peer {
    let mut peer = case.carry(who, Carried::bare(case.stream_to(who, chat.address())));
    peer.read_on();
    peer
}

/// Waits until the server has closed.
#[track_caller]
fn is_dropped(peer: &Peer, start: Instant) {
    loop {
        match peer.next() {
            Next::End(..) => return,
            Next::Line(_) => {}
            Next::Nothing => require_in_time(
                start.elapsed() < BOUND + ROOM,
                "the end after 10 s at the latest",
                "an open connection",
            ),
        }
    }
}

checks! {
/// What every server owes.
pub handshake:

/// Both versions that are still in order.
wire(server) fn tls_1_2_and_tls_1_3_are_spoken(case) {
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let trust = TrustedCa::in_file(&ca_file(case), &[version]);
        let mut peer = case.carry("bob", trust.connect("bob", case.stream_to("bob", chat.address()), "localhost"));
        peer.read_on();
        peer.receives("AUTH_REQUIRED");
        peer.send(&format!("REGISTER {} correct horse", chat.name(&format!("{:?}", version.version))));
        peer.hears_of("AUTH_SUCCESS");
        peer.send("hello");
        alice.hears_some("hello", |l| l.ends_with(": hello"));
    }
}

/// Users log in with a password: the handshake asks a client for no certificate.
wire(server) fn no_client_is_asked_for_a_certificate(case) {
    let chat = Chat::start(case);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (trust, asked) = TrustedCa::in_file(&ca_file(case), &[version]).noticing_requests();
        let mut peer = case.carry("alice", trust.connect("alice", case.stream_to("alice", chat.address()), "localhost"));
        peer.read_on();
        peer.receives("AUTH_REQUIRED");
        let asked = asked.load(Ordering::Relaxed);
        require(!asked, format!("no CertificateRequest in {:?}", version.version), "one");
    }
}

/// TLS 1.0 and 1.1 are refused (RFC 8996): no ServerHello comes, but an alert or the end.
wire(server) fn older_versions_are_refused(case) {
    let chat = Chat::start(case);
    for version in [[3, 0], [3, 1], [3, 2]] {
        let eve = bare(case, &chat, "eve");
        eve.send_bytes(&client_hello(version));
        is_dropped(&eve, Instant::now());
        let answer = eve.everything();
        let refused = answer.is_empty() || answer[0] == ALERT;
        require(refused, "an alert, or nothing", shown(&answer));
    }
    chat.register("alice");
}

/// The certificate is for the name and for the address under which the server is
/// reached here, and a client that expects another is right not to go on.
wire(server) fn the_certificate_is_for_localhost_and_127_0_0_1(case) {
    let chat = Chat::start(case);
    let trust = TrustedCa::in_file(&ca_file(case), rustls::ALL_VERSIONS);
    for name in ["localhost", "127.0.0.1"] {
        trust.connect("alice", case.stream_to("alice", chat.address()), name);
    }
    for name in ["elsewhere.example", "127.0.0.2"] {
        let connected = trust.try_connect(case.stream_to("alice", chat.address()), name);
        require(connected.is_err(), format!("a certificate that is not for {name}"), "one that is");
    }
}

/// A client that does not speak TLS gets nothing of the chat, perhaps an error line,
/// and is disconnected.
wire(server, waits) fn plain_text_gets_no_answer_in_plain_text(case) {
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    let start = Instant::now();
    let strangers = ["LOGIN alice correct horse\n", "GET / HTTP/1.1\r\n\r\n", "\n", "\u{16}\u{3}\u{1}"].map(|text| {
        let eve = bare(case, &chat, "eve");
        eve.send_bytes(text.as_bytes());
        eve
    });
    for eve in &strangers {
        is_dropped(eve, start);
        let answer = eve.everything();
        let silent = answer.is_empty() || answer[0] == ALERT || answer.starts_with(b"[SERVER] error: ");
        require(silent, "nothing, an alert of TLS, or an error", shown(&answer));
    }
    chat.register("bob").tells(&alice, "hello");
}

/// A client that sends nothing, stops in the middle of the handshake, or sends a
/// byte now and then, is disconnected after 10 s at the latest; meanwhile the
/// others chat, and new clients come in.
wire(server, waits) fn whoever_stops_in_the_handshake_is_dropped(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let hello = client_hello([3, 3]);
    let start = Instant::now();
    let stuck: Vec<_> = [0, 1, 5, 40, hello.len()].iter().map(|&n| {
        let eve = bare(case, &chat, "eve");
        eve.send_bytes(&hello[..n]);
        eve
    }).collect();
    let dripping = bare(case, &chat, "mallory");
    chat.register("carol").tells(&bob, "I came in all the same");
    // For longer than a handshake may take: with each byte the time must not begin anew.
    let is_over = hello.iter().take(60).any(|byte| {
        let asked = Instant::now();
        alice.tells(&bob, "do you hear me?");
        let took = asked.elapsed();
        require_in_time(took < Duration::from_secs(1), "the others undisturbed", format!("a message that took {took:?}"));
        let asked = Instant::now();
        dripping.try_send(&[*byte]).is_err()
            || matches!(dripping.next_by(asked + BETWEEN_BYTES), Next::End(..))
    });
    require(is_over, "the end after 10 s at the latest", "an open connection, and a byte now and then");
    stuck.iter().for_each(|peer| is_dropped(peer, start));
    alice.tells(&bob, "still here");
}

/// Two hundred handshakes at once, half of them left in the middle: users in the
/// room notice nothing.
wire(server) fn a_flood_of_handshakes_leaves_the_others_undisturbed(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let trust = TrustedCa::in_file(&ca_file(case), rustls::ALL_VERSIONS);
    let hello = client_hello([3, 3]);
    let slowest = thread::scope(|scope| {
        let (trust, hello, chat) = (&trust, &hello, &chat);
        let flood: Vec<_> = (0..4).map(|_| scope.spawn(move || {
            for n in 0..50 {
                let stream = case.stream_to("flood", chat.address());
                if n % 2 == 0 {
                    drop(trust.try_connect(stream, "localhost"));
                } else {
                    case.carry("flood", Carried::bare(stream)).send_beneath(hello);
                }
            }
        })).collect();
        let mut slowest = Duration::ZERO;
        while !flood.iter().all(thread::ScopedJoinHandle::is_finished) {
            let asked = Instant::now();
            alice.tells(&bob, "do you hear me?");
            slowest = slowest.max(asked.elapsed());
        }
        slowest
    });
    require_in_time(slowest < Duration::from_secs(1), "each message within 1 s", format!("one took {slowest:?}"));
    chat.register("carol").tells(&bob, "and there is room for me");
}

/// Bytes that an attacker puts into the stream end this connection and no other,
/// and are not delivered.
wire(server) fn bytes_put_into_the_stream_end_the_connection(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    carol.peer.send_beneath(b"\x17\x03\x03\x00\x05hello");
    match (0..).map(|_| carol.next()).find(|next| !matches!(next, Next::Line(_))) {
        Some(Next::End(..)) => {}
        other => fail("the end", other.map_or_else(String::new, |next| next.to_string())),
    }
    bob.hears(&format!("[SERVER] {} left (2 online)", carol.name));
    alice.tells(&bob, "still here");
}

/// A connection that just stops was cut off, by an attacker perhaps: what has no line
/// end then is not a line, or half a message would be taken for a whole one.
wire(server) fn a_line_cut_off_on_its_way_is_no_message(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    alice.peer.send_bytes(b"do not");
    alice.peer.truncate();
    bob.hears_some("alice to leave", |l| l.starts_with(&format!("[SERVER] {} left", alice.name)));
    let carol = chat.register("carol");
    carol.send("the fence");
    bob.never_hears("do not", "the fence");
    let cut = carol.history.iter().find(|l| l.contains("do not"));
    require(cut.is_none(), "no half of a message in the history", format!("{cut:?}"));
}
}
