//! Between the store and its server: passes everything on, until it is told to
//! fail exactly where it hurts most.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    /// Be as if you were not there.
    Pass,
    /// Pass the next COMMIT on and swallow the answer.
    LoseAnswer,
    /// Keep the next COMMIT until [`Proxy::release`], and hang up on the client.
    HoldCommit,
}

pub struct Proxy {
    /// As the server's, with the proxy's port.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    mode: Mutex<Mode>,
    released: Mutex<bool>,
    release: Condvar,
}

impl Proxy {
    /// Listens until the process ends.
    pub fn start(url: &str) -> Self {
        let (head, database) = url.rsplit_once('/').unwrap();
        let (head, port) = head.rsplit_once(':').unwrap();
        let port: u16 = port.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            mode: Mutex::new(Mode::Pass),
            released: Mutex::new(false),
            release: Condvar::new(),
        });
        thread::spawn({
            let shared = shared.clone();
            move || {
                for client in listener.incoming() {
                    serve(client.unwrap(), port, &shared);
                }
            }
        });
        Proxy { url: format!("{head}:{own}/{database}"), shared }
    }

    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    /// Lets a held COMMIT go.
    pub fn release(&self) {
        *self.shared.released.lock().unwrap() = true;
        self.shared.release.notify_all();
    }
}

fn serve(client: TcpStream, port: u16, shared: &Arc<Shared>) {
    let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (to_client, from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || copy(from_server, to_client, |_| {}));
    let shared = shared.clone();
    let hang_up = client.try_clone().unwrap();
    thread::spawn(move || copy(client, server, |bytes| shared.before(bytes, &hang_up)));
}

impl Shared {
    fn before(&self, bytes: &[u8], client: &TcpStream) {
        if !bytes.windows(6).any(|window| window == b"COMMIT") {
            return;
        }
        let mode = std::mem::replace(&mut *self.mode.lock().unwrap(), Mode::Pass);
        match mode {
            Mode::Pass => {}
            // The answer goes into a socket that is closed; what has been
            // read here is still passed on.
            Mode::LoseAnswer => client.shutdown(Shutdown::Both).unwrap(),
            Mode::HoldCommit => {
                client.shutdown(Shutdown::Both).unwrap();
                let released = self.released.lock().unwrap();
                drop(self.release.wait_while(released, |released| !*released).unwrap());
            }
        }
    }
}

/// Copies until either end closes, asking `before` about each piece first.
fn copy(mut from: TcpStream, mut to: TcpStream, before: impl Fn(&[u8])) {
    let mut buffer = [0; 1 << 16];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        before(&buffer[..n]);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    // A server that has just been given a COMMIT finishes it before it
    // notices that nobody is there.
    let _ = to.shutdown(Shutdown::Write);
}
