//! The tap between two sockets of this process: what comes out is what went in,
//! and what else a side does arrives as well.

use super::*;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

mod link;

const LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Sent(Side, Vec<u8>),
    Ended(Side),
    Reset(Side),
}

/// A client and a server that believe they are connected, and what the tap tells.
struct Tapped {
    client: TcpStream,
    server: TcpStream,
    told: Receiver<Told>,
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    for stream in [&near, &far] {
        // So that a test that hangs fails.
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
    }
    (near, far)
}

fn tapped() -> Tapped {
    tapped_over(None)
}

fn tapped_over(link: Option<Arc<Link>>) -> Tapped {
    let ((client, inner), (outer, server)) = (pair(), pair());
    let (sender, told) = channel();
    thread::spawn(move || {
        carry(inner, outer, link.as_deref(), |side, did| {
            let _ = sender.send(match did {
                SideEvent::Sent(bytes) => Told::Sent(side, bytes.to_vec()),
                SideEvent::Ended => Told::Ended(side),
                SideEvent::Reset => Told::Reset(side),
            });
        })
    });
    Tapped { client, server, told }
}

impl Tapped {
    /// Everything to the end: the bytes of both sides, and what else was told.
    fn story(self) -> ([Vec<u8>; 2], Vec<Told>) {
        drop((self.client, self.server));
        let (mut sent, mut rest) = ([Vec::new(), Vec::new()], Vec::new());
        while let Ok(told) = self.told.recv_timeout(LIMIT) {
            match told {
                Told::Sent(side, bytes) => sent[side as usize].extend(bytes),
                other => rest.push(other),
            }
        }
        (sent, rest)
    }
}

/// The last that is told, when the tap has ended.
fn last_of(told: &Receiver<Told>) -> Told {
    let mut last = None;
    loop {
        match told.recv_timeout(LIMIT) {
            Ok(next) => last = Some(next),
            Err(RecvTimeoutError::Disconnected) => return last.expect("something happened"),
            Err(RecvTimeoutError::Timeout) => panic!("the tap does not end; last it told {last:?}"),
        }
    }
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn both_ways_at_once_every_byte_arrives_and_was_told() {
    let tapped = tapped();
    let [up, down] = [noise(1, 3 << 20), noise(2, 3 << 20)];
    thread::scope(|scope| {
        for (stream, bytes) in [(&tapped.client, &up), (&tapped.server, &down)] {
            scope.spawn(move || {
                let mut writer = stream;
                writer.write_all(bytes).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            });
        }
        let received = scope.spawn(|| read_all(&tapped.server));
        assert!(read_all(&tapped.client) == down);
        assert!(received.join().unwrap() == up);
    });
    let (sent, rest) = tapped.story();
    assert!(sent == [up, down]);
    assert_eq!(rest.len(), 2, "{rest:?}");
    assert!(rest.contains(&Told::Ended(Side::Client)) && rest.contains(&Told::Ended(Side::Server)));
}

#[test]
fn a_half_close_leaves_the_other_half_open() {
    let mut tapped = tapped();
    tapped.client.write_all(b"question").unwrap();
    tapped.client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&tapped.server), b"question");
    tapped.server.write_all(b"answer").unwrap();
    tapped.server.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&tapped.client), b"answer");
    let (_, rest) = tapped.story();
    assert_eq!(rest, [Told::Ended(Side::Client), Told::Ended(Side::Server)]);
}

#[test]
fn a_reset_of_either_side_reaches_the_other() {
    for side in Side::BOTH {
        let Tapped { client, server, told } = tapped();
        let (gone, mut stays) = if side == Side::Client { (client, server) } else { (server, client) };
        reset_at_close(&gone);
        drop(gone);
        let error = stays.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{side:?}");
        assert_eq!(told.recv_timeout(LIMIT), Ok(Told::Reset(side)));
    }
}

#[test]
fn the_last_words_before_a_reset_arrive() {
    let mut tapped = tapped();
    tapped.client.write_all(&noise(3, 10_000)).unwrap();
    // One byte is read, and the rest lies there when the socket is closed: the
    // kernel makes an RST of that. So a server behaves that has had enough.
    tapped.server.read_exact(&mut [0]).unwrap();
    tapped.server.write_all(b"[SERVER] error: enough\n").unwrap();
    let Tapped { mut client, server, told } = tapped;
    let mut last = [0; 23];
    client.read_exact(&mut last).unwrap();
    drop(server);
    assert_eq!(&last, b"[SERVER] error: enough\n");
    assert_eq!(client.read(&mut last).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(last_of(&told), Told::Reset(Side::Server));
}

#[test]
fn last_words_are_read_even_when_a_write_has_failed_first() {
    let ((mut client, inner), (outer, mut server)) = (pair(), pair());
    let ((release, released), (arrives, arrival)) = (channel(), channel());
    thread::spawn(move || {
        carry(inner, outer, None, |side, did| {
            if (side, did) == (Side::Client, SideEvent::Sent(b"1")) {
                let _ = arrives.send(());
                let _ = released.recv_timeout(LIMIT);
            }
        })
    });
    client.write_all(b"1").unwrap();
    // Now the tap has read that, and not written it to the server yet.
    arrival.recv_timeout(LIMIT).unwrap();
    server.write_all(b"enough").unwrap();
    reset_at_close(&server);
    drop(server);
    release.send(()).unwrap();
    let mut last = [0; 6];
    client.read_exact(&mut last).unwrap();
    assert_eq!(&last, b"enough");
    assert_eq!(client.read(&mut last).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

/// Sends until nothing has been taken for a while, since the other side does not
/// read; how many bytes that were.
fn fill(mut stream: &TcpStream) -> usize {
    stream.set_nonblocking(true).unwrap();
    let piece = noise(4, 1 << 16);
    let (mut sent, mut refused) = (0, 0);
    while refused < 20 {
        match stream.write(&piece) {
            Ok(n) => (sent, refused) = (sent + n, 0),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::WouldBlock);
                refused += 1;
                thread::sleep(Duration::from_millis(10));
            }
        }
        assert!(sent < 256 << 20, "somebody holds all of it");
    }
    sent
}

#[test]
fn to_be_slow_is_passed_on_and_costs_nothing() {
    let tapped = tapped();
    let sent = fill(&tapped.server);
    tapped.server.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&tapped.client).len(), sent);
}

#[test]
fn a_reset_is_noticed_while_the_other_side_does_not_read() {
    let Tapped { client, server, told } = tapped();
    fill(&client);
    reset_at_close(&client);
    drop(client);
    assert_eq!(last_of(&told), Told::Reset(Side::Client));
    let mut server = server;
    let end = io::copy(&mut server, &mut io::sink());
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}
