//! What both sides know once three packets have gone to and fro.
//!
//! The client's SYN, the server's SYN-ACK, the client's ACK (RFC 9293, 3.5):
//! after that each side knows the other's address and port, has told the other
//! the largest segment it takes (the MSS option, RFC 9293, 3.7.1), and has seen
//! one round trip, since a packet of its own was answered.
//!
//! The two addresses are the connection's name: no other connection has the
//! same four numbers at the same time. That is how one port serves many clients.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
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
    pub segment: Option<u32>,
    /// Bytes in the largest segment that this side said it takes.
    pub announced: Option<u32>,
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
    /// When the server has reset the connection meanwhile: then it has no
    /// addresses any more.
    pub fn connected(stream: &TcpStream, took: Duration) -> io::Result<Handshake> {
        let (client, server) = (stream.local_addr()?, stream.peer_addr()?);
        let settled = Handshake::settled(stream, client, server);
        let round_trip = settled.round_trip.or(Some(RoundTrip::CallOfConnect(took)));
        Ok(Handshake { round_trip, ..settled })
    }

    /// The server's view. `client` is from `accept`, which knows it even if
    /// that client has gone since.
    ///
    /// # Errors
    /// When the system cannot tell the local address.
    pub fn accepted(stream: &TcpStream, client: SocketAddr) -> io::Result<Handshake> {
        Ok(Handshake::settled(stream, client, stream.local_addr()?))
    }

    fn settled(stream: &TcpStream, client: SocketAddr, server: SocketAddr) -> Handshake {
        let kernel = kernel::ask(stream);
        Handshake {
            client: plain(client),
            server: plain(server),
            round_trip: kernel.round_trip.map(RoundTrip::Kernel),
            // TCP_MAXSEG, tcp(7): after the handshake, what is really used.
            segment: socket2::SockRef::from(stream).tcp_mss().ok().filter(|mss| *mss > 0),
            announced: kernel.announced,
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
        writeln!(out, "Connected: client {} -> server {}", self.client, self.server)?;
        writeln!(out, "Round-trip time: {round_trip}")?;
        writeln!(out, "Maximum segment size: {}", bytes(self.segment, "this side sends: TCP_MAXSEG"))?;
        writeln!(
            out,
            "Maximum segment size announced: {}",
            bytes(self.announced, "this side takes: TCP_INFO")
        )?;
        out.flush()
    }
}

fn unknown() -> String {
    "unknown (this system does not tell)".into()
}

/// An IPv4 client of a server that listens on `[::]` appears there as
/// `::ffff:a.b.c.d`. Both sides shall show the same address.
fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        v4 @ IpAddr::V4(_) => SocketAddr::new(v4, address.port()),
        IpAddr::V6(_) => address,
    }
}

/// What only the kernel knows.
#[derive(Default)]
struct KernelFacts {
    round_trip: Option<Duration>,
    announced: Option<u32>,
}

#[cfg(target_os = "linux")]
mod kernel {
    use super::KernelFacts;
    use nix::sys::socket::getsockopt;
    use nix::{getsockopt_impl, libc, sockopt_impl};
    use std::net::TcpStream;
    use std::time::Duration;

    /// The beginning of `struct tcp_info` (`linux/tcp.h`) in words of four
    /// bytes. Kernels have made the structure longer and never changed this
    /// part; asked for all of it, an older kernel gives less than a newer
    /// header promises, and nix panics.
    type Beginning = [u32; 26];
    /// `tcpi_rtt`, in microseconds.
    pub const RTT: usize = 17;
    /// `tcpi_advmss`, in bytes.
    pub const ADVMSS: usize = 21;

    // nix has no name for this option, but the macro with which it makes its own.
    sockopt_impl!(TcpInfo, GetOnly, libc::IPPROTO_TCP, libc::TCP_INFO, Beginning);

    pub fn ask(stream: &TcpStream) -> KernelFacts {
        let Ok(info) = getsockopt(stream, TcpInfo) else { return KernelFacts::default() };
        // Zero is "not measured".
        let figure = |word: usize| Some(info[word]).filter(|figure| *figure > 0);
        KernelFacts {
            round_trip: figure(RTT).map(|microseconds| Duration::from_micros(microseconds.into())),
            announced: figure(ADVMSS),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::KernelFacts;
    use std::net::TcpStream;

    pub fn ask(_: &TcpStream) -> KernelFacts {
        KernelFacts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn both_sides(listen: &str, connect: &str) -> (Handshake, Handshake) {
        let listener = TcpListener::bind((listen, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let from_client = TcpStream::connect((connect, port)).unwrap();
        let (from_server, peer) = listener.accept().unwrap();
        let client = Handshake::connected(&from_client, Duration::from_millis(1)).unwrap();
        (client, Handshake::accepted(&from_server, peer).unwrap())
    }

    #[test]
    fn both_sides_see_the_same_two_addresses() {
        for (listen, connect) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")] {
            let (client, server) = both_sides(listen, connect);
            assert_eq!((client.client, client.server), (server.client, server.server), "{listen}");
            assert_eq!(client.server.ip().to_string(), connect);
        }
    }

    #[test]
    fn the_kernel_tells_both_sides_all_it_settled() {
        for address in ["127.0.0.1", "::1"] {
            let (client, server) = both_sides(address, address);
            for side in [client, server] {
                // RFC 9293, 3.7.1: 536 is assumed of those who announce nothing.
                assert!(side.segment.is_some_and(|bytes| bytes >= 536), "{side:?}");
                if cfg!(target_os = "linux") {
                    assert!(matches!(side.round_trip, Some(RoundTrip::Kernel(_))), "{side:?}");
                    assert!(side.announced.is_some_and(|bytes| bytes >= 536), "{side:?}");
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_words_are_those_of_the_system_header() {
        use nix::libc::tcp_info;
        assert_eq!(std::mem::offset_of!(tcp_info, tcpi_rtt), kernel::RTT * 4);
        assert_eq!(std::mem::offset_of!(tcp_info, tcpi_advmss), kernel::ADVMSS * 4);
    }

    #[test]
    fn what_the_system_does_not_tell_is_unknown_and_no_error() {
        let address = "127.0.0.1:1".parse().unwrap();
        let nothing =
            Handshake { client: address, server: address, round_trip: None, segment: None, announced: None };
        let mut shown = Vec::new();
        nothing.show(&mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.starts_with("Connected: client 127.0.0.1:1 -> server 127.0.0.1:1\n"), "{shown}");
        assert_eq!(shown.matches(": unknown").count(), 3, "{shown}");
    }
}
