//! One end of a TCP connection, played by the check itself.

use crate::context::Context;
use crate::inbox::Inbox;
use crate::transcript::shown;
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// A peer that does not read asks for this little; the kernel makes it somewhat more.
const SMALL_BUFFER: usize = 4 * 1024;

/// What the sending half of a connection does when something lies between the
/// lines and the socket, as TLS does.
pub trait Transport: Send + Sync {
    /// Sends all of it.
    fn send(&self, bytes: &[u8]) -> io::Result<()>;
    /// Says that nothing more will be sent.
    fn half_close(&self);
}

/// A connection that something lies on: the socket itself, the way out, and what
/// comes in.
pub struct Carried {
    /// For resets, and for bytes that bypass the transport.
    pub stream: TcpStream,
    /// What is sent goes through here; else over the socket as it is.
    pub transport: Option<Arc<dyn Transport>>,
    /// What is received comes from here; else from the socket.
    pub source: Option<Box<dyn Read + Send + Sync>>,
}

impl Carried {
    /// By the socket and nothing else.
    pub fn bare(stream: TcpStream) -> Self {
        Self { stream, transport: None, source: None }
    }
}

/// A connection of the check's own. Dropping it closes the connection.
pub struct Peer {
    name: String,
    stream: Option<TcpStream>,
    /// Both are `None` where the lines go over the socket as they are.
    transport: Option<Arc<dyn Transport>>,
    source: Option<Box<dyn Read + Send + Sync>>,
    pub(crate) inbox: Inbox,
    reader: Option<JoinHandle<()>>,
    local: SocketAddr,
    remote: SocketAddr,
    context: Arc<Context>,
}

impl Peer {
    #[track_caller]
    pub(crate) fn connect(context: &Arc<Context>, name: &str, address: SocketAddr) -> Self {
        Self::over(context, name, reach(name, address, &Way::Usual))
    }

    #[track_caller]
    pub(crate) fn connect_from(
        context: &Arc<Context>,
        name: &str,
        address: SocketAddr,
        from: IpAddr,
    ) -> Self {
        Self::over(context, name, reach(name, address, &Way::From(from)))
    }

    #[track_caller]
    pub(crate) fn connect_unread(context: &Arc<Context>, name: &str, address: SocketAddr) -> Self {
        Self::unread(context, name, reach(name, address, &Way::SmallBuffer))
    }

    /// A peer whose lines are carried by more than the socket; it does not read yet.
    pub(crate) fn carried(context: &Arc<Context>, name: &str, carried: Carried) -> Self {
        let mut peer = Self::unread(context, name, carried.stream);
        (peer.transport, peer.source) = (carried.transport, carried.source);
        peer
    }

    /// A peer over a connection that stands already.
    pub(crate) fn over(context: &Arc<Context>, name: &str, stream: TcpStream) -> Self {
        let mut peer = Self::unread(context, name, stream);
        peer.read_on();
        peer
    }

    fn unread(context: &Arc<Context>, name: &str, stream: TcpStream) -> Self {
        let local = stream.local_addr().expect("a connected socket has an address");
        // A peer that has gone already has none.
        let remote = stream.peer_addr().unwrap_or(local);
        // What is sent in pieces should travel in pieces.
        let _ = stream.set_nodelay(true);
        let _ = stream.set_write_timeout(Some(crate::on_this_machine(Duration::from_secs(5))));
        context.transcript.note(name, format!("connected, its address is {local}"));
        let (name, context) = (name.to_owned(), context.clone());
        let (stream, inbox) = (Some(stream), Inbox::default());
        if context.takes_cr_lf() {
            inbox.take_cr_lf();
        }
        Self { name, stream, transport: None, source: None, inbox, reader: None, local, remote, context }
    }

    /// From now on a peer that was made not to read reads as others do.
    pub fn read_on(&mut self) {
        let source = self.source.take().unwrap_or_else(|| {
            let copy = self.stream.as_ref().and_then(|stream| stream.try_clone().ok());
            Box::new(copy.expect("a spare file descriptor"))
        });
        let transcript = self.context.transcript.clone();
        self.reader = Some(self.inbox.fill(&self.name, "received", transcript, source));
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

    /// Sends bytes to a server that may rightly have closed by now.
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<()> {
        self.context.transcript.note(&self.name, format!("sent {}", shown(bytes)));
        match &self.transport {
            Some(transport) => transport.send(bytes),
            None => self.stream().write_all(bytes),
        }
    }

    /// Sends bytes past whatever lies on the socket: what an attacker on the way
    /// could put in.
    pub fn send_beneath(&self, bytes: &[u8]) {
        self.context.transcript.note(&self.name, format!("put {} into the stream", shown(bytes)));
        let _ = self.stream().write_all(bytes);
    }

    /// Ends the stream without a word from what lies on the socket.
    pub fn truncate(&self) {
        self.context.transcript.note(&self.name, "cut its sending half off");
        let _ = self.stream().shutdown(Shutdown::Write);
    }

    /// Sends `bytes` until the other side takes nothing more, `times` times at most.
    pub fn flood(&self, bytes: &[u8], times: usize) {
        let limit = Duration::from_millis(300);
        let _ = self.stream().set_write_timeout(Some(limit));
        let _ = (0..times).try_for_each(|_| self.try_send(bytes));
    }

    /// Sends nothing more, and goes on reading.
    pub fn half_close(&self) {
        self.context.transcript.note(&self.name, "closed its sending half");
        match &self.transport {
            Some(transport) => transport.half_close(),
            None => drop(self.stream().shutdown(Shutdown::Write)),
        }
    }

    /// Breaks the connection off with a reset, as a machine that crashed would.
    pub fn reset(mut self) {
        self.context.transcript.note(&self.name, "reset the connection");
        // The reading thread holds a copy of the socket, and only the last copy
        // to go sends the reset.
        let _ = self.stream().shutdown(Shutdown::Read);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        (self.transport, self.source) = (None, None);
        let _ = SockRef::from(self.stream()).set_linger(Some(Duration::ZERO));
        self.stream = None;
    }

    /// Closes the connection.
    pub fn close(self) {}
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            self.context.transcript.note(&self.name, "closed the connection");
            if let Some(transport) = &self.transport {
                let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
                transport.half_close();
            }
            // The reading thread's copy would keep the connection open.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// How a connection is made.
pub(crate) enum Way {
    Usual,
    /// From another address of this machine.
    From(IpAddr),
    /// With a small receive buffer.
    SmallBuffer,
}

/// A connection to `address`.
#[track_caller]
pub(crate) fn reach(name: &str, address: SocketAddr, way: &Way) -> TcpStream {
    let connect = || -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        match way {
            Way::Usual => {}
            Way::From(from) => socket.bind(&SocketAddr::new(*from, 0).into())?,
            // Before connecting: the window is settled in the handshake.
            Way::SmallBuffer => socket.set_recv_buffer_size(SMALL_BUFFER)?,
        }
        socket.connect_timeout(&address.into(), crate::patience())?;
        Ok(socket.into())
    };
    connect().unwrap_or_else(|e| crate::fail(format!("{name} to connect to {address}"), e.to_string()))
}
