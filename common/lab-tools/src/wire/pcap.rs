//! A capture that Wireshark and tshark open.
//!
//! The tap sees two streams of bytes and never a packet, so the packets are made
//! up here: the addresses, ports, bytes, times and ends are real; how the bytes
//! are cut into segments, the sequence numbers' beginning and the acknowledgements
//! are those of a connection that loses nothing.
//!
//! The file is the classic format (draft-ietf-opsawg-pcap, sections 4 and 5): a
//! head, then each packet behind its own head. The packets begin with the IP
//! header, link type 101, since there was no Ethernet.

use crate::wire::tap::Side;
use crate::wire::{Connection, Event};
use etherparse::{
    IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, TcpOptionElement,
};
use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MAGIC: u32 = 0xa1b2_c3d4;
const LINK_RAW_IP: u32 = 101;
const LONGEST_PACKET: u32 = 65_535;

/// What fits an Ethernet frame of 1500 bytes beside the headers.
const SEGMENT_V4: usize = 1460;
const SEGMENT_V6: usize = 1440;

const WINDOW: u16 = 65_535;

/// A capture in the making: each packet is in the file as soon as it was seen.
pub struct Capture {
    out: Box<dyn Write + Send>,
    start: SystemTime,
    streams: HashMap<usize, Stream>,
    failed: Option<io::Error>,
}

struct Stream {
    ends: [SocketAddr; 2],
    /// The sequence number of the next byte of each side.
    next: [u32; 2],
}

/// A packet's flags beside ACK, which all but a first SYN have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    Syn,
    None,
    Push,
    Fin,
    Reset,
}

impl Capture {
    /// A capture on `out` of what begins at `start`.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn new(mut out: Box<dyn Write + Send>, start: SystemTime) -> io::Result<Capture> {
        let mut head = Vec::new();
        head.extend_from_slice(&MAGIC.to_le_bytes());
        // Version 2.4.
        head.extend_from_slice(&2u16.to_le_bytes());
        head.extend_from_slice(&4u16.to_le_bytes());
        // Times are in UTC.
        head.extend_from_slice(&[0; 8]);
        head.extend_from_slice(&LONGEST_PACKET.to_le_bytes());
        head.extend_from_slice(&LINK_RAW_IP.to_le_bytes());
        out.write_all(&head)?;
        out.flush()?;
        Ok(Capture { out, start, streams: HashMap::new(), failed: None })
    }

    /// The packets of one event of connection number `id`.
    pub fn event(&mut self, at: Duration, id: usize, of: &Connection, event: &Event<'_>) {
        if self.failed.is_some() {
            return;
        }
        if matches!(event, Event::Opened) {
            self.streams.insert(id, Stream::new(id, of));
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let packets = stream.packets(event);
        let stamp = (self.start + at).duration_since(UNIX_EPOCH).unwrap_or_default();
        // A full disk must not stop the chat: it is told at the end.
        self.failed = self.write(stamp, &packets).err();
    }

    fn write(&mut self, stamp: Duration, packets: &[Vec<u8>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for packet in packets {
            let length = packet.len() as u32;
            for field in [stamp.as_secs() as u32, stamp.subsec_micros(), length, length] {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
            bytes.extend_from_slice(packet);
        }
        self.out.write_all(&bytes)?;
        self.out.flush()
    }

    /// What went wrong while it was written.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }
}

impl Stream {
    fn new(id: usize, of: &Connection) -> Stream {
        let canonical = |a: SocketAddr| SocketAddr::new(a.ip().to_canonical(), a.port());
        // Any beginning is as good as another, but two connections with the same
        // one would be hard to keep apart where their ports are the same.
        let first = (id as u32 + 1).wrapping_mul(0x9e37_79b9);
        Stream { ends: [canonical(of.client), canonical(of.server)], next: [first, first ^ 0x5555_5555] }
    }

    fn packets(&mut self, event: &Event<'_>) -> Vec<Vec<u8>> {
        match event {
            Event::Opened => {
                [(Side::Client, Flag::Syn), (Side::Server, Flag::Syn), (Side::Client, Flag::None)]
                    .map(|(from, flag)| self.packet(from, flag, b""))
                    .into()
            }
            Event::Sent(from, bytes) => self.segments(*from, bytes),
            Event::Ended(from) => vec![self.packet(*from, Flag::Fin, b""), self.acknowledge(*from)],
            Event::Reset(from) => vec![self.packet(*from, Flag::Reset, b"")],
            Event::Refused(_) => Vec::new(),
        }
    }

    fn segments(&mut self, from: Side, bytes: &[u8]) -> Vec<Vec<u8>> {
        let longest = if self.ends[0].is_ipv4() { SEGMENT_V4 } else { SEGMENT_V6 };
        let mut packets = Vec::new();
        let mut pieces = bytes.chunks(longest).peekable();
        while let Some(piece) = pieces.next() {
            let flag = if pieces.peek().is_none() { Flag::Push } else { Flag::None };
            packets.push(self.packet(from, flag, piece));
        }
        packets.push(self.acknowledge(from));
        packets
    }

    /// The other side has what `from` sent.
    fn acknowledge(&mut self, from: Side) -> Vec<u8> {
        self.packet(from.other(), Flag::None, b"")
    }

    fn packet(&mut self, from: Side, flag: Flag, payload: &[u8]) -> Vec<u8> {
        let (here, there) = (self.ends[from as usize], self.ends[from.other() as usize]);
        let (mine, theirs) = (self.next[from as usize], self.next[from.other() as usize]);
        let mut tcp =
            PacketBuilder::ip(ip_header(here.ip(), there.ip())).tcp(here.port(), there.port(), mine, WINDOW);
        if flag != Flag::Syn || from == Side::Server {
            tcp = tcp.ack(theirs);
        }
        tcp = match flag {
            Flag::Syn => {
                let longest = if here.is_ipv4() { SEGMENT_V4 } else { SEGMENT_V6 } as u16;
                let options = [TcpOptionElement::MaximumSegmentSize(longest)];
                tcp.syn().options(&options).expect("one option of four bytes")
            }
            Flag::None => tcp,
            Flag::Push => tcp.psh(),
            Flag::Fin => tcp.fin(),
            Flag::Reset => tcp.rst(),
        };
        // SYN and FIN count as a byte each.
        let counts = payload.len() as u32 + u32::from(matches!(flag, Flag::Syn | Flag::Fin));
        self.next[from as usize] = mine.wrapping_add(counts);
        let mut packet = Vec::with_capacity(tcp.size(payload.len()));
        tcp.write(&mut packet, payload).expect("a segment fits a packet, and a Vec takes it");
        packet
    }
}

/// Lengths and checksums are filled in when the packet is written.
fn ip_header(from: IpAddr, to: IpAddr) -> IpHeaders {
    const HOPS: u8 = 64;
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = Ipv4Header {
                time_to_live: HOPS,
                protocol: IpNumber::TCP,
                source: from.octets(),
                destination: to.octets(),
                dont_fragment: true,
                fragment_offset: IpFragOffset::ZERO,
                ..Ipv4Header::default()
            };
            IpHeaders::Ipv4(header, Default::default())
        }
        (from, to) => {
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            let header = Ipv6Header {
                hop_limit: HOPS,
                next_header: IpNumber::TCP,
                source: octets(from),
                destination: octets(to),
                ..Ipv6Header::default()
            };
            IpHeaders::Ipv6(header, Default::default())
        }
    }
}

#[cfg(test)]
mod tests;
