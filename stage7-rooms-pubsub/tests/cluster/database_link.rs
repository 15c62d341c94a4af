//! Between a server and the database: passes everything on, until it is told to lose
//! one statement, or the answer to it.

use crate::servers::PATIENCE;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// What becomes of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The database never sees it.
    Lost,
    /// The database does it, and its answer is lost.
    AnswerLost,
}

pub struct DatabaseLink {
    /// As the database's, with the link's port.
    pub url: String,
    shared: Arc<Shared>,
    happened: Receiver<()>,
}

struct Shared {
    port: u16,
    /// The text in the statement, and its fate.
    armed: Mutex<Option<(String, Fate)>>,
    /// New connections are closed.
    down: AtomicBool,
    happens: Sender<()>,
}

impl DatabaseLink {
    /// Listens until the process ends.
    pub fn start(url: &str) -> Self {
        let (head, database) = url.rsplit_once('/').unwrap();
        let (head, port) = head.rsplit_once(':').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{head}:{}/{database}", listener.local_addr().unwrap().port());
        let (happens, happened) = channel();
        let (port, armed, down) = (port.parse().unwrap(), Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { port, armed, down, happens });
        thread::spawn({
            let shared = shared.clone();
            move || listener.incoming().for_each(|client| serve(client.unwrap(), &shared))
        });
        DatabaseLink { url, shared, happened }
    }

    /// Loses the next statement that has this text, or the answer to it, with its
    /// connection. Then no connection is let through, until the link is restored.
    pub fn lose(&self, text: &str, fate: Fate) {
        *self.shared.armed.lock().unwrap() = Some((text.to_owned(), fate));
    }

    /// Waits until that has happened.
    pub fn has_lost_it(&self) {
        self.happened.recv_timeout(PATIENCE).expect("the statement comes");
    }

    pub fn restore(&self) {
        self.shared.down.store(false, Ordering::SeqCst);
    }
}

fn serve(mut client: TcpStream, shared: &Arc<Shared>) {
    if shared.down.load(Ordering::SeqCst) {
        return;
    }
    let mut server = TcpStream::connect(("127.0.0.1", shared.port)).unwrap();
    let (mut to_client, mut from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let shared = shared.clone();
    thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(n @ 1..) = client.read(&mut buffer) {
            if let Some(fate) = shared.take_fate(&buffer[..n]) {
                shared.down.store(true, Ordering::SeqCst);
                let _ = client.shutdown(Shutdown::Both);
                if fate == Fate::AnswerLost {
                    server.write_all(&buffer[..n]).unwrap();
                    // MariaDB does it before it notices that nobody is there.
                    let _ = server.shutdown(Shutdown::Write);
                }
                shared.happens.send(()).unwrap();
                break;
            }
            if server.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Write);
    });
}

impl Shared {
    fn take_fate(&self, bytes: &[u8]) -> Option<Fate> {
        let mut armed = self.armed.lock().unwrap();
        let (text, _) = armed.as_ref()?;
        let is_it = bytes.windows(text.len()).any(|window| window == text.as_bytes());
        if is_it { armed.take().map(|(_, fate)| fate) } else { None }
    }
}
