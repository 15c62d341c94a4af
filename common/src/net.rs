//! Opening sockets, with errors that say what to do.

use crate::endpoint::Endpoint;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Connections that the kernel keeps for us between their handshake and our
/// `accept`. The standard library asks for 128, which a class of students who
/// press Enter together can fill: the next ones wait a second until their SYN is
/// sent again. The kernel itself lowers this to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// How long one address may take to answer before the next one is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a socket could not be opened; the text ends with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The host's name has no address.
    #[error("no such host: {host} ({cause}); check the spelling or give an IP address")]
    NoSuchHost {
        /// The name that was looked up.
        host: String,
        /// What the resolver said.
        cause: io::Error,
    },
    /// No address could be listened on.
    #[error("cannot listen on {address}: {cause}; {remedy}")]
    Listen {
        /// The address that failed.
        address: SocketAddr,
        /// What the kernel said.
        cause: io::Error,
        /// What to do about it.
        remedy: &'static str,
    },
    /// No address could be connected to.
    #[error("cannot connect to {address}: {cause}; {remedy}")]
    Connect {
        /// The last address that was tried.
        address: SocketAddr,
        /// What the kernel said.
        cause: io::Error,
        /// What to do about it.
        remedy: &'static str,
    },
}

/// After a minute of silence the kernel probes the connection, and after another
/// minute without an answer it ends it (tcp(7)). A machine that has lost its
/// power never closes its connections.
pub(crate) fn keepalive() -> TcpKeepalive {
    let apart = Duration::from_secs(10);
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(apart).with_retries(6)
}

/// A listening socket on the first of the host's addresses that allows it.
///
/// # Errors
/// [`NetError::NoSuchHost`] or [`NetError::Listen`].
pub fn listen(at: &Endpoint) -> Result<TcpListener, NetError> {
    first_that_works(at, listen_on, |address, cause| {
        let remedy = match cause.kind() {
            io::ErrorKind::AddrInUse => {
                "end the program that has it, or choose another port with --listen HOST:PORT (port 0 takes a free one)"
            }
            io::ErrorKind::AddrNotAvailable => "give an address of this machine with --listen HOST:PORT",
            io::ErrorKind::PermissionDenied => "choose a port above 1023 with --listen HOST:PORT",
            _ => "choose another address with --listen HOST:PORT",
        };
        NetError::Listen { address, cause, remedy }
    })
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Without this a server that was just ended could not come back for a
    // minute: its old connections are in TIME_WAIT and own the port.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A connection to the first of the host's addresses that answers.
///
/// # Errors
/// [`NetError::NoSuchHost`], or [`NetError::Connect`] for the last address.
pub fn connect(to: &Endpoint) -> Result<TcpStream, NetError> {
    first_that_works(to, connect_to, |address, cause| {
        let remedy = match cause.kind() {
            io::ErrorKind::ConnectionRefused => {
                "is the server running there? start it first, or name another with --connect HOST:PORT"
            }
            io::ErrorKind::TimedOut => "nothing answers there; check the address and any firewall between",
            _ => "check the address given with --connect HOST:PORT",
        };
        NetError::Connect { address, cause, remedy }
    })
}

fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
    // A chat line is small and wanted now: without this the second of two
    // lines would wait for the first one's acknowledgement (RFC 896).
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&keepalive())?;
    Ok(stream)
}

fn first_that_works<T>(
    at: &Endpoint,
    open: impl Fn(SocketAddr) -> io::Result<T>,
    explain: impl Fn(SocketAddr, io::Error) -> NetError,
) -> Result<T, NetError> {
    let no_such_host = |cause| NetError::NoSuchHost { host: at.host().to_owned(), cause };
    let mut failed = None;
    for address in at.addresses().map_err(no_such_host)? {
        match open(address) {
            Ok(socket) => return Ok(socket),
            Err(cause) => failed = Some(explain(address, cause)),
        }
    }
    Err(failed.unwrap_or_else(|| no_such_host(io::ErrorKind::NotFound.into())))
}
