//! What goes out: private messages, sealed, and commands for the client itself.

use super::{EndToEnd, KEY_TIMEOUT, KeyAnswer, KeyLookup, LocalUser, State, safety_number, user_output};
use crate::identity::{self, MAX_TEXT};
use common::poison::IgnorePoison;
use stage2_echo::line::MAX_LINE;
use stage6_auth::client::send_queue::{Encode, Encoded, SendQueue};

impl Encode for EndToEnd {
    fn fits(&self, line: &str) -> Result<(), String> {
        match line.strip_prefix("/msg ").and_then(|rest| rest.split_once(' ')) {
            Some((_, text)) if text.len() > MAX_TEXT => {
                Err(format!("not sent: a private message holds {MAX_TEXT} bytes of text at most"))
            }
            None if line.len() > MAX_LINE => {
                Err(format!("not sent: a line holds {MAX_LINE} bytes of text at most"))
            }
            _ => Ok(()),
        }
    }

    fn encode(&self, line: &str, queue: &SendQueue) -> Encoded {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (command.to_ascii_lowercase().as_str(), self.user()) {
            ("/fingerprint", Some(user)) => self.show_fingerprint(&user, rest.trim(), queue),
            ("/trust", Some(user)) => self.trust(&user, rest.trim()),
            ("/msg", Some(user)) => self.seal(&user, rest, queue),
            // Not even a mistyped one is sent in the clear, to no server in any state.
            (command, user) if command.starts_with("/msg") => {
                self.output.alarm(match user {
                    Some(_) => "Not sent: the command is /msg USER TEXT, with a blank behind each.",
                    None => "Not sent: there is no /msg before the login.",
                });
                Encoded::Nothing
            }
            _ => Encoded::line(line),
        }
    }

    fn disconnected(&self) {
        let mut state = self.lock();
        (state.connected, state.lookup) = (false, None);
        drop(state);
        self.looked_up.notify_all();
    }
}

impl EndToEnd {
    /// `/msg bob TEXT`.
    fn seal(&self, user: &LocalUser, rest: &str, queue: &SendQueue) -> Encoded {
        let Some((name, text)) =
            rest.split_once(' ').filter(|(name, text)| !name.is_empty() && !text.is_empty())
        else {
            self.output.hint("/msg needs a user and a text: /msg USER TEXT");
            return Encoded::Nothing;
        };
        if name.eq_ignore_ascii_case(&user.name) {
            self.output.hint("you cannot send a private message to yourself");
            return Encoded::Nothing;
        }
        let Some(answer) = self.look_up(name, queue) else { return Encoded::ConnectionLost };
        match answer {
            KeyAnswer::Usable { name, key } => match user.identity.seal(&key, &user.name, &name, text) {
                Ok(sealed) => return Encoded::line(&format!("/dm {name} {sealed}")),
                Err(e) => self.output.alarm(&format!("not sent to {name}: {e}")),
            },
            KeyAnswer::Changed => self.output.alarm(&format!(
                "Not sent: the key of {name} has changed. After /trust {name} type it again."
            )),
            KeyAnswer::Missing => {}
        }
        Encoded::Nothing
    }

    /// Asks the server for the key of `name` and waits for the answer. `None`: the
    /// connection is gone.
    fn look_up(&self, name: &str, queue: &SendQueue) -> Option<KeyAnswer> {
        let mut state = self.lock();
        if !state.connected {
            return None;
        }
        state.lookup = Some(KeyLookup { name: name.to_owned(), answer: None });
        drop(state);
        self.request_key(name, queue);
        let open = |state: &mut State| state.lookup.as_ref().is_some_and(|lookup| lookup.answer.is_none());
        let (mut state, _) =
            self.looked_up.wait_timeout_while(self.lock(), KEY_TIMEOUT, open).ignore_poison();
        let lookup = state.lookup.take()?;
        drop(state);
        Some(lookup.answer.unwrap_or_else(|| {
            self.output.alarm(&format!("the server does not say which key {name} has: nothing is sent"));
            KeyAnswer::Missing
        }))
    }

    /// `/fingerprint` and `/fingerprint bob`. Of bob it needs the key that the
    /// server gives out, to say whether that is still the one that is known.
    fn show_fingerprint(&self, user: &LocalUser, name: &str, queue: &SendQueue) -> Encoded {
        if name.is_empty() || name.eq_ignore_ascii_case(&user.name) {
            let own = identity::fingerprint(&user.name, &user.identity.public());
            self.output.hint(&format!("Your fingerprint, {}: {own}", user.name));
            return Encoded::Nothing;
        }
        let Some(answer) = self.look_up(name, queue) else { return Encoded::ConnectionLost };
        let key = match answer {
            KeyAnswer::Usable { key, .. } => Some(key),
            // The number to compare then was part of the warning.
            KeyAnswer::Changed => None,
            KeyAnswer::Missing => user.known.get(name).unwrap_or_default(),
        };
        if let Some(key) = key {
            let number = safety_number(user, name, &key);
            user_output::comparison(&user.name, name, &number).iter().for_each(|line| self.output.hint(line));
        }
        Encoded::Nothing
    }

    /// `/trust bob`: the key that the last warning was about.
    fn trust(&self, user: &LocalUser, name: &str) -> Encoded {
        let changed = self.lock().changed.get(&name.to_ascii_lowercase()).copied();
        match changed {
            None if name.is_empty() => self.output.hint("/trust needs a user: /trust USER"),
            None => self.output.hint(&format!("there is no changed key of {name} to be trusted")),
            Some(key) => match user.known.accept(name, &key) {
                Ok(()) => {
                    self.lock().changed.remove(&name.to_ascii_lowercase());
                    self.output.hint(&format!("the new key of {name} is trusted from now on"));
                }
                Err(e) => self.output.alarm(&format!("the new key of {name} is not trusted: {e}")),
            },
        }
        Encoded::Nothing
    }
}
