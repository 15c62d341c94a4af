//! A session: what some clients do, step by step.

use super::bad::Bad;
use super::inputs::{SLOTS, SUFFIX};
use super::login_protocol::{LoginState, is_name};
use super::rules;
use super::world::{Phase, TLS, TokenState, World};
use crate::connection::REJECTED;
use testkit::sessions::rules as plain;

/// More wrong passwords than this have to wait in a server, by the contract.
const MOST_WRONG: usize = 12;
const TOO_LONG: &str = "[SERVER] error: line longer than 4096 bytes";
const NOT_UTF8: &str = "[SERVER] error: line is not valid UTF-8";

/// Steps, one after the other, and how it ends.
#[derive(Clone, Debug, Default)]
pub struct Session {
    pub(super) steps: Vec<Step>,
    /// The server gets SIGTERM at the end.
    pub(super) shutdown: bool,
}

/// What one client does. A step that is not possible at its moment is left out.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Its number in [`SLOTS`].
    pub client: usize,
    pub act: Act,
}

/// In a text, `~` ends a name, and `#N~` is the N-th token that a login got.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Connect,
    /// These texts in one write, or in two; their lines end with LF or CR LF.
    Say {
        texts: Vec<String>,
        cr_lf: bool,
        cut: bool,
    },
    /// A text without a line end, and then the end of the stream.
    LastLine(String),
    /// A line that does not open, or is too long.
    Bad(Bad),
    HalfClose,
    Reset,
}

/// The number in `#N~`.
pub(super) fn token_number(text: &str) -> Option<usize> {
    text.strip_prefix('#')?.strip_suffix(SUFFIX)?.parse().ok()
}

impl Act {
    /// What kind of act it is: of texts, how the last one begins.
    pub fn word(&self) -> String {
        match self {
            Act::Say { texts, .. } => {
                let last = texts.last().map_or("", String::as_str);
                let length = if last.starts_with('/') { 12 } else { 2 };
                last.split(' ').next().unwrap_or_default().chars().take(length).collect()
            }
            Act::Connect => "connect".to_owned(),
            Act::LastLine(_) => "last line".to_owned(),
            Act::Bad(bad) => format!("{bad:?}"),
            Act::HalfClose => "half-close".to_owned(),
            Act::Reset => "reset".to_owned(),
        }
    }

    pub fn say(text: impl Into<String>) -> Self {
        Act::Say { texts: vec![text.into()], cr_lf: false, cut: false }
    }
}

impl World {
    /// Returns `true` if the step means something now, and the contract says what
    /// follows from it.
    pub(super) fn allows(&self, step: &Step) -> bool {
        let away = matches!(self.clients[step.client].phase, Phase::Away);
        if matches!(step.act, Act::Connect) == !away {
            return false;
        }
        let mut after = self.clone();
        after.step(step);
        // When a server comes to what no user receives, and when it notices that a client has
        // gone that no user sees, is left open.
        let phase = &after.clients[step.client].phase;
        let leaves = matches!(phase, Phase::Away);
        // It may have failed, or be asked for its password.
        let bad_name = matches!(phase, Phase::Login(LoginState::Password(_, name)) if !is_name(name));
        let guesses = after.wrong > MOST_WRONG;
        let is_open = after.open > self.open || bad_name || guesses || self.is_open(step);
        !is_open && (!leaves || self.is_observed(step.client))
    }

    /// What the server does about it.
    pub(super) fn step(&mut self, step: &Step) {
        let client = step.client;
        self.actor = client;
        self.actor_had_a_name = self.user(client).is_some();
        match &step.act {
            Act::Connect => self.connect(client),
            Act::Say { texts, .. } => texts.iter().for_each(|text| self.receive(client, text)),
            Act::LastLine(text) => {
                self.receive(client, text);
                self.half_closes(client);
            }
            Act::Bad(bad) if bad.is_too_long() => {
                let rule = if self.stage >= TLS { plain::TOO_LONG } else { rules::SEALED_LIMIT };
                self.refuse_line(client, rule, TOO_LONG);
            }
            Act::Bad(_) if self.stage >= TLS => self.line(client, plain::NOT_UTF8, NOT_UTF8),
            Act::Bad(_) => self.refuse_line(client, rules::REJECTED, REJECTED),
            Act::HalfClose => self.half_closes(client),
            Act::Reset => self.breaks_off(client),
        }
    }

    /// Returns `true` if a text asks for a session of which nobody knows whether it is over, or
    /// is not UTF-8 and stands where an answer should.
    fn is_open(&self, step: &Step) -> bool {
        let has_no_name = matches!(self.clients[step.client].phase, Phase::Login(_));
        let texts = match &step.act {
            Act::Say { texts, .. } => texts.as_slice(),
            Act::LastLine(text) => std::slice::from_ref(text),
            act => return self.stage >= TLS && has_no_name && matches!(act, Act::Bad(Bad::NotUtf8)),
        };
        let tokens =
            texts.iter().filter_map(|text| self.tokens.get(token_number(text.strip_prefix("RESUME ")?)?));
        tokens.into_iter().any(|token| token.state == TokenState::Open)
    }

    fn half_closes(&mut self, client: usize) {
        if !matches!(self.clients[client].phase, Phase::Away) {
            self.ends(client, rules::GOES, true);
        }
    }
}

impl Session {
    /// All sessions that are one step shorter or simpler, the boldest steps first.
    pub(super) fn simpler(&self) -> Vec<Session> {
        let mut all = Vec::new();
        if self.shutdown {
            all.push(Session { shutdown: false, ..self.clone() });
        }
        let count = self.steps.len();
        let mut length = count / 2;
        while length > 0 {
            for start in (0..count).step_by(length).rev() {
                let mut shorter = self.clone();
                shorter.steps.drain(start..(start + length).min(count));
                all.push(shorter);
            }
            length /= 2;
        }
        for slot in 1..SLOTS.len() {
            let mut without = self.clone();
            without.steps.retain(|step| step.client != slot);
            all.push(without);
        }
        all.retain(|session| session.steps.len() < count || self.shutdown != session.shutdown);
        for (at, step) in self.steps.iter().enumerate() {
            let Act::Say { texts, cr_lf, cut } = &step.act else { continue };
            let mut with = |act| {
                let mut simpler = self.clone();
                simpler.steps[at].act = act;
                all.push(simpler);
            };
            if *cr_lf || *cut {
                with(Act::Say { texts: texts.clone(), cr_lf: false, cut: false });
            }
            for left_out in (0..texts.len()).filter(|_| texts.len() > 1) {
                let mut texts = texts.clone();
                texts.remove(left_out);
                with(Act::Say { texts, cr_lf: *cr_lf, cut: *cut });
            }
        }
        all
    }
}
