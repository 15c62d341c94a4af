//! A server played by the check itself, to see what a client does.

use crate::context::Context;
use crate::peer::Peer;
use std::io::ErrorKind;
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
    pub(crate) fn accept_unless(&self, given_up: impl Fn() -> bool) -> Option<TcpStream> {
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
