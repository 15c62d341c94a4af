//! Finding out that a server listens without connecting to it: a chat server
//! tells everyone about a probe that connects, and stage 1 serves one
//! connection only.

use crate::poison::IgnorePoison;
use rustix::process::Pid;
use socket2::{Domain, Socket, Type};
use std::collections::HashSet;
use std::fs::{File, read_dir, read_link, read_to_string};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Mutex;

/// `TCP_LISTEN` in the kernel's `/proc/net/tcp` (proc(5)).
const STATE_LISTEN: &str = "0A";

/// Returns `true` if a process of `group` listens on `port`.
///
/// Where the system has no `/proc/net/tcp` this connects instead.
pub(crate) fn is_listening(port: u16, group: Pid) -> bool {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| File::open(path).ok());
    if tables.iter().all(Option::is_none) {
        return TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
    }
    let found: Vec<_> = tables.into_iter().flatten().filter_map(|t| listener(t, port)).collect();
    // Another program may have taken the port meanwhile, so ask whose it is; but
    // only now, for that is a walk over all processes.
    !found.is_empty() && {
        let owned = sockets_of(group);
        found.iter().any(|inode| owned.contains(inode))
    }
}

/// The addresses on which the processes of `group` listen, `HOST:PORT`.
pub(crate) fn listening_addresses(group: Pid) -> Vec<String> {
    let owned = sockets_of(group);
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().filter_map(|path| File::open(path).ok());
    let of_group = tables.flat_map(listeners).filter(|f| f.get(9).is_some_and(|inode| owned.contains(inode)));
    of_group.filter_map(|fields| address(&fields[1])).collect()
}

/// `0100007F:2328` as `127.0.0.1:9000`. The kernel writes each four bytes of an
/// address as one number in the machine's own order.
fn address(hex: &str) -> Option<String> {
    let (ip, port) = hex.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = ip.as_bytes().chunks(8).map(|word| {
        let word = u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok()?;
        Some(word.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(SocketAddr::new(ip, port).to_string())
}

/// The inode of the socket that listens on `port`.
fn listener(table: File, port: u16) -> Option<String> {
    let here = format!(":{port:04X}");
    let found = listeners(table).find(|fields| fields[1].ends_with(&here))?;
    found.into_iter().nth(9)
}

/// The fields of each listening socket in the table.
///
/// Linux writes the listening sockets first. Reading on would be dear: on a
/// machine under test the closed connections that follow are thousands.
fn listeners(table: File) -> impl Iterator<Item = Vec<String>> {
    let lines = BufReader::with_capacity(4096, table).lines().skip(1).map_while(Result::ok);
    let fields = lines.map(|line| line.split_whitespace().map(String::from).collect::<Vec<_>>());
    fields.take_while(|f| f.get(3).is_some_and(|state| state == STATE_LISTEN))
}

/// The inodes of all sockets that the processes of `group` hold.
fn sockets_of(group: Pid) -> HashSet<String> {
    let processes = read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let of_group = processes.filter(|process| {
        let stat = read_to_string(process.join("stat")).unwrap_or_default();
        // After the name, which may hold anything, in parentheses: state, parent, group.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        fields.split_whitespace().nth(2) == Some(&group.to_string())
    });
    let files = of_group.flat_map(|p| read_dir(p.join("fd")).into_iter().flatten().flatten());
    let names = files.filter_map(|file| read_link(file.path()).ok());
    let inode = |name: &str| Some(name.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    names.filter_map(|name| inode(name.to_str()?)).collect()
}

/// A port that was free a moment ago and that no other check of this run got.
///
/// Somebody may still take it before the server does; whoever starts the server
/// tries again with another one.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    loop {
        let port = bound_port().expect("loopback has free ports");
        let mut given = GIVEN.lock().ignore_poison();
        if given.get_or_insert_default().insert(port) {
            return port;
        }
    }
}

/// Binds without listening, so that no client takes the attempt for a server.
fn bound_port() -> Option<u16> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).ok()?;
    Some(socket.local_addr().ok()?.as_socket()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        assert_eq!(address("0100007F:2328").as_deref(), Some("127.0.0.1:9000"));
        let v6 = address("00000000000000000000000001000000:0050");
        assert_eq!(v6.as_deref(), Some("[::1]:80"));
        assert_eq!(address("rubbish"), None);
    }
}
