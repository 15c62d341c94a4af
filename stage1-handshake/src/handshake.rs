//! What both sides know once three packets have gone back and forth.
//!
//! The client's SYN, the server's SYN-ACK, the client's ACK (RFC 9293, 3.5):
//! after that each side knows the other's address and port, has told the other
//! the largest segment it takes (the MSS option, RFC 9293, 3.7.1), and has seen
//! one round trip, since a packet of its own was answered.
//!
//! The two addresses are the connection's name: no other connection has the
//! same four numbers at the same time. That is how one port serves many clients.

use common::tcp_info::TcpInfo;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What the handshake of one connection settled, seen from one of its sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The side that connected.
    pub client: SocketAddr,
    /// The side that listened.
    pub server: SocketAddr,
    /// From a packet to its answer; `None` where the system does not tell.
    pub round_trip: Option<RoundTrip>,
    /// Bytes of data in the largest segment that this side sends.
    pub send_mss: Option<u32>,
    /// Bytes in the largest segment that this side said it takes.
    pub announced_mss: Option<u32>,
}

/// A round-trip time and where it is from: the two sources are not the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundTrip {
    /// The kernel took the time of the handshake's packets (`TCP_INFO`, tcp(7)).
    Kernel(Duration),
    /// We took the time of the call: with the way into the kernel and back, and
    /// with the name's look-up and every address tried in vain.
    CallOfConnect(Duration),
}

impl Handshake {
    /// The client's view. `took` is how long connecting took, for systems that
    /// do not tell the round trip themselves.
    ///
    /// # Errors
    /// When the server has reset the connection in the meantime: then it has no
    /// addresses any longer.
    pub fn connected(stream: &TcpStream, took: Duration) -> io::Result<Handshake> {
        let (client, server) = (stream.local_addr()?, stream.peer_addr()?);
        let settled = Handshake::settled(stream, client, server);
        let round_trip = settled.round_trip.or(Some(RoundTrip::CallOfConnect(took)));
        Ok(Handshake { round_trip, ..settled })
    }

    /// The server's view. `client` is from `accept`, which knows the address
    /// even if that client has gone since.
    ///
    /// # Errors
    /// When the system cannot tell the local address.
    pub fn accepted(stream: &TcpStream, client: SocketAddr) -> io::Result<Handshake> {
        Ok(Handshake::settled(stream, client, stream.local_addr()?))
    }

    fn settled(stream: &TcpStream, client: SocketAddr, server: SocketAddr) -> Handshake {
        let TcpInfo { round_trip, send_mss, announced_mss } = TcpInfo::of(stream);
        Handshake {
            client: same_on_both_sides(client),
            server: same_on_both_sides(server),
            round_trip: round_trip.map(RoundTrip::Kernel),
            send_mss,
            announced_mss,
        }
    }

    /// Writes the line that both sides agree on, then what this side knows.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn show(&self, out: &mut impl Write) -> io::Result<()> {
        let round_trip = match self.round_trip {
            Some(RoundTrip::Kernel(time)) => format!("{time:?} (the kernel's: TCP_INFO)"),
            Some(RoundTrip::CallOfConnect(time)) => format!("{time:?} (our own: how long connecting took)"),
            None => unknown(),
        };
        let bytes = |figure: Option<u32>, source| match figure {
            Some(bytes) => format!("{bytes} bytes ({source})"),
            None => unknown(),
        };
        let send_mss = bytes(self.send_mss, "this side sends: TCP_MAXSEG");
        let announced_mss = bytes(self.announced_mss, "this side takes: TCP_INFO");
        writeln!(out, "Connected: client {} -> server {}", self.client, self.server)?;
        writeln!(out, "Round-trip time: {round_trip}")?;
        writeln!(out, "Maximum segment size: {send_mss}")?;
        writeln!(out, "Maximum segment size announced: {announced_mss}")?;
        out.flush()
    }
}

fn unknown() -> String {
    "unknown (this system does not tell)".into()
}

/// An address as both sides see it.
///
/// - An IPv4 client of a server that listens on `[::]` appears there as
///   `::ffff:a.b.c.d`, and as `a.b.c.d` at its own side.
/// - A link-local IPv6 address has a zone, the `%2` in `fe80::1%2`. It is the
///   number of a network interface of one machine (RFC 4007, 6): it is in no
///   packet, and on the other machine the same link has another number.
fn same_on_both_sides(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv6Addr, SocketAddrV6, TcpListener};

    /// A server that listens on `listen`, and a client that connects to `connect`
    /// (whose port is the server's).
    fn both_sides(listen: SocketAddr, mut connect: SocketAddr) -> (Handshake, Handshake) {
        let listener = TcpListener::bind(listen).unwrap();
        connect.set_port(listener.local_addr().unwrap().port());
        let from_client = TcpStream::connect(connect).unwrap();
        let (from_server, peer) = listener.accept().unwrap();
        let client = Handshake::connected(&from_client, Duration::from_millis(1)).unwrap();
        (client, Handshake::accepted(&from_server, peer).unwrap())
    }

    /// A link-local address of this machine with its zone, if it has one.
    fn link_local() -> Option<SocketAddr> {
        // Address and interface in hexadecimal: see proc_net(5).
        let addresses = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
        let line = addresses.lines().find(|line| line.starts_with("fe80"))?;
        let mut words = line.split_whitespace();
        let ip = u128::from_str_radix(words.next()?, 16).ok()?;
        let zone = u32::from_str_radix(words.next()?, 16).ok()?;
        Some(SocketAddrV6::new(Ipv6Addr::from_bits(ip), 0, 0, zone).into())
    }

    #[test]
    fn both_sides_show_the_same_two_addresses() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let mut ways = vec![
            (address("127.0.0.1:0"), address("127.0.0.1:0")),
            (address("[::1]:0"), address("[::1]:0")),
            (address("[::]:0"), address("127.0.0.1:0")),
        ];
        ways.extend(link_local().map(|address| (address, address)));
        for (listen, connect) in ways {
            let (client, server) = both_sides(listen, connect);
            assert_eq!((client.client, client.server), (server.client, server.server), "{listen}");
            assert_eq!(client.server.ip(), connect.ip());
        }
    }

    #[test]
    fn a_zone_that_only_one_machine_knows_is_not_shown() {
        for zone in [2, 7] {
            let address = SocketAddrV6::new("fe80::1".parse().unwrap(), 9001, 0, zone);
            assert_eq!(same_on_both_sides(address.into()).to_string(), "[fe80::1]:9001");
        }
    }

    #[test]
    fn what_the_system_does_not_tell_is_unknown_and_no_error() {
        let address = "127.0.0.1:1".parse().unwrap();
        let nothing = Handshake {
            client: address,
            server: address,
            round_trip: None,
            send_mss: None,
            announced_mss: None,
        };
        let mut shown = Vec::new();
        nothing.show(&mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.starts_with("Connected: client 127.0.0.1:1 -> server 127.0.0.1:1\n"), "{shown}");
        assert_eq!(shown.matches(": unknown").count(), 3, "{shown}");
    }
}
