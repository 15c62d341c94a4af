//! Scripts as text: what clients do, and what they must receive.
//!
//! The example files (`--example`) are the explanation for the user; this is the
//! grammar. A line is one step; empty lines and lines that begin with `#` are none;
//! a line `== TITLE` begins another script.

use anyhow::{Context, anyhow, bail};
use rustix::process::Signal;
use std::time::Duration;

/// The longest silence that a script may contain.
const LONGEST_WAIT: u64 = 10;
/// The most bytes that one `\{TEXT*N}` makes.
const MOST_BYTES: usize = 1 << 20;

/// Steps, one after the other.
#[derive(Debug)]
pub struct Script {
    /// What it is called in the report.
    pub title: String,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One line of the file.
#[derive(Debug)]
pub struct Step {
    /// The number of the line in the file.
    pub number: usize,
    /// The line as it was written.
    pub text: String,
    /// What it says.
    pub action: Action,
}

/// What happens in a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// The server gets this signal.
    Signal(Signal),
    /// All are silent.
    Wait(Duration),
    /// Something that concerns one client.
    Client(String, Act),
}

/// What a client does, or sees.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    /// It connects.
    Connect,
    /// It sends this.
    Send(Text),
    /// This is the next line that it receives.
    Receive(Text),
    /// It receives nothing for a moment.
    HearNothing,
    /// It sees the end of the stream, without a reset.
    SeeEnd,
    /// It closes its sending half.
    HalfClose,
    /// It closes the connection.
    Close,
    /// It breaks the connection off.
    Reset,
}

/// Bytes, with places for the addresses of clients.
#[derive(Debug, PartialEq, Eq)]
pub struct Text(pub Vec<Part>);

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The address of this client, `IP:PORT`.
    Address(String),
}

/// The scripts of one file. The first one needs no title line.
///
/// # Errors
/// The number of the line that cannot be understood, and what is wrong with it.
pub fn parse(file: &str, title: &str) -> anyhow::Result<Vec<Script>> {
    let mut scripts = vec![Script { title: title.to_owned(), steps: Vec::new() }];
    for (at, text) in file.strip_prefix('\u{feff}').unwrap_or(file).lines().enumerate() {
        let number = at + 1;
        if let Some(title) = text.strip_prefix("==") {
            scripts.push(Script { title: title.trim().to_owned(), steps: Vec::new() });
        } else if !text.trim().is_empty() && !text.starts_with('#') {
            let action = action(text).with_context(|| format!("line {number}: {text}"))?;
            if let Some(script) = scripts.last_mut() {
                script.check(&action).with_context(|| format!("line {number}: {text}"))?;
                script.steps.push(Step { number, text: text.to_owned(), action });
            }
        }
    }
    scripts.retain(|script| !script.steps.is_empty());
    Ok(scripts)
}

impl Script {
    /// A client connects once, before all else, and does nothing when it has gone.
    fn check(&self, action: &Action) -> anyhow::Result<()> {
        let did = |name: &str, acts: &[Act]| {
            let is = |step: &Step| matches!(&step.action, Action::Client(who, act) if who == name && acts.contains(act));
            self.steps.iter().any(is)
        };
        let connected = |name: &str| did(name, &[Act::Connect]);
        let Action::Client(name, act) = action else { return Ok(()) };
        match act {
            Act::Connect if connected(name) => bail!("{name} has connected before; take another name"),
            Act::Connect => return Ok(()),
            _ if did(name, &[Act::Close, Act::Reset]) => bail!("{name} has gone"),
            _ if !connected(name) => bail!("{name} has not connected; write `{name} connects` above"),
            _ => {}
        }
        let (Act::Send(Text(parts)) | Act::Receive(Text(parts))) = act else { return Ok(()) };
        let unknown = parts.iter().find_map(|part| match part {
            Part::Address(name) if !connected(name) => Some(name),
            _ => None,
        });
        unknown.map_or(Ok(()), |name| Err(anyhow!("{name} has not connected, and has no address")))
    }
}

fn action(line: &str) -> anyhow::Result<Action> {
    let end = line.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() {
        bail!("a line begins with the name of a client, `server` or `wait`");
    }
    let act = if let Some(text) = rest.strip_prefix(">>") {
        Act::Send(self::text(text.strip_prefix(' ').unwrap_or(text))?)
    } else if let Some(text) = rest.strip_prefix('>') {
        let Text(mut parts) = self::text(text.strip_prefix(' ').unwrap_or(text))?;
        parts.push(Part::Bytes(b"\n".to_vec()));
        Act::Send(Text(parts))
    } else if let Some(text) = rest.strip_prefix('<') {
        Act::Receive(self::text(text.strip_prefix(' ').unwrap_or(text))?)
    } else {
        return words(name, rest.trim());
    };
    Ok(Action::Client(name.to_owned(), act))
}

/// A step in words.
fn words(name: &str, rest: &str) -> anyhow::Result<Action> {
    let act = match (name, rest) {
        ("server", "stops") => return Ok(Action::Signal(Signal::TERM)),
        ("server", "is interrupted") => return Ok(Action::Signal(Signal::INT)),
        ("wait", seconds) => {
            let number = seconds.strip_suffix(" s").and_then(|number| number.parse().ok());
            let number = number.filter(|number| (1..=LONGEST_WAIT).contains(number));
            let number = number.with_context(|| format!("`wait N s`, with N from 1 to {LONGEST_WAIT}"))?;
            return Ok(Action::Wait(Duration::from_secs(number)));
        }
        (_, "connects") => Act::Connect,
        (_, "hears nothing") => Act::HearNothing,
        (_, "sees the end") => Act::SeeEnd,
        (_, "half-closes") => Act::HalfClose,
        (_, "closes") => Act::Close,
        (_, "resets") => Act::Reset,
        _ => bail!(
            "`{rest}` is no step; there are: NAME connects, NAME> TEXT, NAME>> TEXT, NAME< TEXT, NAME hears nothing, \
             NAME sees the end, NAME half-closes, NAME closes, NAME resets, server stops, server is interrupted, wait N s"
        ),
    };
    Ok(Action::Client(name.to_owned(), act))
}

/// A text with its escapes and addresses.
fn text(written: &str) -> anyhow::Result<Text> {
    let mut parts = Vec::new();
    let mut rest = written;
    while let Some(at) = rest.find("'s address") {
        let start = rest[..at].rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |end| end + 1);
        // A character before the name may be longer than a byte.
        let start = (start..=at).find(|start| rest.is_char_boundary(*start)).unwrap_or(at);
        if start == at {
            bail!("whose address?");
        }
        parts.push(Part::Bytes(unescaped(&rest[..start])?));
        parts.push(Part::Address(rest[start..at].to_owned()));
        rest = &rest[at + "'s address".len()..];
    }
    parts.push(Part::Bytes(unescaped(rest)?));
    Ok(Text(parts))
}

fn unescaped(written: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = written;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let mut letters = escape.chars();
        let letter = letters.next().context("a \\ at the end of the line; a backslash itself is \\\\")?;
        rest = letters.as_str();
        match letter {
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            '0' => bytes.push(0),
            '\\' => bytes.push(b'\\'),
            'x' => {
                let digits = rest.get(..2).context("\\x takes two hexadecimal digits")?;
                bytes.push(u8::from_str_radix(digits, 16).context("\\x takes two hexadecimal digits")?);
                rest = &rest[2..];
            }
            'u' => {
                let inner = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
                let (digits, after) = inner.context("\\u{…} takes a code point")?;
                let number = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                let c = number.context("\\u{…} takes a code point in hexadecimal digits")?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            }
            '{' => {
                let (text, times, after) = repeated(rest).context("\\{TEXT*N} is TEXT, N times")?;
                let text = unescaped(text)?;
                if text.len().saturating_mul(times) > MOST_BYTES {
                    bail!("\\{{TEXT*N}} makes {MOST_BYTES} bytes at most");
                }
                bytes.extend(text.repeat(times));
                rest = after;
            }
            other => bail!("no escape \\{other}; there are \\n \\r \\t \\0 \\\\ \\xNN \\u{{N}} \\{{TEXT*N}}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The text, the number and what stands behind `TEXT*N}`. The text may have braces.
fn repeated(rest: &str) -> Option<(&str, usize, &str)> {
    rest.match_indices('*').find_map(|(at, _)| {
        let (times, after) = rest[at + 1..].split_once('}')?;
        Some((&rest[..at], times.parse().ok()?, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(line: &str) -> Act {
        let Action::Client(_, act) = action(line).unwrap() else { panic!("{line} concerns a client") };
        act
    }

    #[test]
    fn a_text_is_bytes_and_addresses() {
        let bytes = |bytes: &[u8]| Part::Bytes(bytes.to_vec());
        let parts = vec![bytes(b"["), Part::Address("alice".into()), bytes(b"] hi ")];
        assert_eq!(only("bob< [alice's address] hi "), Act::Receive(Text(parts)));
        assert_eq!(only(r"bob>> \{ab\0*3}\xff\u{2028}\\"), {
            Act::Send(Text(vec![bytes(b"ab\0ab\0ab\0\xff\xe2\x80\xa8\\")]))
        });
        assert_eq!(only(r"bob>> \{*\u{e9}*2}}"), Act::Send(Text(vec![bytes("*é*é}".as_bytes())])));
        assert_eq!(only("bob>"), Act::Send(Text(vec![bytes(b""), bytes(b"\n")])));
        assert_eq!(only("bob>  x"), Act::Send(Text(vec![bytes(b" x"), bytes(b"\n")])));
    }

    #[test]
    fn what_is_no_step_is_said_with_its_line() {
        for (file, why) in [
            ("alice connects\nalice waves", "line 2: alice waves: `waves` is no step"),
            ("alice> hello", "alice has not connected"),
            ("alice connects\nalice resets\nalice closes", "alice has gone"),
            ("alice connects\nalice connects", "alice has connected before"),
            ("alice connects\nalice< [bob's address] x", "bob has not connected, and has no address"),
            ("alice connects\nalice> \\q", "no escape \\q"),
            ("alice connects\nalice> \\{x*9999999}", "makes 1048576 bytes at most"),
            ("alice connects\nalice< 's address", "whose address?"),
            ("alice connects\nalice< é's address", "whose address?"),
            ("wait 11 s", "with N from 1 to 10"),
            (" x", "a line begins with the name of a client"),
        ] {
            let error = format!("{:#}", parse(file, "t").unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_examples_are_scripts() {
        for (text, count) in [(include_str!("room.txt"), 3), (include_str!("echo.txt"), 2)] {
            assert_eq!(parse(text, "example").unwrap().len(), count);
        }
    }
}
