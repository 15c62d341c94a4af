//! Finding out that a server listens without connecting to it: a chat server
//! tells everyone about a probe that connects, and stage 1 serves one
//! connection only.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};

/// `TCP_LISTEN` in the kernel's `/proc/net/tcp` (proc(5)).
const STATE_LISTEN: &str = "0A";

/// True when some process listens on `port`.
///
/// Where the system has no `/proc/net/tcp` this connects instead.
pub(crate) fn is_listening(port: u16) -> bool {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let tables: Vec<_> = tables.iter().filter_map(|p| std::fs::read_to_string(p).ok()).collect();
    if tables.is_empty() {
        return TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
    }
    tables.iter().flat_map(|table| table.lines().skip(1)).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _remote, state) = (fields.next(), fields.next(), fields.next());
        let here = local.and_then(|address| address.rsplit(':').next());
        state == Some(STATE_LISTEN) && here.and_then(|p| u16::from_str_radix(p, 16).ok()) == Some(port)
    })
}

/// A port that was free a moment ago and that no other check of this run got.
///
/// Somebody may still take it before the server does; whoever starts the server
/// tries again with another one.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    loop {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let port = socket.local_addr().expect("a bound socket has an address").port();
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if given.get_or_insert_default().insert(port) {
            return port;
        }
    }
}
