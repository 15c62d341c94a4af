//! What the kernel knows of one TCP connection: `TCP_INFO` and `TCP_MAXSEG`
//! (tcp(7)).

use std::net::TcpStream;
use std::time::Duration;

/// The kernel's figures for one connection, seen from this side. `None` is a
/// figure that this system does not tell or has not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// From a packet to its acknowledgement (`tcpi_rtt`). Right after the
    /// connection is made: the time that the handshake's packets took.
    pub round_trip: Option<Duration>,
    /// Bytes of data in the largest segment that this side sends (`TCP_MAXSEG`).
    pub send_mss: Option<u32>,
    /// Bytes in the largest segment that this side has said it takes
    /// (`tcpi_advmss`).
    pub announced_mss: Option<u32>,
}

impl TcpInfo {
    /// Asks the kernel. No error: what it does not tell is `None`.
    pub fn of(stream: &TcpStream) -> TcpInfo {
        let send_mss = socket2::SockRef::from(stream).tcp_mss().ok().filter(|mss| *mss > 0);
        TcpInfo { send_mss, ..ask(stream) }
    }
}

#[cfg(not(target_os = "linux"))]
fn ask(_: &TcpStream) -> TcpInfo {
    TcpInfo::default()
}

#[cfg(target_os = "linux")]
use linux::ask;

#[cfg(target_os = "linux")]
mod linux {
    use super::TcpInfo;
    use nix::sys::socket::getsockopt;
    use nix::{getsockopt_impl, libc, sockopt_impl};
    use std::net::TcpStream;
    use std::time::Duration;

    /// The beginning of `struct tcp_info` (`linux/tcp.h`) in words of four
    /// bytes. Kernels have made the structure longer and never changed this
    /// part. If we asked for all of it, an older kernel would give less than a
    /// newer header promises, and nix would panic.
    type Beginning = [u32; 26];
    /// `tcpi_rtt`, in microseconds.
    pub const RTT: usize = 17;
    /// `tcpi_advmss`, in bytes.
    pub const ADVMSS: usize = 21;

    // nix has no name for this option, but the macro with which it makes its own.
    sockopt_impl!(TcpInfoOption, GetOnly, libc::IPPROTO_TCP, libc::TCP_INFO, Beginning);

    pub fn ask(stream: &TcpStream) -> TcpInfo {
        let Ok(info) = getsockopt(stream, TcpInfoOption) else { return TcpInfo::default() };
        // Zero is "not measured".
        let figure = |word: usize| Some(info[word]).filter(|figure| *figure > 0);
        TcpInfo {
            round_trip: figure(RTT).map(|microseconds| Duration::from_micros(microseconds.into())),
            send_mss: None,
            announced_mss: figure(ADVMSS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn both_sides_of_a_connection_are_told() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, _) = listener.accept().unwrap();
            for info in [TcpInfo::of(&client), TcpInfo::of(&server)] {
                // RFC 9293, 3.7.1: a side that announces nothing is taken to mean 536.
                assert!(info.send_mss.is_some_and(|bytes| bytes >= 536), "{info:?}");
                if cfg!(target_os = "linux") {
                    assert!(info.round_trip.is_some(), "{info:?}");
                    assert!(info.announced_mss.is_some_and(|bytes| bytes >= 536), "{info:?}");
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_words_are_those_of_the_system_header() {
        use nix::libc::tcp_info;
        assert_eq!(std::mem::offset_of!(tcp_info, tcpi_rtt), linux::RTT * 4);
        assert_eq!(std::mem::offset_of!(tcp_info, tcpi_advmss), linux::ADVMSS * 4);
    }
}
