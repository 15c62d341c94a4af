//! What comes in: private messages, and answers about keys.

use super::{Answer, EndToEnd, LocalUser, PATIENCE, words};
use crate::identity::{KeyStatus, PublicKey};
use stage6_auth::send_queue::SendQueue;
use std::time::Instant;

/// Messages that wait for keys. One more is said to be unreadable at once.
const MOST_HELD: usize = 1000;

/// What waits for the key of its sender.
pub(super) struct PendingMessage {
    from: String,
    what: What,
    since: Instant,
}

enum What {
    /// A private message.
    Sealed(String),
    /// What the same person said after it, in the open: all that somebody says is
    /// shown in the order said.
    Open(String),
}

impl PendingMessage {
    fn new(from: &str, what: What) -> PendingMessage {
        PendingMessage { from: from.to_owned(), what, since: Instant::now() }
    }

    /// As it is shown when the message cannot be opened.
    fn unopened(self, why: &str) -> String {
        match self.what {
            What::Sealed(_) => words::unreadable(&self.from, why),
            What::Open(line) => line,
        }
    }
}

/// Who says `alice: TEXT`, in this room, in another, or in a publication.
fn speaker(line: &str) -> Option<&str> {
    let said = if line.starts_with('[') { line.split_once("] ")?.1 } else { line };
    said.split_once(": ").map(|(name, _)| name)
}

impl EndToEnd {
    /// Takes in a line that was received, and gives the lines to be shown in its
    /// place: mostly the same one.
    ///
    /// # Errors
    /// When we are logged in and our identity cannot be used.
    pub fn heard(&self, line: &str, queue: &SendQueue) -> anyhow::Result<Vec<String>> {
        let mut shown = self.give_up(|held| held.since.elapsed() > PATIENCE);
        match line.split_once(' ') {
            Some(("AUTH_SUCCESS", rest)) => {
                let key = self.log_in(rest.split(' ').next().unwrap_or(rest))?;
                // Before anything that was typed.
                queue.send_now(&format!("/pubkey {key}"));
                self.ask_again(queue);
                shown.push(line.to_owned());
            }
            Some(("[DM]", message)) => shown.extend(self.message(message, queue)),
            Some(("[KEY]", answer)) => match self.key_given(answer) {
                Some(opened) => shown.extend(opened),
                None => shown.push(line.to_owned()),
            },
            Some(("[SERVER]", notice)) => match self.key_refused(notice) {
                Some(opened) => shown.extend(opened),
                None => shown.push(line.to_owned()),
            },
            // Marked first of all, whatever it has to wait for.
            _ if line.starts_with("[private") => shown.push(words::readable_by_the_server(line)),
            _ if self.waits(line) => {}
            _ => shown.push(line.to_owned()),
        }
        // It may have been what the next line to be sent waits for.
        queue.received();
        Ok(shown)
    }

    /// The connection is at an end, and there will be no other: what still waits
    /// is shown as what it is.
    pub fn end(&self) -> Vec<String> {
        self.give_up(|_| true)
    }

    fn give_up(&self, overdue: impl Fn(&mut PendingMessage) -> bool) -> Vec<String> {
        let overdue: Vec<_> = self.lock().held.extract_if(.., |held| overdue(held)).collect();
        overdue.into_iter().map(|held| held.unopened("the key is not known")).collect()
    }

    /// Whether the line has to wait behind a private message of whoever says it.
    fn waits(&self, line: &str) -> bool {
        let mut state = self.lock();
        let from = speaker(line).filter(|name| state.held.iter().any(|held| held.from == *name));
        let Some(from) = from.filter(|_| state.held.len() < MOST_HELD) else { return false };
        state.held.push(PendingMessage::new(from, What::Open(line.to_owned())));
        true
    }

    /// Another connection: questions on the old one have no answer any more.
    fn ask_again(&self, queue: &SendQueue) {
        let mut names: Vec<_> = self.lock().held.iter().map(|held| held.from.clone()).collect();
        names.dedup();
        for name in names {
            queue.push_front(&format!("/key {name}"));
        }
    }

    /// `[DM] alice BASE64`.
    fn message(&self, message: &str, queue: &SendQueue) -> Option<String> {
        let Some((me, (from, sealed))) = self.me().zip(message.split_once(' ')) else {
            return Some(words::unreadable("somebody", "not whole"));
        };
        let mut state = self.lock();
        let waiting = state.held.iter().any(|held| held.from == from);
        if !waiting {
            drop(state);
            match me.known.get(from) {
                Ok(Some(key)) => {
                    if let Ok(text) = me.identity.open(&key, from, &me.name, sealed) {
                        return self.opened(&me, from, sealed, &text);
                    }
                    // Has its sender another key by now?
                }
                Ok(None) => {}
                Err(e) => return Some(words::unreadable(from, &e.to_string())),
            }
            if !queue.push_front(&format!("/key {from}")) {
                return Some(words::unreadable(from, "the key is not known, and it is too late to ask"));
            }
            state = self.lock();
        }
        if state.held.len() >= MOST_HELD {
            return Some(words::unreadable(from, "too many wait for a key"));
        }
        // Behind those of the same sender that wait already.
        state.held.push(PendingMessage::new(from, What::Sealed(sealed.to_owned())));
        None
    }

    fn opened(&self, me: &LocalUser, from: &str, sealed: &str, text: &str) -> Option<String> {
        match me.seen.is_new(sealed) {
            Ok(true) => {}
            Ok(false) => {
                self.output.hint(&words::repeated(from));
                return None;
            }
            // Better shown twice than never.
            Err(e) => self.output.alarm(&format!("this message may have been shown before: {e}")),
        }
        Some(words::private(from, text))
    }

    /// `[KEY] bob BASE64`. `None`: that answers no question of ours.
    fn key_given(&self, answer: &str) -> Option<Vec<String>> {
        let (name, text) = answer.split_once(' ')?;
        let me = self.me()?;
        if !self.lock().is_ours(name) {
            return None;
        }
        let answer = match text.parse::<PublicKey>() {
            Ok(key) => self.judged(&me, name, key),
            Err(e) => {
                self.output.alarm(&format!("the server gives out no usable key of {name}: {e}"));
                Answer::Nothing
            }
        };
        Some(self.answered(&me, name, &answer))
    }

    /// Whether the key that the server gives out is the one that it was before.
    fn judged(&self, me: &LocalUser, name: &str, key: PublicKey) -> Answer {
        match me.known.check(name, &key) {
            Ok(KeyStatus::Same) => {}
            Ok(KeyStatus::First) => self.output.hint(&words::first_key(name)),
            Ok(KeyStatus::Changed { .. }) => {
                let number = self.safety_number(me, name, &key);
                words::changed_key(&me.name, name, &number).for_each(|line| self.output.alarm(&line));
                self.lock().changed.insert(name.to_ascii_lowercase(), key);
                return Answer::Changed;
            }
            Err(e) => {
                self.output.alarm(&format!("the key of {name} is not used: {e}"));
                return Answer::Nothing;
            }
        }
        Answer::Good { name: name.to_owned(), key }
    }

    /// `error: no user bob` and the like. `None`: that is no answer about a key, or
    /// one that the person is to see.
    fn key_refused(&self, notice: &str) -> Option<Vec<String>> {
        let error = notice.strip_prefix("error: ")?;
        let me = self.me()?;
        let mut state = self.lock();
        let about = |name: &str| {
            let (error, name) = (error.to_ascii_lowercase(), name.to_ascii_lowercase());
            // A server that knows no keys says so without the name.
            let unknown = error.starts_with("unknown command /key") || error.starts_with("/key ");
            unknown || error == format!("no user {name}") || error == format!("{name} has published no key")
        };
        let waits = state.asked.as_ref().is_some_and(|asked| asked.answer.is_none() && about(&asked.name));
        let name = match &state.asked {
            Some(asked) if waits => asked.name.clone(),
            _ => state.held.iter().find(|held| about(&held.from))?.from.clone(),
        };
        if !state.is_ours(&name) {
            return None;
        }
        drop(state);
        let opened = self.answered(&me, &name, &Answer::Nothing);
        // The person who typed the message is told why it is not sent.
        if waits {
            return Some([vec![format!("[SERVER] {notice}")], opened].concat());
        }
        Some(opened)
    }

    /// Passes the answer on to the line and to the messages that wait for it; what
    /// is shown of these.
    fn answered(&self, me: &LocalUser, name: &str, answer: &Answer) -> Vec<String> {
        let mut state = self.lock();
        if let Some(asked) = state.asked.as_mut().filter(|asked| asked.name.eq_ignore_ascii_case(name)) {
            asked.answer.get_or_insert(answer.clone());
        }
        let theirs = |held: &mut PendingMessage| held.from.eq_ignore_ascii_case(name);
        let held: Vec<_> = state.held.extract_if(.., theirs).collect();
        drop(state);
        let shown = held.into_iter().map(|held| match (&held.what, answer) {
            (What::Sealed(sealed), Answer::Good { key, .. }) => {
                match me.identity.open(key, &held.from, &me.name, sealed) {
                    Ok(text) => self.opened(me, &held.from, sealed, &text),
                    Err(_) => Some(held.unopened("not sealed for us with the key that is known")),
                }
            }
            (_, Answer::Changed) => Some(held.unopened("the key has changed")),
            (_, _) => Some(held.unopened("the key is not known")),
        });
        shown.flatten().collect()
    }
}
