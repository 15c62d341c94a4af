//! How a session ends.

use super::play::{Player, broken};
use super::rules;
use super::session::End;
use crate::model::world::TLS;
use testkit::Next;
use testkit::sessions::rules as plain;
use testkit::sessions::{Broken, Rule};

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
                let line = format!("/msg bob {text}");
                self.is_too_long(&line, text, rules::PRIVATE_LIMIT)
            }
            End::InputNotUtf8 => {
                self.client.try_type(b"caf\xe9\n");
                self.exits(Some(1), plain::TYPED)
            }
            End::Forged(forgery) => self.is_forged(*forgery),
        }
    }

    /// What still comes is shown, and the client ends with the server.
    fn sees_the_end(&mut self, rule: Rule) -> Result<(), Broken> {
        self.say(STILL, plain::END_OF_INPUT)?;
        self.us.peer.half_close();
        self.exits(Some(0), rule)
    }

    /// A line that does not fit is not sent. The client ends with 1; over TLS it may go on with
    /// the next one.
    fn is_too_long(&mut self, line: &str, text: &str, rule: Rule) -> Result<(), Broken> {
        let fence = self.next_fence();
        self.client.try_type(format!("{line}\n{fence}\n").as_bytes());
        let expected = format!("nothing of a text of {} bytes", text.len());
        match self.next_sent(self.deadline())? {
            Next::End(..) => self.exits(Some(1), rule),
            Next::Line(line) if line == fence && self.stage >= TLS => Ok(()),
            other => Err(broken(rule, expected, &other)),
        }
    }
}
