//! What a client has to say itself: that something was not sent, or cannot be opened.

use super::play::Player;
use std::time::{Duration, Instant};
use testkit::sessions::rules as plain;
use testkit::sessions::{Broken, NOTHING, Rule};
use testkit::{Next, shown};

/// So many steps later, what there is to say about one of them has been said.
const STEPS: usize = 2;

impl Player<'_> {
    /// The mark of this text must not be in any later line.
    pub fn hides(&mut self, text: &str, rule: Rule) {
        let mark = text.find("text").filter(|at| text[*at..].len() >= 10).map(|at| &text[at..at + 10]);
        if let Some(mark) = mark {
            self.contacts.hidden.push((mark.to_owned(), rule));
        }
    }

    /// From now on the client may have something to say. Gives how much it has said.
    pub fn begins_to_say(&mut self) -> usize {
        self.remarks_end_in = STEPS;
        self.told()
    }

    /// Lines of its own, on standard output and standard error.
    pub fn told(&self) -> usize {
        self.remarks + self.client.errors().lines().count()
    }

    /// Returns `true` once it has said so many things more.
    pub fn has_told(&mut self, before: usize, count: usize) -> Result<bool, Broken> {
        let deadline = self.deadline();
        while self.told() < before + count {
            if Instant::now() > deadline {
                return Ok(false);
            }
            match self.client.next_line(Instant::now() + Duration::from_millis(5)) {
                Next::Nothing => self.looks_at_questions()?,
                Next::Line(line) if self.may_show(&line)? => {}
                other => return Err(Broken::new(plain::SHOWN, "a remark of the client", &other)),
            }
        }
        Ok(true)
    }

    pub fn must_have_told(&mut self, is_told: bool, rule: Rule, expected: String) -> Result<(), Broken> {
        let errors = self.client.errors();
        // Why something is no base64 may be told there in its own words.
        let lines = errors.lines().filter(|line| !line.contains("forged, not"));
        let hidden = lines.into_iter().find_map(|line| Some((self.contacts.rule_about(line)?, line)));
        match hidden {
            Some((rule, line)) => {
                let expected = "nothing of what cannot be opened, or was shown before".to_owned();
                Err(Broken { rule, expected, got: shown(line) })
            }
            None if is_told => Ok(()),
            None => Err(Broken { rule, expected, got: NOTHING.to_owned() }),
        }
    }
}
