//! Captures are taken apart again by etherparse's other half, and checked as an
//! analyst's program would: lengths, checksums, sequence numbers.

use super::*;
use etherparse::{SlicedPacket, TransportSlice};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a receiver has put together of the packets.
#[derive(Default)]
struct Receiver {
    streams: [Vec<u8>; 2],
    flags: Vec<String>,
    largest: usize,
    /// The sequence number that has to come next from each side.
    next: [Option<u32>; 2],
}

impl Receiver {
    fn packet(&mut self, packet: &[u8], client_port: u16) {
        let sliced = SlicedPacket::from_ip(packet).unwrap();
        let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else { panic!("no TCP") };
        let net = sliced.net.as_ref().unwrap();
        let good = match net {
            etherparse::NetSlice::Ipv4(ip) => {
                let header = ip.header().to_header();
                assert_eq!(header.header_checksum, header.calc_header_checksum());
                assert_eq!(usize::from(header.total_len), packet.len());
                tcp.calc_checksum_ipv4(header.source, header.destination)
            }
            etherparse::NetSlice::Ipv6(ip) => {
                tcp.calc_checksum_ipv6(ip.header().source(), ip.header().destination())
            }
            _ => panic!("no IP"),
        };
        assert_eq!(tcp.checksum(), good.unwrap());

        let side = if tcp.source_port() == client_port { Side::Client } else { Side::Server };
        let (mine, theirs) = (side as usize, side.other() as usize);
        if let Some(next) = self.next[mine] {
            assert_eq!(tcp.sequence_number(), next);
        }
        let payload = tcp.payload();
        let counts = payload.len() as u32 + u32::from(tcp.syn()) + u32::from(tcp.fin());
        self.next[mine] = Some(tcp.sequence_number().wrapping_add(counts));
        if tcp.ack() {
            assert_eq!(Some(tcp.acknowledgment_number()), self.next[theirs]);
        }
        self.streams[mine].extend_from_slice(payload);
        self.largest = self.largest.max(payload.len());
        let flags = [(tcp.syn(), "SYN"), (tcp.fin(), "FIN"), (tcp.rst(), "RST")];
        let names = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name);
        self.flags.extend(names.map(|name| format!("{side:?} {name}")));
    }
}

fn received(ends: [&str; 2], events: &[Event<'_>]) -> Receiver {
    let [client, server] = ends.map(|end| end.parse().unwrap());
    let of = Connection { name: "alice".to_owned(), port: 1, client, server };
    let memory = Memory::default();
    let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut capture = Capture::new(Box::new(memory.clone()), start).unwrap();
    for (n, event) in events.iter().enumerate() {
        capture.event(Duration::from_millis(n as u64), 7, &of, event);
    }
    assert!(capture.failure().is_none());
    let file = memory.0.lock().unwrap().clone();
    let field = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!([field(0), field(4), field(16), field(20)], [0xa1b2_c3d4, 2 | 4 << 16, 65_535, 101]);
    let (mut at, mut receiver) = (24, Receiver::default());
    while at < file.len() {
        assert_eq!(field(at), 1_700_000_000);
        assert!(field(at + 4) / 1000 < events.len() as u32);
        let length = field(at + 8) as usize;
        assert_eq!(field(at + 12) as usize, length);
        receiver.packet(&file[at + 16..at + 16 + length], client.port());
        at += 16 + length;
    }
    receiver
}

const V4: [&str; 2] = ["127.0.0.1:40000", "127.0.0.1:9004"];
const V6: [&str; 2] = ["[::1]:40000", "[::1]:9004"];
const MAPPED: [&str; 2] = ["[::ffff:127.0.0.1]:40000", "[::ffff:127.0.0.1]:9004"];

#[test]
fn a_connection_begins_and_ends_as_tcp_does() {
    for ends in [V4, V6, MAPPED] {
        let receiver = received(
            ends,
            &[
                Event::Opened,
                Event::Sent(Side::Client, b"hello\n"),
                Event::Sent(Side::Server, b"world\n"),
                Event::Ended(Side::Client),
                Event::Sent(Side::Server, b"still here\n"),
                Event::Ended(Side::Server),
            ],
        );
        assert_eq!(receiver.flags, ["Client SYN", "Server SYN", "Client FIN", "Server FIN"]);
        assert_eq!(receiver.streams, [b"hello\n".to_vec(), b"world\nstill here\n".to_vec()]);
    }
}

#[test]
fn a_reset_is_a_reset_and_a_refusal_leaves_no_packet() {
    assert_eq!(
        received(V4, &[Event::Opened, Event::Reset(Side::Server)]).flags.last().unwrap(),
        "Server RST"
    );
    assert!(received(V4, &[Event::Refused("no")]).flags.is_empty());
}

#[test]
fn a_large_piece_is_cut_into_segments() {
    let bytes = vec![b'x'; 64 * 1024];
    for (ends, segment) in [(V4, 1460), (V6, 1440)] {
        let receiver = received(ends, &[Event::Opened, Event::Sent(Side::Server, &bytes)]);
        assert_eq!((receiver.largest, receiver.streams[1].len()), (segment, bytes.len()));
    }
}

#[test]
fn sequence_numbers_go_round() {
    let [client, server] = V4.map(|end| end.parse().unwrap());
    let mut stream = Stream { ends: [client, server], next: [u32::MAX - 2, 5] };
    let mut receiver = Receiver { next: [Some(u32::MAX - 2), Some(5)], ..Receiver::default() };
    for packet in stream.packets(&Event::Sent(Side::Client, b"0123456789")) {
        receiver.packet(&packet, client.port());
    }
    assert_eq!(stream.next, [7, 5]);
}

#[test]
fn a_full_disk_is_told_at_the_end() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 == 1 { Ok(bytes.len()) } else { Err(io::ErrorKind::StorageFull.into()) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let [client, server] = V4.map(|end| end.parse().unwrap());
    let of = Connection { name: String::new(), port: 1, client, server };
    let mut capture = Capture::new(Box::new(Full(0)), UNIX_EPOCH).unwrap();
    capture.event(Duration::ZERO, 0, &of, &Event::Opened);
    capture.event(Duration::ZERO, 0, &of, &Event::Ended(Side::Client));
    assert_eq!(capture.failure().unwrap().kind(), io::ErrorKind::StorageFull);
}

proptest! {
    #[test]
    fn any_conversation_comes_out_as_it_went_in(
        said in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 1..4000)), 0..12),
        v6: bool,
    ) {
        let side = |client: bool| if client { Side::Client } else { Side::Server };
        let mut events = vec![Event::Opened];
        events.extend(said.iter().map(|(client, bytes)| Event::Sent(side(*client), bytes)));
        let receiver = received(if v6 { V6 } else { V4 }, &events);
        for client in [true, false] {
            let all: Vec<u8> = said.iter().filter(|(c, _)| *c == client).flat_map(|(_, b)| b.clone()).collect();
            prop_assert_eq!(&receiver.streams[side(client) as usize], &all);
        }
    }
}
