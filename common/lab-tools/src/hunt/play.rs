//! Plays one script against one server.

use super::script::{Act, Action, Language, Part, Script, Step, Text};
use super::servers::Server;
use crate::sealed::{Keys, Message, TAG};
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
/// Characters of a token: 256 bits in base64url.
const TOKEN: usize = 43;
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

/// Plays the script to its end. A line has to come within `patience`, and is sealed
/// where there are keys.
///
/// # Errors
/// The first step that does not hold.
pub fn play(
    script: &Script,
    server: &mut Server,
    keys: Option<&Keys>,
    patience: Duration,
) -> Result<(), Difference> {
    let language = script.language;
    let mut clients = Clients { language, keys, patience, connected: BTreeMap::new(), own: BTreeMap::new() };
    for step in &script.steps {
        let played = match &step.action {
            Action::Signal(signal) => {
                server.signal(*signal);
                Ok(())
            }
            Action::StartAgain => {
                server.start_again().map_err(|error| Came::Broken(std::io::Error::other(error)))
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
    /// A line that should be sealed and does not open.
    NotSealed(Vec<u8>),
    /// The end of the stream, and what stood before it without a line end.
    End(Vec<u8>),
    Broken(std::io::Error),
    Nothing,
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Came::Line(line) => write!(f, "the line {}", shown(line)),
            Came::NotSealed(line) => write!(f, "a line that is not sealed as it should be, {}", shown(line)),
            Came::End(rest) if rest.is_empty() => write!(f, "the end of the stream"),
            Came::End(rest) => write!(f, "{} without a line end, and the end of the stream", shown(rest)),
            Came::Broken(error) => write!(f, "{error}"),
            Came::Nothing => write!(f, "nothing"),
        }
    }
}

/// The clients of a script.
struct Clients<'a> {
    language: Language,
    keys: Option<&'a Keys>,
    patience: Duration,
    connected: BTreeMap<String, Client>,
    /// Addresses or tokens, also of clients that have gone.
    own: BTreeMap<String, String>,
}

impl Clients<'_> {
    fn connect(&mut self, name: &str, server: &Server) -> Result<(), Came> {
        let client = Client::connect(server.address).map_err(Came::Broken)?;
        if self.language == Language::Addresses {
            server.wait_for(&format!("in {}", client.local), SOON);
            self.own.insert(name.to_owned(), client.local.to_string());
        }
        self.connected.insert(name.to_owned(), client);
        Ok(())
    }

    fn bytes(&self, Text(parts): &Text) -> Vec<u8> {
        let (mut bytes, mut sealed_from) = (Vec::new(), 0);
        for part in parts {
            match part {
                Part::Bytes(more) => bytes.extend_from_slice(more),
                Part::Own(of) => bytes.extend(self.own.get(of).map(String::as_bytes).unwrap_or_default()),
                Part::Seal => sealed_from = bytes.len(),
                Part::Sealed => {
                    let Some(keys) = self.keys else { continue };
                    let line = keys.seal(bytes.split_off(sealed_from), true).line();
                    bytes.extend_from_slice(line.trim_ascii_end());
                }
                // These are received only.
                Part::Time | Part::NewToken | Part::Rest => {}
            }
        }
        bytes
    }

    /// Returns `true` if the line is this text.
    fn fits(&self, Text(parts): &Text, mut line: &[u8]) -> bool {
        for part in parts {
            let word = line.split(|&byte| byte == b' ').next().unwrap_or_default();
            let taken = match part {
                Part::Time => (word.get(10) == Some(&b'T') && word.ends_with(b"Z")).then_some(word),
                Part::NewToken => self.is_new_token(word).then_some(word),
                Part::Rest => (!line.is_empty()).then_some(line),
                other => {
                    let bytes = self.bytes(&Text(vec![other.clone()]));
                    line.starts_with(&bytes).then(|| &line[..bytes.len()])
                }
            };
            let Some(taken) = taken else { return false };
            line = &line[taken.len()..];
        }
        line.is_empty()
    }

    fn is_new_token(&self, word: &[u8]) -> bool {
        word.len() == TOKEN
            && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
            && self.own.values().all(|token| token.as_bytes() != word)
    }

    fn act(&mut self, name: &str, act: &Act, server: &Server) -> Result<(), Came> {
        let text = if let Act::Send(text) = act { self.bytes(text) } else { Vec::new() };
        // The parser lets only those act that have connected and not gone.
        let Some(client) = self.connected.get_mut(name) else { return Ok(()) };
        match act {
            Act::Send(_) => {
                // A server may rightly have closed; what it sends is what counts.
                let _ = client.stream.write_all(&text);
                Ok(())
            }
            Act::HalfClose | Act::Close | Act::Reset => {
                self.leave(name, act, server);
                Ok(())
            }
            Act::Connect => Ok(()),
            Act::HearNothing => self.expect(name, act, Instant::now() + SILENCE),
            Act::Receive(_) | Act::SeeEnd | Act::HearHistory => {
                self.expect(name, act, Instant::now() + self.patience)
            }
        }
    }

    /// What comes next must be what `act` says. Lists of users, but for the first one,
    /// may come at any time and any number of times.
    fn expect(&mut self, name: &str, act: &Act, deadline: Instant) -> Result<(), Came> {
        loop {
            let Some(client) = self.connected.get_mut(name) else { return Ok(()) };
            let (came, had_list) = (client.next_opened(self.keys, deadline), client.had_list);
            let list = self.language == Language::Logins
                && matches!(&came, Came::Line(line) if line.starts_with(b"[USERS_LIST] "));
            client.had_list |= list;
            match (act, came) {
                (Act::Receive(text), Came::Line(line)) if self.fits(text, &line) => {
                    self.note_token(name, &line);
                    return Ok(());
                }
                (Act::SeeEnd, Came::End(rest)) if rest.is_empty() => return Ok(()),
                (Act::HearNothing, Came::Nothing) => return Ok(()),
                (Act::HearHistory, Came::Line(_)) if list => return Ok(()),
                (Act::HearHistory, Came::Line(line)) if line.starts_with(b"[HISTORY] ") => {}
                (_, Came::Line(_)) if list && had_list => {}
                (_, came) => return Err(came),
            }
        }
    }

    fn note_token(&mut self, name: &str, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        if let ["AUTH_SUCCESS", _, token] = line.split(' ').collect::<Vec<_>>()[..] {
            self.own.insert(name.to_owned(), token.to_owned());
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
        if self.language == Language::Addresses {
            server.wait_for(&out, SOON);
        }
    }
}

/// One client of a script.
struct Client {
    stream: TcpStream,
    local: SocketAddr,
    /// What has come and is not taken yet.
    buffer: Vec<u8>,
    /// The first list of users has come.
    had_list: bool,
}

impl Client {
    fn connect(server: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        // What is sent in pieces should travel in pieces.
        stream.set_nodelay(true)?;
        // A server that reads nothing more must not stop the script.
        stream.set_write_timeout(Some(SOON))?;
        let local = stream.local_addr()?;
        Ok(Self { stream, local, buffer: Vec::new(), had_list: false })
    }

    /// The same as [`next`](Self::next), opened where there are keys.
    fn next_opened(&mut self, keys: Option<&Keys>, deadline: Instant) -> Came {
        match (self.next(deadline), keys) {
            (Came::Line(line), Some(keys)) => {
                let opened = Message::parse(&line, TAG).and_then(|message| keys.open(&message));
                opened.map_or(Came::NotSealed(line), Came::Line)
            }
            (came, _) => came,
        }
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
