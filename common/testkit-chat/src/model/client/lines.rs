//! What a client sends and shows, line by line.

use super::play::Player;
use super::rules;
use crate::model::world::TLS;
use std::time::{Duration, Instant};
use testkit::sessions::rules as plain;
use testkit::sessions::{Broken, Rule, escaped};
use testkit::{Next, shown};

/// Between two looks at what the client sends while something is to be shown.
const POLL: Duration = Duration::from_millis(5);

impl Player<'_> {
    /// Sends a line, which must be shown.
    pub fn say(&mut self, text: &str, rule: Rule) -> Result<(), Broken> {
        self.us.send(text);
        self.prints(text, rule)
    }

    /// `text` must be the next line on standard output.
    pub fn prints(&mut self, text: &str, rule: Rule) -> Result<(), Broken> {
        let (expected, deadline) = (escaped(text), self.deadline());
        loop {
            match self.client.next_line(deadline.min(Instant::now() + POLL)) {
                Next::Line(line) if line == expected => return Ok(()),
                Next::Line(line) if self.may_show(&line)? => {}
                Next::Nothing if Instant::now() < deadline => self.looks_at_questions()?,
                other => return Err(Broken::new(rule, format!("{} on stdout", shown(&expected)), &other)),
            }
        }
    }

    /// Returns `true` for a line that the contract leaves to the client.
    pub fn may_show(&mut self, line: &str) -> Result<bool, Broken> {
        if let Some(rule) = self.contacts.rule_about(line) {
            let expected = "nothing of what cannot be opened, or was shown before".to_owned();
            return Err(Broken { rule, expected, got: shown(line) });
        }
        let is_plain = !line.chars().any(char::is_control);
        if let Some(at) = self.optional.iter().position(|optional| escaped(optional) == line) {
            self.optional.remove(at);
            // The server's own words say it as well.
            self.remarks += usize::from(line.starts_with("[SERVER] error: "));
            return Ok(true);
        }
        let is_remark = self.remarks_end_in > 0 && is_plain;
        self.remarks += usize::from(is_remark);
        Ok(is_remark)
    }

    /// The client may ask for a key at any time, from stage 8 on.
    pub fn looks_at_questions(&mut self) -> Result<(), Broken> {
        if self.stage >= TLS {
            let next = self.next_over_there(Instant::now())?;
            if next != Next::Nothing {
                self.sent.push_back(next);
            }
        }
        Ok(())
    }

    /// What the client sends next, opened.
    pub fn next_sent(&mut self, deadline: Instant) -> Result<Next, Broken> {
        match self.sent.pop_front() {
            Some(next) => Ok(next),
            None => self.next_over_there(deadline),
        }
    }

    fn next_over_there(&mut self, deadline: Instant) -> Result<Next, Broken> {
        loop {
            let next = match self.us.peer.next_by(deadline) {
                Next::Line(line) => Next::Line(self.opened(line)?),
                other => other,
            };
            if let (Next::Line(line), true) = (&next, self.stage >= TLS) {
                if line.to_lowercase().starts_with("/msg") {
                    return Err(Broken::new(
                        rules::NEVER_IN_THE_CLEAR,
                        "nothing that begins with /msg",
                        &next,
                    ));
                }
                // It may say so once more.
                let is_its_key = !self.is_to_publish && *line == format!("/pubkey {}", self.contacts.key);
                if is_its_key || self.answers_question(line) {
                    continue;
                }
            }
            return Ok(next);
        }
    }

    fn opened(&self, line: String) -> Result<String, Broken> {
        let line = line.strip_suffix('\r').map(str::to_owned).unwrap_or(line);
        let Some(envelope) = &self.envelope else { return Ok(line) };
        match envelope.open(&line) {
            Ok(text) => {
                self.us.case.note(format!("us, opened: {}", shown(&text)));
                Ok(text)
            }
            Err(why) => Err(Broken {
                rule: rules::SEALED,
                expected: "a line sealed as the contract says".to_owned(),
                got: format!("{}: {why}", shown(line)),
            }),
        }
    }

    /// A line of the input must be the next one that the client sends.
    pub fn sends(&mut self, text: &str) -> Result<(), Broken> {
        loop {
            match self.next_sent(self.deadline())? {
                Next::Line(line) if line == text => {
                    self.said.push(line);
                    self.is_back = false;
                    return Ok(());
                }
                Next::Line(line) if self.is_back && line.eq_ignore_ascii_case("/join lobby") => {}
                other => {
                    let rule = match &other {
                        Next::Line(line) if self.is_back && line.starts_with("/join ") => rules::ROOM_AGAIN,
                        Next::Line(line) if self.is_back && self.said.contains(line) => rules::NOT_AGAIN,
                        _ => plain::TYPED,
                    };
                    return Err(Broken::new(rule, format!("the client to send {}", shown(text)), &other));
                }
            }
        }
    }
}
