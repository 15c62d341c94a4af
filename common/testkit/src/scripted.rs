//! A server played by the check itself, to see what a client does.

use crate::context::Context;
use crate::peer::Peer;
use socket2::{Domain, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Listens; [`accept`](Self::accept) gives the connection to play with.
pub struct ScriptedServer {
    listener: TcpListener,
    context: Arc<Context>,
}

impl ScriptedServer {
    #[track_caller]
    pub(crate) fn listen(context: &Arc<Context>, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        match listener {
            Ok(listener) => Self { listener, context: context.clone() },
            Err(e) => crate::fail(format!("this machine to listen on {address}"), e.to_string()),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a listening socket has an address")
    }

    /// From now on connections are refused, as when no server runs. The address stays taken,
    /// until [`ClosedServer::open`].
    ///
    /// # Errors
    /// When another program was quicker.
    pub fn close(self) -> io::Result<ClosedServer> {
        let address = self.address();
        drop(self.listener);
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        Ok(ClosedServer { socket, context: self.context })
    }

    /// Waits for the client's connection.
    #[track_caller]
    pub fn accept(&self) -> Peer {
        Peer::over(&self.context, "us", self.accept_stream())
    }

    /// Waits for the client's connection, for whatever is to lie on it.
    #[track_caller]
    pub fn accept_stream(&self) -> TcpStream {
        let deadline = Instant::now() + crate::patience();
        let stream = self.accept_unless(|| Instant::now() >= deadline);
        stream.unwrap_or_else(|| crate::fail("the client to connect", "no connection"))
    }

    /// Waits for the client's connection, or until `given_up` returns `true`.
    #[track_caller]
    pub fn accept_unless(&self, given_up: impl Fn() -> bool) -> Option<TcpStream> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).expect("a fresh socket takes the setting");
                    return Some(stream);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => crate::fail("the client to connect", e.to_string()),
            }
            if given_up() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A server that has ended, and will be back at its address.
pub struct ClosedServer {
    socket: Socket,
    context: Arc<Context>,
}

impl ClosedServer {
    /// Listens again.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn open(self) -> io::Result<ScriptedServer> {
        self.socket.listen(16)?;
        self.socket.set_nonblocking(true)?;
        Ok(ScriptedServer { listener: self.socket.into(), context: self.context })
    }
}
