//! A small TCP proxy: a load balancer in front of several servers, or a link to one
//! that can be disturbed.
//!
//! It knows nothing of what passes. Each connection goes to the next server in turn
//! (round robin); a server that does not accept is left out.

use crate::wire::tap::{Link, carry, reset_at_close};
use common::poison::IgnorePoison;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A server on this machine accepts at once, or is not there.
const CONNECT: Duration = Duration::from_secs(1);

/// How long accepting pauses when it fails: a shortage of files passes.
const SHORTAGE: Duration = Duration::from_millis(100);

/// A running proxy. Dropping it resets all connections through it.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    servers: Mutex<Servers>,
    link: Link,
    ended: AtomicBool,
}

struct Servers {
    addresses: Vec<SocketAddr>,
    /// Whose turn it is.
    next: usize,
    /// Where the last connection went.
    last: Option<SocketAddr>,
}

impl Proxy {
    /// Listens at `listen`, for these servers.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(listen: SocketAddr, servers: Vec<SocketAddr>) -> io::Result<Proxy> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let servers = Mutex::new(Servers { addresses: servers, next: 0, last: None });
        let shared = Arc::new(Shared { servers, link: Link::default(), ended: AtomicBool::new(false) });
        // Ends at the first connection after `ended` is set; `drop` makes it.
        thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, &shared)
        });
        Ok(Proxy { address, shared })
    }

    /// New connections go to these servers from now on.
    pub fn set_servers(&self, servers: Vec<SocketAddr>) {
        self.shared.servers().addresses = servers;
    }

    /// The server that got the last connection.
    pub fn last(&self) -> Option<SocketAddr> {
        self.shared.servers().last
    }

    /// All connections through it go over this link.
    pub fn link(&self) -> &Link {
        &self.shared.link
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.shared.link.cut();
        let _ = TcpStream::connect_timeout(&self.address, CONNECT);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else {
            thread::sleep(SHORTAGE);
            continue;
        };
        let shared = shared.clone();
        // Ends with the connection.
        thread::spawn(move || {
            let server = if shared.link.is_down() { None } else { shared.connect() };
            match server {
                // What cannot be set up is closed, and that is all there is to do.
                Some(server) => drop(carry(client, server, Some(&shared.link), |_, _| {})),
                None => reset_at_close(&client),
            }
        });
    }
}

impl Shared {
    /// A connection to the next server that accepts.
    fn connect(&self) -> Option<TcpStream> {
        let addresses = {
            let mut servers = self.servers();
            let mut addresses = servers.addresses.clone();
            let first = servers.next % addresses.len().max(1);
            servers.next = first + 1;
            addresses.rotate_left(first);
            addresses
        };
        // Not under the lock: others need not wait for a server that is gone.
        for address in addresses {
            if let Ok(stream) = TcpStream::connect_timeout(&address, CONNECT) {
                self.servers().last = Some(address);
                return Some(stream);
            }
        }
        None
    }

    fn servers(&self) -> std::sync::MutexGuard<'_, Servers> {
        self.servers.lock().ignore_poison()
    }
}

#[cfg(test)]
mod tests;
