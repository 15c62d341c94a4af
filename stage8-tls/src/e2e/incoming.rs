//! What comes in: private messages, and answers about keys.
//!
//! A message can come from a user whose key is not known yet. The key is asked for, and the
//! private messages of that user wait. All other lines are shown at once.

use super::{EndToEnd, KEY_TIMEOUT, KeyAnswer, LocalUser, State, safety_number, user_output};
use crate::identity::{KeyStatus, PublicKey};
use stage6_auth::client::send_queue::SendQueue;
use std::time::Instant;

/// Messages that wait for keys. One more is shown as unreadable at once.
const MAX_PENDING: usize = 1000;

/// What waits for the key of its sender.
pub(super) struct PendingMessage {
    pub(super) from: String,
    sealed: String,
    since: Instant,
}

/// Returns `true` if an `error` of the server can be its answer to `/key NAME`.
pub(super) fn is_about_key(error: &str, name: &str) -> bool {
    let (error, name) = (error.to_ascii_lowercase(), name.to_ascii_lowercase());
    // A server that has no such command says so without the name.
    let is_unknown = error.starts_with("unknown command /key") || error.starts_with("/key ");
    is_unknown || error == format!("no user {name}") || error == format!("{name} has published no key")
}

impl EndToEnd {
    /// Takes in a line that was received after the login, and returns the lines to
    /// be shown in its place: mostly the same one.
    pub fn on_line(&self, line: &str, queue: &SendQueue) -> Vec<String> {
        let mut shown = self.expire(|pending| pending.since.elapsed() > KEY_TIMEOUT);
        let unchanged = || vec![line.to_owned()];
        shown.extend(match line.split_once(' ') {
            Some(("[DM]", message)) => self.message(message, queue).into_iter().collect(),
            Some(("[KEY]", answer)) => self.key_given(answer).unwrap_or_else(unchanged),
            Some(("[SERVER]", notice)) => self.key_refused(notice).unwrap_or_else(unchanged),
            _ if line.starts_with("[private") => vec![user_output::readable_by_the_server(line)],
            _ => unchanged(),
        });
        shown
    }

    /// There will be no other connection: what still waits is shown as what it is.
    pub fn end(&self) -> Vec<String> {
        self.expire(|_| true)
    }

    fn expire(&self, overdue: impl Fn(&mut PendingMessage) -> bool) -> Vec<String> {
        let overdue: Vec<_> = self.lock().pending.extract_if(.., |pending| overdue(pending)).collect();
        overdue.iter().map(|pending| user_output::unreadable(&pending.from, "the key is not known")).collect()
    }

    /// `[DM] alice BASE64`. `None`: nothing is shown now.
    fn message(&self, message: &str, queue: &SendQueue) -> Option<String> {
        let Some((user, (from, sealed))) = self.user().zip(message.split_once(' ')) else {
            return Some(user_output::unreadable("somebody", "not whole"));
        };
        // Behind those of the same sender that wait already.
        let waiting = self.lock().pending.iter().any(|pending| pending.from == from);
        if !waiting {
            match user.known.get(from) {
                Ok(Some(key)) => {
                    if let Ok(text) = user.identity.open(&key, from, &user.name, sealed) {
                        return self.opened(&user, from, sealed, &text);
                    }
                    // Has its sender another key by now?
                }
                Ok(None) => {}
                Err(e) => return Some(user_output::unreadable(from, &e.to_string())),
            }
            if !self.request_key(from, queue) {
                return Some(user_output::unreadable(
                    from,
                    "the key is not known, and it is too late to ask",
                ));
            }
        }
        let mut state = self.lock();
        if state.pending.len() >= MAX_PENDING {
            return Some(user_output::unreadable(from, "too many wait for a key"));
        }
        let (from, sealed) = (from.to_owned(), sealed.to_owned());
        state.pending.push(PendingMessage { from, sealed, since: Instant::now() });
        None
    }

    fn opened(&self, user: &LocalUser, from: &str, sealed: &str, text: &str) -> Option<String> {
        match user.shown.is_new(sealed) {
            Ok(true) => {}
            Ok(false) => {
                self.output
                    .hint(&format!("(a private message of {from} came once more; it is not shown again)"));
                return None;
            }
            // Better shown twice than never.
            Err(e) => {
                self.output.alarm(&format!("this message may have been shown before: shown messages {e}"))
            }
        }
        Some(format!("[private] {from}: {text}"))
    }

    /// `[KEY] bob BASE64`. `None`: that answers a question of the user.
    fn key_given(&self, answer: &str) -> Option<Vec<String>> {
        let (name, text) = answer.split_once(' ')?;
        let user = self.user()?;
        if !self.lock().take_automatic_request(name) {
            return None;
        }
        let answer = match text.parse::<PublicKey>() {
            Ok(key) => self.check_key(&user, name, key),
            Err(e) => {
                self.output.alarm(&format!("the server gives out no usable key of {name}: {e}"));
                KeyAnswer::Missing
            }
        };
        Some(self.answered(&user, name, &answer))
    }

    /// Compares the key that the server gives out with the one that is remembered.
    fn check_key(&self, user: &LocalUser, name: &str, key: PublicKey) -> KeyAnswer {
        match user.known.check(name, &key) {
            Ok(KeyStatus::Same) => {}
            Ok(KeyStatus::First) => {
                user_output::first_key(name).iter().for_each(|line| self.output.hint(line));
            }
            Ok(KeyStatus::Changed) => {
                let number = safety_number(user, name, &key);
                user_output::changed_key(&user.name, name, &number)
                    .iter()
                    .for_each(|line| self.output.alarm(line));
                self.lock().changed.insert(name.to_ascii_lowercase(), key);
                return KeyAnswer::Changed;
            }
            Err(e) => {
                self.output.alarm(&format!("the key of {name} is not used: {e}"));
                return KeyAnswer::Missing;
            }
        }
        KeyAnswer::Usable { name: name.to_owned(), key }
    }

    /// `error: no user bob` and the like. `None`: that is no answer about a key, or
    /// one that the user is to see.
    fn key_refused(&self, notice: &str) -> Option<Vec<String>> {
        let error = notice.strip_prefix("error: ")?;
        let user = self.user()?;
        let mut state = self.lock();
        let about = |name: &str| is_about_key(error, name);
        let lookup = state.lookup.as_ref().filter(|lookup| lookup.answer.is_none() && about(&lookup.name));
        let awaited = lookup.is_some();
        let name = match lookup {
            Some(lookup) => lookup.name.clone(),
            None => state.pending.iter().find(|pending| about(&pending.from))?.from.clone(),
        };
        if !state.take_automatic_request(&name) {
            return None;
        }
        drop(state);
        let mut shown = self.answered(&user, &name, &KeyAnswer::Missing);
        if awaited {
            // The user, who typed the message, is told why it is not sent.
            shown.insert(0, format!("[SERVER] {notice}"));
        }
        Some(shown)
    }

    /// Passes the answer on to the line and to the messages that wait for it.
    /// Returns what is shown of these.
    fn answered(&self, user: &LocalUser, name: &str, answer: &KeyAnswer) -> Vec<String> {
        let mut state = self.lock();
        if let Some(lookup) = state.lookup.as_mut().filter(|lookup| lookup.name.eq_ignore_ascii_case(name)) {
            lookup.answer.get_or_insert(answer.clone());
        }
        let theirs = |pending: &mut PendingMessage| pending.from.eq_ignore_ascii_case(name);
        let waited: Vec<_> = state.pending.extract_if(.., theirs).collect();
        drop(state);
        self.looked_up.notify_all();
        let shown = waited.into_iter().map(|PendingMessage { from, sealed, .. }| {
            let why = match answer {
                KeyAnswer::Usable { key, .. } => match user.identity.open(key, &from, &user.name, &sealed) {
                    Ok(text) => return self.opened(user, &from, &sealed, &text),
                    Err(_) => "not sealed for us with the key that is known",
                },
                KeyAnswer::Changed => "the key has changed",
                KeyAnswer::Missing => "the key is not known",
            };
            Some(user_output::unreadable(&from, why))
        });
        shown.flatten().collect()
    }
}

impl State {
    /// An answer about the key of `name` has come. Returns `true` if the client itself has
    /// asked, and then counts one question less.
    fn take_automatic_request(&mut self, name: &str) -> bool {
        let count = self.automatic_requests.get_mut(&name.to_ascii_lowercase()).filter(|count| **count > 0);
        count.map(|count| *count -= 1).is_some()
    }
}
