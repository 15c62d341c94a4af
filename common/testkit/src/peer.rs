//! One end of a TCP connection, played by the check itself.

use crate::bench::Bench;
use crate::inbox::Inbox;
use crate::transcript::shown;
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// A peer that does not read asks for this little; the kernel makes it somewhat more.
const SMALL_BUFFER: usize = 4 * 1024;

/// A connection of the check's own. Dropping it closes the connection.
pub struct Peer {
    name: String,
    stream: Option<TcpStream>,
    pub(crate) inbox: Inbox,
    reader: Option<JoinHandle<()>>,
    local: SocketAddr,
    remote: SocketAddr,
    bench: Arc<Bench>,
}

impl Peer {
    #[track_caller]
    pub(crate) fn connect(bench: &Arc<Bench>, name: &str, address: SocketAddr) -> Self {
        match TcpStream::connect_timeout(&address, crate::patience()) {
            Ok(stream) => Self::over(bench, name, stream),
            Err(e) => crate::fail(format!("{name} to connect to {address}"), e.to_string()),
        }
    }

    #[track_caller]
    pub(crate) fn connect_from(bench: &Arc<Bench>, name: &str, address: SocketAddr, from: IpAddr) -> Self {
        let connect = || -> io::Result<TcpStream> {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            socket.bind(&SocketAddr::new(from, 0).into())?;
            socket.connect_timeout(&address.into(), crate::patience())?;
            Ok(socket.into())
        };
        match connect() {
            Ok(stream) => Self::over(bench, name, stream),
            Err(e) => crate::fail(format!("{name} to connect to {address} from {from}"), e.to_string()),
        }
    }

    #[track_caller]
    pub(crate) fn connect_unread(bench: &Arc<Bench>, name: &str, address: SocketAddr) -> Self {
        let connect = || -> io::Result<TcpStream> {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            // Before connecting: the window is settled in the handshake.
            socket.set_recv_buffer_size(SMALL_BUFFER)?;
            socket.connect_timeout(&address.into(), crate::patience())?;
            Ok(socket.into())
        };
        match connect() {
            Ok(stream) => Self::unread(bench, name, stream),
            Err(e) => crate::fail(format!("{name} to connect to {address}"), e.to_string()),
        }
    }

    /// A peer over a connection that stands already.
    pub(crate) fn over(bench: &Arc<Bench>, name: &str, stream: TcpStream) -> Self {
        let mut peer = Self::unread(bench, name, stream);
        peer.read_on();
        peer
    }

    fn unread(bench: &Arc<Bench>, name: &str, stream: TcpStream) -> Self {
        let local = stream.local_addr().expect("a connected socket has an address");
        // A peer that has gone already has none.
        let remote = stream.peer_addr().unwrap_or(local);
        // What is sent in pieces should travel in pieces.
        let _ = stream.set_nodelay(true);
        let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
        bench.transcript.note(name, format!("connected, its address is {local}"));
        let (name, bench) = (name.to_owned(), bench.clone());
        Self { name, stream: Some(stream), inbox: Inbox::default(), reader: None, local, remote, bench }
    }

    /// From now on a peer made by `connect_unread` reads as others do.
    pub fn read_on(&mut self) {
        let copy = self.stream().try_clone().expect("a spare file descriptor");
        let transcript = self.bench.transcript.clone();
        self.reader = Some(self.inbox.fill(&self.name, "received", transcript, copy));
    }

    fn stream(&self) -> &TcpStream {
        self.stream.as_ref().expect("only reset() and drop take the stream, and both own the peer")
    }

    /// The address of this end, as the other side sees it.
    pub fn address(&self) -> SocketAddr {
        self.local
    }

    /// The address of the other end.
    pub fn remote_address(&self) -> SocketAddr {
        self.remote
    }

    /// The name that the transcript knows it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends `line` and `\n`.
    #[track_caller]
    pub fn send(&self, line: &str) {
        self.send_bytes(format!("{line}\n").as_bytes());
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send_bytes(&self, bytes: &[u8]) {
        if let Err(e) = self.try_send(bytes) {
            let expected = format!("the other side to take what {} sends", self.name);
            crate::fail(expected, e.to_string());
        }
    }

    /// Sends bytes to somebody who may rightly be gone by now.
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<()> {
        self.bench.transcript.note(&self.name, format!("sent {}", shown(bytes)));
        self.stream().write_all(bytes)
    }

    /// Sends `bytes` until the other side takes no more, `times` times at most.
    pub fn flood(&self, bytes: &[u8], times: usize) {
        let limit = Duration::from_millis(300);
        let _ = self.stream().set_write_timeout(Some(limit));
        let _ = (0..times).try_for_each(|_| self.try_send(bytes));
    }

    /// Sends no more, and goes on reading.
    pub fn half_close(&self) {
        self.bench.transcript.note(&self.name, "closed its sending half");
        let _ = self.stream().shutdown(Shutdown::Write);
    }

    /// Breaks the connection off with a reset, as a machine that crashed would.
    pub fn reset(mut self) {
        self.bench.transcript.note(&self.name, "reset the connection");
        // The reading thread holds a copy of the socket, and only the last copy
        // to go sends the reset.
        let _ = self.stream().shutdown(Shutdown::Read);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let _ = SockRef::from(self.stream()).set_linger(Some(Duration::ZERO));
        self.stream = None;
    }

    /// Closes the connection.
    pub fn close(self) {}
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            self.bench.transcript.note(&self.name, "closed the connection");
            // The reading thread's copy would keep the connection open.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
