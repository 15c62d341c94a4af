//! The login of a client, at its start and each time that it comes back.

use super::play::Player;
use super::rules;
use super::session::{Login, Outcome};
use crate::model::world::TLS;
use std::time::{Duration, Instant};
use testkit::sessions::Broken;
use testkit::sessions::rules as plain;
use testkit::{Next, shown};

/// What is sent too early comes within this.
const EARLY: Duration = Duration::from_millis(15);
/// So long a slow user takes for an answer. A client does not give up meanwhile.
const SLOW: Duration = Duration::from_millis(60);

impl Player<'_> {
    /// From the first line to the room. Returns `false` if that was all.
    pub fn logs_in(&mut self, login: &Login) -> Result<bool, Broken> {
        if let Outcome::Forged(forgery) = login.outcome {
            return self.is_forged(forgery).map(|()| false);
        }
        let no_answers = login.typed.iter().filter(|line| line.starts_with("/msg")).count();
        if no_answers > 0 {
            self.begins_to_say();
        }
        self.say("AUTH_REQUIRED", plain::SHOWN)?;
        if login.outcome == Outcome::Closes {
            self.us.peer.half_close();
            return self.exits(None, plain::SERVER_CLOSES).map(|()| false);
        }
        if login.outcome == Outcome::TooLong {
            return self.is_too_long(&login.request, &login.request, rules::TEXT_LIMIT).map(|()| false);
        }
        if login.outcome == Outcome::InputEnds {
            return self.sees_its_input_end(login).map(|()| false);
        }
        let is_answer = |line: &String| !line.is_empty() && !line.starts_with("/msg");
        let mut answers = login.typed.split_inclusive(is_answer).filter(|_| login.is_slow);
        self.types_slowly(answers.next());
        let mut request = self.answer("LOGIN, REGISTER, or all in one line")?;
        if ["LOGIN", "REGISTER"].contains(&request.as_str()) {
            for question in ["ENTER_USERNAME", "ENTER_PASSWORD"] {
                self.say(question, plain::SHOWN)?;
                self.types_slowly(answers.next());
                let answer = self.answer(question)?;
                request = format!("{request} {answer}");
            }
        }
        if request != login.request {
            let expected = format!("the answers {}", shown(&login.request));
            return Err(Broken { rule: rules::LOGS_IN, expected, got: shown(&request) });
        }
        let is_told = self.has_told(0, no_answers)?;
        let expected = "a word that /msg is not sent before the login".to_owned();
        self.must_have_told(is_told, rules::NEVER_IN_THE_CLEAR, expected)?;
        if login.is_slow {
            self.types_slowly(Some(&login.early));
        }
        if !login.early.is_empty() || login.outcome != Outcome::In {
            self.sends_nothing_yet()?;
        }
        match login.outcome {
            Outcome::Failed(reason) => {
                self.say(&format!("AUTH_FAILED {reason}"), rules::REFUSED)?;
                self.us.peer.half_close();
                return self.exits(Some(1), rules::REFUSED).map(|()| false);
            }
            Outcome::In | Outcome::Closes | Outcome::Forged(_) | Outcome::InputEnds | Outcome::TooLong => {}
        }
        self.comes_in()?;
        login.early.iter().filter(|line| !line.is_empty()).try_for_each(|line| self.sends(line))?;
        Ok(true)
    }

    /// The input ends where an answer is due.
    fn sees_its_input_end(&mut self, login: &Login) -> Result<(), Broken> {
        if login.is_slow {
            self.types_slowly(Some(&login.typed));
        }
        self.client.end_input();
        let is_answer = |line: &&String| !line.is_empty() && !line.starts_with("/msg");
        let questions = ["ENTER_USERNAME", "ENTER_PASSWORD"];
        for (_, question) in login.typed.iter().filter(is_answer).zip(questions) {
            self.answer("LOGIN or REGISTER, or a name")?;
            self.say(question, plain::SHOWN)?;
        }
        self.sends_its_end(plain::END_OF_INPUT, &["!DISCONNECT"])?;
        self.sees_the_end(plain::END_OF_INPUT)
    }

    /// The next lines of a slow user.
    fn types_slowly(&mut self, lines: Option<&[String]>) {
        let Some(lines) = lines else { return };
        std::thread::sleep(SLOW);
        self.types(lines);
    }

    /// Lines that are typed before the client is in.
    pub fn types(&mut self, lines: &[String]) {
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.client.try_type(lines.as_bytes());
    }

    /// They are for the room.
    pub fn sends_nothing_yet(&mut self) -> Result<(), Broken> {
        match self.next_sent(Instant::now() + EARLY)? {
            Next::Nothing => Ok(()),
            other => Err(Broken::new(rules::LOGS_IN, "nothing more before AUTH_SUCCESS", &other)),
        }
    }

    /// The next answer of the login. What is no answer is never sent.
    fn answer(&mut self, question: &str) -> Result<String, Broken> {
        match self.next_sent(self.deadline())? {
            Next::Line(line) => Ok(line),
            other => Err(Broken::new(rules::LOGS_IN, format!("an answer to {question}"), &other)),
        }
    }

    /// It is let in, publishes its key, and goes to its room.
    pub fn comes_in(&mut self) -> Result<(), Broken> {
        self.tokens += 1;
        self.is_to_publish = self.stage >= TLS;
        let name = self.name;
        let lines = [
            format!("AUTH_SUCCESS {name} token-{}", self.tokens),
            "[HISTORY] 2026-01-31T09:30:00Z bob: said before".to_owned(),
            format!("[USERS_LIST] {name},bob"),
        ];
        lines.iter().for_each(|line| self.us.send(line));
        lines.iter().try_for_each(|line| self.prints(line, plain::SHOWN))?;
        let mut joins = self.room.filter(|_| self.is_back);
        while self.is_to_publish || joins.is_some() {
            let (rule, expected) = match joins {
                Some(room) if !self.is_to_publish => (rules::ROOM_AGAIN, format!("/join {room}")),
                _ => (rules::PUBLISHES, "/pubkey BASE64".to_owned()),
            };
            match self.next_sent(self.deadline())? {
                Next::Line(line) if self.is_to_publish && line.starts_with("/pubkey ") => {
                    self.is_published(&line["/pubkey ".len()..])?;
                }
                Next::Line(line)
                    if joins.is_some_and(|room| line.eq_ignore_ascii_case(&format!("/join {room}"))) =>
                {
                    joins = None;
                }
                other => return Err(Broken::new(rule, expected, &other)),
            }
        }
        if let Some(room) = self.room.filter(|_| self.is_back) {
            self.is_in(room)?;
        }
        Ok(())
    }

    pub fn is_in(&mut self, room: &str) -> Result<(), Broken> {
        self.say(&format!("[SERVER] you are in {room} (2 online)"), plain::SHOWN)?;
        self.say(&format!("[USERS_LIST] {},bob", self.name), plain::SHOWN)
    }

    fn is_published(&mut self, key: &str) -> Result<(), Broken> {
        // Opening asks for a key of the right form first.
        let refused = self.contacts.all[0].identity.open(self.name, key, "AAAA").err().unwrap_or_default();
        let is_another = !self.contacts.key.is_empty() && self.contacts.key != key;
        if refused.contains("key published") || is_another {
            let expected = if is_another { "the same key as before" } else { "a key, base64 of 32 bytes" };
            return Err(Broken { rule: rules::PUBLISHES, expected: expected.to_owned(), got: shown(key) });
        }
        key.clone_into(&mut self.contacts.key);
        self.is_to_publish = false;
        Ok(())
    }
}
