//! Private messages that the server cannot read (stage 8): what a client makes of `/msg`, and
//! what it shows of `[DM]`.

use super::contacts::NAMES;
use super::keys::Question;
use super::play::Player;
use super::rules;
use super::session::{Answer, Before, Heard, Whisper};
use std::time::{Duration, Instant};
use testkit::sessions::rules as plain;
use testkit::sessions::{Broken, escaped};
use testkit::{Next, shown};

impl Player<'_> {
    /// `/msg NAME TEXT`, and a line behind it.
    pub fn whispers(&mut self, whisper: &Whisper) -> Result<(), Broken> {
        let contact = &self.contacts.all[whisper.to];
        let (is_known, had_changed) = (contact.is_known, contact.has_changed);
        let answer = match whisper.answer {
            // The first key is the right one, and whoever has one keeps it.
            Answer::Another if !is_known => Answer::Key,
            Answer::NoUser | Answer::NoKey | Answer::Nonsense(_) if is_known => Answer::Key,
            answer => answer,
        };
        let answer = if had_changed { Answer::Another } else { answer };
        let (before, name) = (whisper.before.clone(), whisper.spelled.clone());
        self.question = Some(Question { of: whisper.to, name, before, answer, is_asked: false });
        let said_before = self.begins_to_say();
        let fence = self.next_fence();
        self.client.try_type(format!("/msg {} {}\n{fence}\n", whisper.spelled, whisper.text).as_bytes());
        let sealed = self.seals(whisper, &fence, had_changed)?;
        let is_asked = self.question.take().is_some_and(|question| question.is_asked);
        if let Before::Line(line) = whisper.before
            && is_asked
        {
            self.prints(line, plain::SHOWN)?;
        }
        let may_be_known = self.contacts.all[whisper.to].may_be_known && !had_changed;
        let is_due = if is_asked { answer == Answer::Key } else { may_be_known };
        let rule = match answer {
            Answer::Key => rules::KEY_ASKED,
            Answer::Another => rules::FIRST_KEY,
            _ => rules::NO_KEY,
        };
        let name = NAMES[whisper.to];
        if sealed && !is_due {
            let got = format!("/dm {name} …");
            return Err(Broken { rule, expected: format!("nothing for {name}"), got });
        }
        if !sealed && (is_due || !(is_asked || had_changed)) {
            let what = if is_due { "/dm" } else { "/key" };
            let expected = format!("{what} {name}, before what was typed next");
            return Err(Broken { rule: rules::KEY_ASKED, expected, got: shown(&fence) });
        }
        self.is_fenced()?;
        // That a key has changed is said once at least.
        let is_warned = had_changed && self.contacts.all[whisper.to].is_warned;
        let is_told = sealed || is_warned || self.has_told(said_before, 1)?;
        self.contacts.all[whisper.to].is_warned = true;
        self.must_have_told(is_told, rule, format!("a word that nothing is sent to {name}"))
    }

    /// Up to the line that was typed behind it: returns `true` if the text was sent, sealed.
    fn seals(&mut self, whisper: &Whisper, fence: &str, had_changed: bool) -> Result<bool, Broken> {
        let mut sealed = false;
        loop {
            let next = self.next_sent(self.deadline())?;
            match &next {
                Next::Line(line) if line == fence => return Ok(sealed),
                Next::Line(line) if line.starts_with("/dm ") && !sealed && !had_changed => {
                    self.is_sealed(whisper, line)?;
                    sealed = true;
                }
                Next::Line(line) if line.starts_with("/dm ") => {
                    let rule = if had_changed { rules::FIRST_KEY } else { rules::KEY_ASKED };
                    return Err(Broken::new(rule, shown(fence), &next));
                }
                other => {
                    let answer = self.question.as_ref().filter(|question| question.is_asked);
                    let rule = match answer.map(|question| question.answer) {
                        None | Some(Answer::Key) => rules::KEY_ASKED,
                        Some(Answer::Another) => rules::FIRST_KEY,
                        Some(_) => rules::NO_KEY,
                    };
                    return Err(Broken::new(rule, format!("/dm, or {}", shown(fence)), other));
                }
            }
        }
    }

    fn is_sealed(&self, whisper: &Whisper, line: &str) -> Result<(), Broken> {
        let contact = &self.contacts.all[whisper.to];
        let (name, sealed) = line["/dm ".len()..].split_once(' ').unwrap_or_default();
        let is_there = name.eq_ignore_ascii_case(contact.name);
        let opened = if is_there {
            contact.identity.open(self.name, &self.contacts.key, sealed)
        } else {
            Err(format!("it is for {name:?}"))
        };
        match opened {
            Ok(text) if text == whisper.text => Ok(()),
            Ok(text) => Err(Broken {
                rule: rules::KEY_ASKED,
                expected: format!("{} sealed", shown(&whisper.text)),
                got: format!("{} sealed", shown(text)),
            }),
            Err(why) => Err(Broken {
                rule: rules::KEY_ASKED,
                expected: format!(
                    "a text sealed for {}>{} with the key of {}",
                    self.name, contact.name, contact.name
                ),
                got: format!("{}: {why}", shown(line)),
            }),
        }
    }

    /// It is sealed or goes nowhere.
    pub fn mistypes(&mut self, text: &str) -> Result<(), Broken> {
        let (said_before, fence) = (self.begins_to_say(), self.next_fence());
        self.client.try_type(format!("{text}\n{fence}\n").as_bytes());
        let mut is_sealed = false;
        loop {
            match self.next_sent(self.deadline())? {
                Next::Line(line) if line == fence => break,
                Next::Line(line) if line.starts_with("/dm ") => is_sealed = true,
                other => {
                    let expected = format!("nothing of {}", shown(text));
                    return Err(Broken::new(rules::NEVER_IN_THE_CLEAR, expected, &other));
                }
            }
        }
        self.is_fenced()?;
        let is_told = is_sealed || self.has_told(said_before, 1)?;
        let expected = format!("a word that {} is not sent", shown(text));
        self.must_have_told(is_told, rules::NEVER_IN_THE_CLEAR, expected)
    }

    /// `[DM]` of one user, several in one write.
    pub fn hears(&mut self, from: usize, heard: &[Heard]) -> Result<(), Broken> {
        let said_before = self.begins_to_say();
        let contact = &self.contacts.all[from];
        let (name, is_known, has_changed) = (contact.name, contact.is_known, contact.has_changed);
        let (mut lines, mut shown_texts, mut bad) = (String::new(), Vec::new(), 0);
        for one in heard {
            let contact = &self.contacts.all[from];
            let sealed = match one {
                Heard::Text(text) => {
                    let identity = if has_changed { &contact.other } else { &contact.identity };
                    let sealed = identity.seal(self.name, &self.contacts.key, text);
                    if has_changed {
                        bad += 1;
                        self.hides(text, rules::FIRST_KEY);
                    } else {
                        shown_texts.push(format!("[private] {name}: {text}"));
                        self.contacts.last[from] = Some(sealed.clone());
                    }
                    sealed
                }
                // Only what was shown by now, and what does not open where the key is there.
                Heard::Again => match self.contacts.last[from].clone().filter(|_| !has_changed) {
                    Some(sealed) => sealed,
                    None => continue,
                },
                Heard::Bad(_) if !is_known || has_changed => continue,
                Heard::Bad(kind) => {
                    bad += 1;
                    self.contacts.badly_sealed(from, self.name, *kind)
                }
            };
            lines += &format!("[DM] {name} {sealed}\n");
        }
        self.us.peer.send_bytes(lines.as_bytes());
        shown_texts.iter().try_for_each(|line| self.prints(line, rules::OPENED))?;
        shown_texts.iter().for_each(|line| self.hides(line, rules::SHOWN_ONCE));
        // Behind the first line it has asked what there is to ask; behind the second one its
        // questions have come; and behind the third one it has the answers.
        self.is_fenced()?;
        let fence = self.next_fence();
        self.client.try_type(format!("{fence}\n").as_bytes());
        self.sends(&fence)?;
        self.is_fenced()?;
        let is_told = self.has_told(said_before, bad)?;
        let expected = format!("a word that {bad} of the messages of {name} cannot be opened");
        self.contacts.all[from].is_warned |= bad > 0;
        self.must_have_told(is_told, rules::NOT_OPENED, expected)
    }

    pub fn hears_in_the_clear(&mut self, text: &str) -> Result<(), Broken> {
        let came = format!("[private] Carol: {text}");
        self.us.send(&came);
        let (deadline, text) = (self.deadline(), escaped(text));
        loop {
            match self.client.next_line(deadline.min(Instant::now() + Duration::from_millis(5))) {
                Next::Line(line) if line.ends_with(&text) && line != escaped(&came) => return Ok(()),
                Next::Line(line) if !line.ends_with(&text) && self.may_show(&line)? => {}
                Next::Nothing if Instant::now() < deadline => self.looks_at_questions()?,
                other => {
                    let expected = format!("{} on stdout, with a mark", shown(escaped(&came)));
                    return Err(Broken::new(rules::MARKED, expected, &other));
                }
            }
        }
    }

    /// A line of the server's behind it is shown.
    pub fn is_fenced(&mut self) -> Result<(), Broken> {
        let fence = format!("[SERVER] {}", self.next_fence());
        self.say(&fence, plain::SHOWN)
    }
}
