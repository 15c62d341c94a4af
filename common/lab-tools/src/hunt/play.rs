//! Plays one script against one server.

use super::script::{Act, Action, Part, Script, Step, Text};
use super::servers::Server;
use common::escape::escape;
use socket2::SockRef;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// So long must it be silent where nothing is to be heard. The loose right server
/// is late by less.
const SILENCE: Duration = Duration::from_millis(200);
/// Until a client is in the room, or out: a right server needs milliseconds.
const SOON: Duration = Duration::from_millis(500);
/// More is not shown of a long line.
const SHOWN: usize = 120;

/// Where the script and the server part.
#[derive(Debug)]
pub struct Difference {
    number: usize,
    step: String,
    got: String,
    /// Something came that should not have, and not just nothing.
    pub came: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  line {}: {}\n  got:  {}", self.number, shown(self.step.as_bytes()), self.got)
    }
}

/// Plays the script to its end. A line has to come within `patience`.
///
/// # Errors
/// The first step that does not hold.
pub fn play(script: &Script, server: &mut Server, patience: Duration) -> Result<(), Difference> {
    let mut clients = Clients { patience, connected: BTreeMap::new(), addresses: BTreeMap::new() };
    for step in &script.steps {
        let played = match &step.action {
            Action::Signal(signal) => {
                server.signal(*signal);
                Ok(())
            }
            Action::Wait(time) => {
                thread::sleep(*time);
                Ok(())
            }
            Action::Client(name, Act::Connect) => clients.connect(name, server),
            Action::Client(name, act) => clients.act(name, act, server),
        };
        played.map_err(|came| differs(step, came))?;
    }
    Ok(())
}

fn differs(step: &Step, came: Came) -> Difference {
    Difference {
        number: step.number,
        step: step.text.clone(),
        got: came.to_string(),
        came: !matches!(came, Came::Nothing),
    }
}

/// What came in place of what should have.
enum Came {
    Line(Vec<u8>),
    /// The end of the stream, and what stood before it without a line end.
    End(Vec<u8>),
    Broken(std::io::Error),
    Nothing,
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Came::Line(line) => write!(f, "the line {}", shown(line)),
            Came::End(rest) if rest.is_empty() => write!(f, "the end of the stream"),
            Came::End(rest) => write!(f, "{} without a line end, and the end of the stream", shown(rest)),
            Came::Broken(error) => write!(f, "{error}"),
            Came::Nothing => write!(f, "nothing"),
        }
    }
}

/// The clients of a script.
struct Clients {
    patience: Duration,
    connected: BTreeMap<String, Client>,
    /// Also of those that have gone.
    addresses: BTreeMap<String, SocketAddr>,
}

impl Clients {
    fn connect(&mut self, name: &str, server: &Server) -> Result<(), Came> {
        let client = Client::connect(server.address).map_err(Came::Broken)?;
        server.wait_for(&format!("in {}", client.local), SOON);
        self.addresses.insert(name.to_owned(), client.local);
        self.connected.insert(name.to_owned(), client);
        Ok(())
    }

    fn bytes(&self, Text(parts): &Text) -> Vec<u8> {
        let part = |part: &Part| match part {
            Part::Bytes(bytes) => bytes.clone(),
            Part::Address(of) => self.addresses.get(of).map(SocketAddr::to_string).unwrap_or_default().into(),
        };
        parts.iter().flat_map(part).collect()
    }

    fn act(&mut self, name: &str, act: &Act, server: &Server) -> Result<(), Came> {
        let text = match act {
            Act::Send(text) | Act::Receive(text) => self.bytes(text),
            _ => Vec::new(),
        };
        // The parser lets only those act that have connected and not gone.
        let Some(client) = self.connected.get_mut(name) else { return Ok(()) };
        let (soon, silence) = (Instant::now() + self.patience, Instant::now() + SILENCE);
        let came = match act {
            Act::Receive(_) | Act::SeeEnd => client.next(soon),
            Act::HearNothing => client.next(silence),
            Act::Send(_) => {
                // A server may rightly have closed; what it sends is what counts.
                let _ = client.stream.write_all(&text);
                return Ok(());
            }
            Act::HalfClose | Act::Close | Act::Reset => {
                self.leave(name, act, server);
                return Ok(());
            }
            Act::Connect => return Ok(()),
        };
        match (act, came) {
            (Act::Receive(_), Came::Line(line)) if line == text => Ok(()),
            (Act::SeeEnd, Came::End(rest)) if rest.is_empty() => Ok(()),
            (Act::HearNothing, Came::Nothing) => Ok(()),
            (_, came) => Err(came),
        }
    }

    /// Ends the sending half, or all of it, and waits until the server has seen it.
    fn leave(&mut self, name: &str, act: &Act, server: &Server) {
        let Some(client) = self.connected.get(name) else { return };
        let out = format!("out {}", client.local);
        if *act == Act::HalfClose {
            let _ = client.stream.shutdown(Shutdown::Write);
        } else if let Some(Client { stream, .. }) = self.connected.remove(name) {
            if *act == Act::Reset {
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            // Dropping it closes it, both ways.
            drop(stream);
        }
        server.wait_for(&out, SOON);
    }
}

/// One client of a script.
struct Client {
    stream: TcpStream,
    local: SocketAddr,
    /// What has come and is not taken yet.
    buffer: Vec<u8>,
}

impl Client {
    fn connect(server: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        // What is sent in pieces should travel in pieces.
        stream.set_nodelay(true)?;
        // A server that reads nothing more must not stop the script.
        stream.set_write_timeout(Some(SOON))?;
        let local = stream.local_addr()?;
        Ok(Self { stream, local, buffer: Vec::new() })
    }

    /// The next line, without its line end (LF), or what came in its place.
    fn next(&mut self, deadline: Instant) -> Came {
        let mut more = [0; 16 * 1024];
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                return Came::Line(line);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // A time-out of nothing would mean none.
            if let Err(error) = self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1)))) {
                return Came::Broken(error);
            }
            match self.stream.read(&mut more) {
                Ok(0) => return Came::End(std::mem::take(&mut self.buffer)),
                Ok(count) => self.buffer.extend_from_slice(&more[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if left.is_zero() {
                        return Came::Nothing;
                    }
                }
                Err(error) => return Came::Broken(error),
            }
        }
    }
}

/// Bytes for a terminal, on one line.
fn shown(bytes: &[u8]) -> String {
    let text = match str::from_utf8(bytes) {
        Ok(text) => escape(text).into_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], bytes.len()),
        None => text,
    }
}
