//! Scripts as text: what clients do, and what they must receive.
//!
//! The example files (`--example`) are the explanation for the user; this is the
//! grammar. A line is one step; empty lines and lines that begin with `#` are none;
//! a line `== TITLE` begins another script.
//!
//! From stage 6 on users log in, and their lines are sealed. A script has the texts.

mod text;

use anyhow::{Context, anyhow, bail};
use rustix::process::Signal;
use std::time::Duration;
use text::expected;
pub use text::{Part, Text};

/// The longest silence that a script may contain.
const LONGEST_WAIT: u64 = 10;
/// Of every user who `registers` or `logs in`.
const PASSWORD: &str = "correct horse";
/// The steps that only scripts with logins have.
const LOGIN_STEPS: &str =
    ", NAME registers, NAME logs in, NAME hears the history, server is killed and starts again";

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
        Act::Send(text::text(text.strip_prefix(' ').unwrap_or(text), language)?)
    } else if let Some(text) = rest.strip_prefix('>') {
        let Text(mut parts) = text::text(text.strip_prefix(' ').unwrap_or(text), language)?;
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

#[cfg(test)]
mod tests;
