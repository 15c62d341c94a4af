//! Scripts as text: what clients do, and what they must receive.
//!
//! The example files (`--example`) are the explanation for the user; this is the
//! grammar. A line is one step; empty lines and lines that begin with `#` are none;
//! a line `== TITLE` begins another script.
//!
//! From stage 6 on users log in, and their lines are sealed. A script has the texts.

use anyhow::{Context, anyhow, bail};
use rustix::process::Signal;
use std::time::Duration;

/// The longest silence that a script may contain.
const LONGEST_WAIT: u64 = 10;
/// Of every user who `registers` or `logs in`.
const PASSWORD: &str = "correct horse";
/// The steps that only scripts with logins have.
const LOGIN_STEPS: &str =
    ", NAME registers, NAME logs in, NAME hears the history, server is killed and starts again";
/// The most bytes that one `\{TEXT*N}` makes.
const MOST_BYTES: usize = 1 << 20;

/// What scripts can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Stages 2 to 5: a user is an address.
    Addresses,
    /// From stage 6 on: a user logs in and has a token.
    Logins,
}

/// Steps, one after the other.
#[derive(Debug)]
pub struct Script {
    /// What its steps can be.
    pub language: Language,
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
    /// The server is killed, and started again with the same database.
    StartAgain,
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
    /// It receives history, however much, and the first list of users.
    HearHistory,
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

/// Bytes, with places for what a script cannot know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub Vec<Part>);

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What this client has: its address, `IP:PORT`, or its token.
    Own(String),
    /// What follows goes into a sealed line.
    Seal,
    /// Here the sealed line ends.
    Sealed,
    /// Received: a time as the history has it.
    Time,
    /// Received: a token that no client had before.
    NewToken,
    /// Received: anything, but not nothing.
    Rest,
}

impl Language {
    /// What stands behind the name of a client for what that client has.
    fn own(self) -> &'static str {
        match self {
            Language::Addresses => "'s address",
            Language::Logins => "'s token",
        }
    }
}

/// The scripts of one file. The first one needs no title line.
///
/// # Errors
/// The number of the line that cannot be understood, and what is wrong with it.
pub fn parse(file: &str, title: &str, language: Language) -> anyhow::Result<Vec<Script>> {
    let script = |title: &str| Script { language, title: title.to_owned(), steps: Vec::new() };
    let mut scripts = vec![script(title)];
    for (at, text) in file.strip_prefix('\u{feff}').unwrap_or(file).lines().enumerate() {
        let number = at + 1;
        if let Some(title) = text.strip_prefix("==") {
            scripts.push(script(title.trim()));
        } else if !text.trim().is_empty() && !text.starts_with('#') {
            let Some(script) = scripts.last_mut() else { continue };
            script.add(number, text).with_context(|| format!("line {number}: {text}"))?;
        }
    }
    scripts.retain(|script| !script.steps.is_empty());
    Ok(scripts)
}

impl Script {
    /// Adds the steps of one line.
    fn add(&mut self, number: usize, text: &str) -> anyhow::Result<()> {
        let Some(steps) = login(text).filter(|_| self.language == Language::Logins) else {
            return self.add_step(number, text, text.to_owned());
        };
        steps.iter().try_for_each(|step| self.add_step(number, step, format!("{text} ({step})")))
    }

    fn add_step(&mut self, number: usize, step: &str, text: String) -> anyhow::Result<()> {
        let action = action(step, self.language)?;
        self.check(&action)?;
        self.steps.push(Step { number, text, action });
        Ok(())
    }

    /// A client connects before all else, and does nothing when it has gone. It
    /// connects once, or, where users log in, as often as it likes.
    fn check(&self, action: &Action) -> anyhow::Result<()> {
        let last = |name: &str, acts: &[Act]| {
            let is = |step: &Step| matches!(&step.action, Action::Client(who, act) if who == name && acts.contains(act));
            self.steps.iter().rposition(is)
        };
        let Action::Client(name, act) = action else { return Ok(()) };
        let connected = |name: &str| last(name, &[Act::Connect]);
        match act {
            Act::Connect if self.language == Language::Addresses && connected(name).is_some() => {
                bail!("{name} has connected before; take another name")
            }
            Act::Connect => return Ok(()),
            _ if connected(name).is_none() => {
                bail!("{name} has not connected; write `{name} connects` above")
            }
            _ if last(name, &[Act::Close, Act::Reset]) > connected(name) => bail!("{name} has gone"),
            _ => {}
        }
        let (Act::Send(Text(parts)) | Act::Receive(Text(parts))) = act else { return Ok(()) };
        let unknown = parts.iter().find_map(|part| match part {
            Part::Own(name) if connected(name).is_none() => Some(name),
            _ => None,
        });
        let own = self.language.own().trim_start_matches("'s ");
        unknown.map_or(Ok(()), |name| Err(anyhow!("{name} has not connected, and has no {own}")))
    }
}

/// The lines for which one stands that lets a user in.
fn login(line: &str) -> Option<Vec<String>> {
    let (name, rest) = line.split_once(' ')?;
    let word = match rest.trim() {
        "registers" => "REGISTER",
        "logs in" => "LOGIN",
        _ => return None,
    };
    let lines = [
        " connects",
        "< AUTH_REQUIRED",
        &format!("> {word} {name} {PASSWORD}"),
        &format!("< AUTH_SUCCESS {name} TOKEN"),
        " hears the history",
    ];
    Some(lines.map(|line| format!("{name}{line}")).into())
}

fn action(line: &str, language: Language) -> anyhow::Result<Action> {
    let end = line.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() {
        bail!("a line begins with the name of a client, `server` or `wait`");
    }
    let act = if let Some(text) = rest.strip_prefix(">>") {
        Act::Send(self::text(text.strip_prefix(' ').unwrap_or(text), language)?)
    } else if let Some(text) = rest.strip_prefix('>') {
        let Text(mut parts) = self::text(text.strip_prefix(' ').unwrap_or(text), language)?;
        if language == Language::Logins {
            parts.insert(0, Part::Seal);
            parts.push(Part::Sealed);
        }
        parts.push(Part::Bytes(b"\n".to_vec()));
        Act::Send(Text(parts))
    } else if let Some(text) = rest.strip_prefix('<') {
        Act::Receive(expected(text.strip_prefix(' ').unwrap_or(text), language)?)
    } else {
        return words(name, rest.trim(), language);
    };
    Ok(Action::Client(name.to_owned(), act))
}

/// A step in words.
fn words(name: &str, rest: &str, language: Language) -> anyhow::Result<Action> {
    let logins = language == Language::Logins;
    let act = match (name, rest) {
        ("server", "stops") => return Ok(Action::Signal(Signal::TERM)),
        ("server", "is interrupted") => return Ok(Action::Signal(Signal::INT)),
        ("server", "is killed and starts again") if logins => return Ok(Action::StartAgain),
        ("wait", seconds) => {
            let number = seconds.strip_suffix(" s").and_then(|number| number.parse().ok());
            let number = number.filter(|number| (1..=LONGEST_WAIT).contains(number));
            let number = number.with_context(|| format!("`wait N s`, with N from 1 to {LONGEST_WAIT}"))?;
            return Ok(Action::Wait(Duration::from_secs(number)));
        }
        (_, "connects") => Act::Connect,
        (_, "hears nothing") => Act::HearNothing,
        (_, "hears the history") if logins => Act::HearHistory,
        (_, "sees the end") => Act::SeeEnd,
        (_, "half-closes") => Act::HalfClose,
        (_, "closes") => Act::Close,
        (_, "resets") => Act::Reset,
        _ => bail!(
            "`{rest}` is no step; there are: NAME connects, NAME> TEXT, NAME>> TEXT, NAME< TEXT, NAME hears nothing, \
             NAME sees the end, NAME half-closes, NAME closes, NAME resets, server stops, server is interrupted, wait N s{}",
            if logins { LOGIN_STEPS } else { "" }
        ),
    };
    Ok(Action::Client(name.to_owned(), act))
}

/// A text to be received, with its words for what a script cannot know.
fn expected(written: &str, language: Language) -> anyhow::Result<Text> {
    if language == Language::Addresses {
        return text(written, language);
    }
    let history = "[HISTORY] TIME ";
    let (mut parts, written) = match written.strip_prefix(history) {
        Some(rest) => (vec![Part::Bytes(b"[HISTORY] ".into()), Part::Time, Part::Bytes(b" ".into())], rest),
        None => (Vec::new(), written),
    };
    let token = written.strip_suffix(" TOKEN").filter(|before| before.starts_with("AUTH_SUCCESS "));
    let (written, end) = match (token, written.strip_suffix('…')) {
        (Some(before), _) => (&written[..=before.len()], Some(Part::NewToken)),
        (_, Some(before)) => (before, Some(Part::Rest)),
        _ => (written, None),
    };
    parts.extend(text(written, language)?.0);
    parts.extend(end);
    Ok(Text(parts))
}

/// A text with its escapes and what clients have.
fn text(written: &str, language: Language) -> anyhow::Result<Text> {
    let mut parts = Vec::new();
    let mut rest = written;
    if let (Language::Logins, Some((before, sealed))) = (language, written.split_once("\\s{")) {
        let (sealed, after) = sealed.split_once('}').context("\\s{TEXT} is the sealed line of TEXT")?;
        let parts = [text(before, language)?.0, vec![Part::Seal], text(sealed, language)?.0];
        let end = [vec![Part::Sealed], text(after, language)?.0];
        return Ok(Text([parts.concat(), end.concat()].concat()));
    }
    let own = language.own();
    while let Some(at) = rest.find(own) {
        let start = rest[..at].rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |end| end + 1);
        // A character before the name may be longer than a byte.
        let start = (start..=at).find(|start| rest.is_char_boundary(*start)).unwrap_or(at);
        if start == at {
            bail!("whose {}?", own.trim_start_matches("'s "));
        }
        parts.push(Part::Bytes(unescaped(&rest[..start])?));
        parts.push(Part::Own(rest[start..at].to_owned()));
        rest = &rest[at + own.len()..];
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
        let Action::Client(_, act) = action(line, Language::Addresses).unwrap() else {
            panic!("{line} concerns a client")
        };
        act
    }

    #[test]
    fn a_text_is_bytes_and_addresses() {
        let bytes = |bytes: &[u8]| Part::Bytes(bytes.to_vec());
        let parts = vec![bytes(b"["), Part::Own("alice".into()), bytes(b"] hi ")];
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
            let error = format!("{:#}", parse(file, "t", Language::Addresses).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn what_is_sealed_and_what_is_not_known_has_its_place() {
        let only = |line| match action(line, Language::Logins).unwrap() {
            Action::Client(_, Act::Send(Text(parts)) | Act::Receive(Text(parts))) => parts,
            other => panic!("{other:?}"),
        };
        let bytes = |text: &str| Part::Bytes(text.into());
        let sealed = |text: Vec<Part>| [vec![Part::Seal], text, vec![Part::Sealed]].concat();
        assert_eq!(only("a> hi"), [sealed(vec![bytes("hi")]), vec![bytes("\n")]].concat());
        let token = vec![bytes("RESUME "), Part::Own("b".into()), bytes("")];
        assert_eq!(only("a> RESUME b's token"), [sealed(token), vec![bytes("\n")]].concat());
        assert_eq!(
            only(r"a>> \s{one}\r\s{two}"),
            [
                vec![bytes("")],
                sealed(vec![bytes("one")]),
                vec![bytes("\r")],
                sealed(vec![bytes("two")]),
                vec![bytes("")]
            ]
            .concat()
        );
        let time = vec![bytes("[HISTORY] "), Part::Time, bytes(" "), bytes("a: TIME …!")];
        assert_eq!(only("a< [HISTORY] TIME a: TIME …!"), time);
        assert_eq!(only("a< AUTH_SUCCESS a TOKEN"), vec![bytes("AUTH_SUCCESS a "), Part::NewToken]);
        assert_eq!(only("a< AUTH_FAILED …"), vec![bytes("AUTH_FAILED "), Part::Rest]);
        assert_eq!(only("a< a: TOKEN"), vec![bytes("a: TOKEN")]);
        // None of this is in the scripts of the stages before.
        let earlier = action(r"a< [HISTORY] TIME b's token …", Language::Addresses).unwrap();
        let text = Text(vec![bytes("[HISTORY] TIME b's token …")]);
        assert_eq!(earlier, Action::Client("a".into(), Act::Receive(text)));
    }

    #[test]
    fn one_line_lets_a_user_in_and_lets_it_come_back() {
        let scripts = parse("alice registers\nalice closes\nalice logs in", "t", Language::Logins).unwrap();
        let of_line = |number| scripts[0].steps.iter().filter(move |step| step.number == number);
        assert_eq!((of_line(1).count(), of_line(2).count(), of_line(3).count()), (5, 1, 5));
        assert_eq!(of_line(3).nth(2).unwrap().text, "alice logs in (alice> LOGIN alice correct horse)");
        for (file, language, why) in [
            ("alice registers", Language::Addresses, "`registers` is no step"),
            ("server is killed and starts again", Language::Addresses, "is no step"),
            (
                "alice connects\nalice> RESUME bob's token",
                Language::Logins,
                "bob has not connected, and has no token",
            ),
            ("alice registers\nalice closes\nalice> hi", Language::Logins, "alice has gone"),
            ("alice registers now", Language::Logins, "NAME registers, NAME logs in"),
            ("alice registers\nalice>> \\s{hi", Language::Logins, "\\s{TEXT} is the sealed line of TEXT"),
        ] {
            let error = format!("{:#}", parse(file, "t", language).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_examples_are_scripts() {
        for (text, count) in [(include_str!("room.txt"), 3), (include_str!("echo.txt"), 2)] {
            assert_eq!(parse(text, "example", Language::Addresses).unwrap().len(), count);
        }
    }
}
