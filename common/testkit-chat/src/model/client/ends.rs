//! How a session ends.

use super::play::Player;
use super::rules;
use super::session::{End, Forgery};
use crate::envelope::Envelope;
use crate::model::world::TLS;
use crate::wire::Key;
use testkit::sessions::rules as plain;
use testkit::sessions::{Broken, Rule};
use testkit::{Exit, Next};

/// What comes when the client has said its last word.
const STILL: &str = "bob: what still comes";

impl Player<'_> {
    pub fn ends(mut self, end: &End) -> Result<(), Broken> {
        match end {
            End::OfInput(unfinished) => {
                self.client.try_type(unfinished.as_bytes());
                self.client.end_input();
                if !unfinished.is_empty() {
                    self.sends(unfinished)?;
                }
                self.sends_its_end(plain::END_OF_INPUT, &["!DISCONNECT"])?;
                self.sees_the_end(plain::END_OF_INPUT)
            }
            End::Word(word) => {
                // What is typed after the word is not sent.
                self.client.try_type(format!("{word}\nnot to be sent\n").as_bytes());
                self.sends_its_end(plain::CLIENT_WORDS, &["/quit", "!DISCONNECT"])?;
                self.sees_the_end(plain::CLIENT_WORDS)
            }
            End::Logout => {
                self.client.try_type(b"/logout\n");
                self.sends("/logout")?;
                self.us.peer.half_close();
                self.exits(None, rules::STAYS_AWAY)
            }
            End::Told(line) => {
                self.say(line, plain::SHOWN)?;
                self.us.peer.half_close();
                self.exits(None, rules::STAYS_AWAY)
            }
            End::TokenRefused(reason) => self.comes_back_in_vain(reason),
            End::TooLong(text) => self.is_too_long(text, text, rules::TEXT_LIMIT),
            End::PrivateTooLong(text) => {
                let said_before = self.begins_to_say();
                self.is_too_long(&format!("/msg bob {text}"), text, rules::PRIVATE_LIMIT)?;
                let is_told = self.client.ended().is_some() || self.has_told(said_before, 1)?;
                let expected = "a word that the message is not sent".to_owned();
                self.must_have_told(is_told, rules::NEVER_IN_THE_CLEAR, expected)
            }
            End::InputNotUtf8 => {
                self.client.try_type(b"caf\xe9\n");
                self.exits(Some(1), plain::TYPED)
            }
            End::Forged(forgery) => self.is_forged(*forgery),
        }
    }

    /// What still comes is shown, and the client ends with the server.
    pub fn sees_the_end(&mut self, rule: Rule) -> Result<(), Broken> {
        self.say(STILL, plain::END_OF_INPUT)?;
        self.us.peer.half_close();
        self.exits(Some(0), rule)
    }

    /// A line that does not fit is not sent. The client ends with 1; over TLS it may go on with
    /// the next one.
    pub fn is_too_long(&mut self, line: &str, text: &str, rule: Rule) -> Result<(), Broken> {
        let fence = self.next_fence();
        self.client.try_type(format!("{line}\n{fence}\n").as_bytes());
        let expected = format!("nothing of a text of {} bytes", text.len());
        match self.next_sent(self.deadline())? {
            Next::End(..) => self.exits(Some(1), rule),
            Next::Line(line) if line == fence && self.stage >= TLS => Ok(()),
            other => Err(Broken::new(rule, expected, &other)),
        }
    }

    /// A line that nobody with the key has sealed.
    pub fn is_forged(&mut self, forgery: Forgery) -> Result<(), Broken> {
        let envelope = self.us.envelope().clone();
        let text = "bob: forged";
        let changed = |at: usize| {
            let sealed = envelope.seal(text);
            let letter = if sealed[at..].starts_with('A') { "B" } else { "A" };
            format!("{}{letter}{}", &sealed[..at], &sealed[at + 1..])
        };
        let sealed = envelope.seal(text);
        let line = match forgery {
            Forgery::Plain => text.to_owned(),
            Forgery::IvChanged => changed(0),
            Forgery::TagChanged => changed(sealed.len() - 8),
            Forgery::AnotherKey => Envelope::new(&Key::random()).seal(text),
            Forgery::Cut => sealed[..sealed.len() - 4].to_owned(),
            Forgery::NoPadding => envelope.seal("bob: forged!").trim_end_matches('=').to_owned(),
            Forgery::NotUtf8 => envelope.seal(b"bob: forged \xff"),
            Forgery::TwoCrs => sealed + "\r\r",
        };
        self.us.case.note(format!("us, next: {forgery:?}, which does not open"));
        let _ = self.us.peer.try_send((line + "\n").as_bytes());
        self.exits(Some(1), rules::FORGED)
    }

    /// The client ends, and shows nothing more.
    pub fn exits(&mut self, code: Option<i32>, rule: Rule) -> Result<(), Broken> {
        let Some(exit) = self.client.ended_by(self.deadline()) else {
            return Err(Broken::new(rule, "the client to end", &Next::Nothing));
        };
        loop {
            match self.client.next_line(self.deadline()) {
                Next::Line(line) if self.may_show(&line)? => {}
                Next::End(..) => break,
                other => {
                    let rule = if rule == rules::FORGED { rule } else { plain::SHOWN };
                    return Err(Broken::new(rule, "nothing more on stdout", &other));
                }
            }
        }
        match code {
            Some(code) if exit != Exit::Code(code) => {
                Err(Broken { rule, expected: format!("exit code {code}"), got: exit.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// What the client has yet to send comes, and then its end.
    pub fn sends_its_end(&mut self, rule: Rule, words: &[&str]) -> Result<(), Broken> {
        loop {
            match self.next_sent(self.deadline())? {
                Next::Line(line) if words.contains(&line.as_str()) => {}
                Next::End(testkit::End::Closed, rest) if rest.is_empty() => return Ok(()),
                other => return Err(Broken::new(rule, "the client to close its sending half", &other)),
            }
        }
    }
}
