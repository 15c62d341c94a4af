//! A listening socket that can be stopped, and the connections that are open.

use crate::endpoint::Endpoint;
use crate::log::Log;
use crate::poison::IgnorePoison;
use crate::{critical_thread, net, signals};
use anyhow::Context;
use rustix::io::Errno;
use rustix::net::SendFlags;
use slab::Slab;
use socket2::SockRef;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// How long the server pauses between two attempts to accept when the process or
/// the machine has no file descriptors left. Without a pause, an `accept` that
/// cannot succeed would keep one core busy.
const PAUSE: Duration = Duration::from_millis(100);

/// How long clients have to read what is still on its way to them when the
/// server ends. The contract allows five seconds for all of the shutdown.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// A server's listening socket.
///
/// Opening it prints the two lines that every server has to print, and makes
/// SIGINT and SIGTERM stop it: [`accept`](Listener::accept) then returns `None`,
/// and the thread of every [tracked](Listener::track) connection reads the end
/// of its input and so comes to its own end. A panic of a
/// [critical thread](critical_thread) does the same.
pub struct Listener {
    shared: Arc<Shared>,
    /// `true` while there are no file descriptors left: the log says so once, not
    /// at every attempt. Written and read by the thread that accepts.
    out_of_fds: AtomicBool,
    log: Log,
}

struct Shared {
    socket: TcpListener,
    /// Written by the serving threads and the signals' thread. The lock is held
    /// for memory operations and `shutdown` calls only; neither can block.
    state: Mutex<State>,
    /// Signalled when the server is to stop and when a tracked connection ends.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// When the signal came; `None` until then.
    stopped: Option<Instant>,
    open: Slab<Arc<TcpStream>>,
}

impl State {
    fn shut_down(&self, how: Shutdown) {
        for (_, stream) in &self.open {
            let _ = stream.shutdown(how);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }

    fn stop(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.stopped.is_some() {
            return;
        }
        state.stopped = Some(Instant::now());
        // Wakes `accept`; a signal alone would not (SA_RESTART).
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Both);
        state.shut_down(Shutdown::Read);
        self.changed.notify_all();
        drop(state);
        // A thread of its own: the caller may have to wait for the next signal.
        let shared = self.clone();
        let cut_off = move || shared.wait(SHUTDOWN_GRACE, |s| s.open.is_empty()).shut_down(Shutdown::Both);
        // Without a thread to be had there is no time to give, either.
        if thread::Builder::new().name("cut-off".into()).spawn(cut_off).is_err() {
            self.lock().shut_down(Shutdown::Both);
        }
    }

    /// Waits until `done` returns `true`, `limit` at the longest.
    fn wait(&self, limit: Duration, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let wait = self.changed.wait_timeout_while(self.lock(), limit, |state| !done(state));
        wait.ignore_poison().0
    }
}

impl Listener {
    /// Prints `Server is starting!`, listens, prints `Listening on IP:PORT`.
    ///
    /// # Errors
    /// When the server cannot listen on the address; the text says what to do.
    pub fn open(at: &Endpoint, log: &Log) -> anyhow::Result<Listener> {
        say("Server is starting!");
        let socket = net::listen(at)?;
        let address = socket.local_addr().context("cannot tell the address listened on")?;
        let shared = Arc::new(Shared { socket, state: Mutex::default(), changed: Condvar::new() });
        // Signals first: a program that reads the second line may send one at once.
        signals::on_stop({
            let shared = shared.clone();
            move || shared.stop()
        })
        .context("cannot handle signals")?;
        critical_thread::on_panic({
            let shared = shared.clone();
            move || shared.stop()
        });
        say(format_args!("Listening on {address}"));
        Ok(Listener { shared, out_of_fds: AtomicBool::new(false), log: log.clone() })
    }

    /// The next client, or `None` when the server is to stop. Waits for it.
    ///
    /// Errors are handled here. A client that is gone before it is accepted needs
    /// nothing from us. When there are no file descriptors left, the server
    /// pauses until one is free, and the client waits in the kernel's queue.
    pub fn accept(&self) -> Option<(TcpStream, SocketAddr)> {
        for attempt in 0_u64.. {
            let accepted = self.shared.socket.accept();
            if self.stopping() {
                return None;
            }
            match accepted {
                Ok((stream, peer)) => {
                    // The shortage is over when the first attempt succeeds.
                    self.out_of_fds.fetch_and(attempt > 0, Ordering::Relaxed);
                    // See `net::connect`: small lines must not wait.
                    let _ = stream.set_nodelay(true);
                    let _ = SockRef::from(&stream).set_tcp_keepalive(&net::keepalive());
                    // An IPv4 client of a server on `[::]` appears as ::ffff:a.b.c.d;
                    // we show the address that the client itself knows.
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    return Some((stream, peer));
                }
                Err(e) if is_shortage(&e) => {
                    if !self.out_of_fds.swap(true, Ordering::Relaxed) {
                        self.log.warn(format_args!("accepting pauses: {e}; those connected are served on"));
                    }
                    self.pause();
                }
                Err(e) => self.log.debug(format_args!("accept: {e}")),
            }
        }
        unreachable!("the loop ends by returning only")
    }

    /// Ends the server as a signal does: for a server that cannot go on.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Returns `true` if a signal has asked the server to end.
    pub fn stopping(&self) -> bool {
        self.shared.lock().stopped.is_some()
    }

    /// Registers a connection: when the server is to stop, its reading side is
    /// shut down, and [`finish`](Listener::finish) waits for the returned value
    /// to be dropped.
    pub fn track(&self, stream: &Arc<TcpStream>) -> ConnectionGuard {
        let mut state = self.shared.lock();
        let id = state.open.insert(stream.clone());
        if state.stopped.is_some() {
            let _ = stream.shutdown(Shutdown::Read);
        }
        ConnectionGuard { id, shared: self.shared.clone() }
    }

    /// Waits until every tracked connection is closed. A connection whose client
    /// does not read is cut off after [`SHUTDOWN_GRACE`], so no client can keep the
    /// server from ending.
    pub fn finish(&self) {
        let state = self.shared.lock();
        let stopped = state.stopped.unwrap_or_else(Instant::now);
        drop(state);
        // A second more, for the threads whose connections were cut off.
        let limit = (SHUTDOWN_GRACE + Duration::from_secs(1)).saturating_sub(stopped.elapsed());
        let left = self.shared.wait(limit, |state| state.open.is_empty()).open.len();
        if left > 0 {
            self.log.warn(format_args!("{left} connections did not end in time"));
        }
    }

    /// Sends a line to every tracked connection, without waiting: a client whose
    /// socket is full does not get it.
    pub fn broadcast_best_effort(&self, line: &str) {
        let line = format!("{line}\n");
        for (_, stream) in &self.shared.lock().open {
            let _ = rustix::net::send(stream, line.as_bytes(), SendFlags::DONTWAIT);
        }
    }

    /// Waits for the signal that ends the server.
    pub fn wait_for_stop(&self) {
        let state = self.shared.lock();
        drop(self.shared.changed.wait_while(state, |state| state.stopped.is_none()));
    }

    fn pause(&self) {
        let state = self.shared.lock();
        if state.stopped.is_none() {
            drop(self.shared.changed.wait_timeout(state, PAUSE));
        }
    }
}

/// A connection that [`Listener::finish`] waits for, until this is dropped.
pub struct ConnectionGuard {
    id: usize,
    shared: Arc<Shared>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.shared.lock().open.remove(self.id);
        self.shared.changed.notify_all();
    }
}

/// Returns `true` if the process or the machine has no file descriptors or no
/// memory for sockets left (accept(2)). That passes when a client leaves.
fn is_shortage(e: &io::Error) -> bool {
    matches!(Errno::from_io_error(e), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// Prints a line on standard output. A server works without a reader there, so a
/// closed standard output is no reason to end.
fn say(line: impl std::fmt::Display) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
