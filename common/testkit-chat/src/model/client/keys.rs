//! Keys of other users (stage 8): what the server answers to `/key`, and what it gives out unasked.

use super::play::Player;
use super::session::{Answer, Before};
use testkit::sessions::Broken;

/// What is answered to a question for a key.
pub(super) struct Question {
    pub of: usize,
    pub name: String,
    pub before: Before,
    pub answer: Answer,
    pub is_asked: bool,
}

impl Player<'_> {
    /// Answers `line` if it is a question for a key.
    pub fn answers_question(&mut self, line: &str) -> bool {
        let Some(of) = line.strip_prefix("/key ").and_then(|name| self.contacts.called(name)) else {
            return false;
        };
        let question = self.question.take_if(|question| question.of == of);
        let Some(mut question) = question else {
            self.gives_key(of);
            return true;
        };
        if !question.is_asked {
            match &question.before {
                Before::Nothing => {}
                Before::KeyOf(other) => {
                    let other = &mut self.contacts.all[*other];
                    let key = if other.has_changed { other.other.public() } else { other.identity.public() };
                    other.may_be_known = true;
                    let line = format!("[KEY] {} {key}", other.name);
                    self.optional.push(line.clone());
                    self.us.send(&line);
                }
                Before::Line(line) => self.us.send(line),
            }
        }
        question.is_asked = true;
        let (name, contact) = (&question.name, &mut self.contacts.all[of]);
        let error = match question.answer {
            Answer::NoUser => format!("[SERVER] error: no user {name}"),
            Answer::NoKey => format!("[SERVER] error: {} has published no key", contact.name),
            Answer::Nonsense(key) => format!("[KEY] {} {key}", contact.name),
            Answer::Another => {
                contact.has_changed = true;
                format!("[KEY] {} {}", contact.name, contact.other.public())
            }
            Answer::Key => {
                self.gives_key(of);
                self.question = Some(question);
                return true;
            }
        };
        self.optional.push(error.clone());
        self.us.send(&error);
        self.question = Some(question);
        true
    }

    fn gives_key(&mut self, of: usize) {
        let contact = &mut self.contacts.all[of];
        let key = if contact.has_changed { contact.other.public() } else { contact.identity.public() };
        (contact.is_known, contact.may_be_known) = (true, true);
        let line = format!("[KEY] {} {key}", contact.name);
        self.optional.push(line.clone());
        self.us.send(&line);
    }

    /// Another key of a user whose key is known, and nobody has asked for it; the same once more when it was
    /// given out before.
    pub fn is_given_another(&mut self, of: usize) -> Result<(), Broken> {
        let contact = &mut self.contacts.all[of];
        if !contact.is_known {
            return Ok(());
        }
        let is_warned = contact.has_changed && contact.is_warned;
        contact.has_changed = true;
        let line = format!("[KEY] {} {}", contact.name, contact.other.public());
        let said_before = self.begins_to_say();
        self.optional.push(line.clone());
        self.us.send(&line);
        self.is_fenced()?;
        self.contacts.all[of].is_warned = is_warned || self.told() > said_before;
        Ok(())
    }
}
