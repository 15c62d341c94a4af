//! A listening socket that can be stopped, and the connections that are open.

use crate::endpoint::Endpoint;
use crate::log::Log;
use crate::{net, signals};
use anyhow::Context;
use rustix::io::Errno;
use socket2::SockRef;
use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long accepting pauses when the process or the machine is out of files:
/// an `accept` that cannot succeed would otherwise spin on one core.
const PAUSE: Duration = Duration::from_millis(100);

/// How long an orderly end may take. The contract says five seconds at most.
pub const FAREWELL: Duration = Duration::from_secs(4);

/// A server's listening socket.
///
/// Opening it prints the two lines that every server owes, and makes SIGINT and
/// SIGTERM stop it: [`accept`](Listener::accept) then answers `None`, and every
/// connection that is [watched](Listener::watch) reads its end of input, so
/// that whoever serves it comes to an end by itself.
pub struct Listener {
    shared: Arc<Shared>,
    log: Log,
}

struct Shared {
    socket: TcpListener,
    /// Written by the serving threads and the signals' thread. Held for memory
    /// operations and `shutdown` calls only, neither of which can block.
    state: Mutex<State>,
    /// Signalled at the stop and whenever a watched connection is gone.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    next: u64,
    open: HashMap<u64, Arc<TcpStream>>,
}

impl Shared {
    /// `State` is whole between any two statements, so a poisoned lock is used
    /// as it is.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        // Wakes `accept`; a signal alone would not (SA_RESTART).
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Both);
        for stream in state.open.values() {
            let _ = stream.shutdown(Shutdown::Read);
        }
        self.changed.notify_all();
    }
}

impl Listener {
    /// Prints `Server is starting!`, listens, prints `Listening on IP:PORT`.
    ///
    /// # Errors
    /// When the address cannot be listened on, with the remedy in the text.
    pub fn open(at: &Endpoint, log: &Log) -> anyhow::Result<Listener> {
        say("Server is starting!");
        let socket = net::listen(at)?;
        let address = socket.local_addr().context("cannot tell the address listened on")?;
        let shared = Arc::new(Shared { socket, state: Mutex::default(), changed: Condvar::new() });
        // Signals first: whoever reads the second line may send one at once.
        signals::on_stop({
            let shared = shared.clone();
            move || shared.stop()
        })
        .context("cannot handle signals")?;
        say(format_args!("Listening on {address}"));
        Ok(Listener { shared, log: log.clone() })
    }

    /// The next client, or `None` when the server is to stop.
    ///
    /// Errors stay inside: a client that is gone before it is accepted is
    /// nobody's concern, and when there are no files left accepting pauses
    /// until one is free; the client waits in the kernel's queue meanwhile.
    pub fn accept(&self) -> Option<(TcpStream, SocketAddr)> {
        let mut complained = false;
        loop {
            let accepted = self.shared.socket.accept();
            if self.stopping() {
                return None;
            }
            match accepted {
                Ok((stream, peer)) => {
                    // See `net::connect`: small lines must not wait.
                    let _ = stream.set_nodelay(true);
                    return Some((stream, peer));
                }
                Err(e) if is_shortage(&e) => {
                    if !complained {
                        self.log.warn(format_args!("accepting pauses: {e}; those connected are served on"));
                        complained = true;
                    }
                    self.pause();
                }
                Err(e) => self.log.debug(format_args!("accept: {e}")),
            }
        }
    }

    /// Whether a signal has asked the server to end.
    pub fn stopping(&self) -> bool {
        self.shared.lock().stopping
    }

    /// Registers a connection: when the server is to stop, its reading side is
    /// shut down, and [`finish`](Listener::finish) waits for the returned value
    /// to be dropped.
    pub fn watch(&self, stream: &Arc<TcpStream>) -> Watch {
        let mut state = self.shared.lock();
        let id = state.next;
        state.next += 1;
        state.open.insert(id, stream.clone());
        if state.stopping {
            let _ = stream.shutdown(Shutdown::Read);
        }
        Watch { id, shared: self.shared.clone() }
    }

    /// Waits until every watched connection is closed, for [`FAREWELL`] at the
    /// longest: a client that does not read cannot keep the server alive.
    pub fn finish(&self) {
        let end = Instant::now() + FAREWELL;
        let mut state = self.shared.lock();
        while !state.open.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.log.warn(format_args!("{} connections did not end in time", state.open.len()));
                return;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn pause(&self) {
        let state = self.shared.lock();
        if !state.stopping {
            drop(self.shared.changed.wait_timeout(state, PAUSE));
        }
    }
}

/// A connection that [`Listener::finish`] waits for; ends when dropped.
pub struct Watch {
    id: u64,
    shared: Arc<Shared>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().open.remove(&self.id);
        self.shared.changed.notify_all();
    }
}

/// Out of files or of memory for sockets (accept(2)): it will pass.
fn is_shortage(e: &io::Error) -> bool {
    matches!(Errno::from_io_error(e), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// A line on standard output. A server does not need anyone to read it, so one
/// that is closed is no reason to end.
fn say(line: impl std::fmt::Display) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
