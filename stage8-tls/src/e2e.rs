//! EndToEnd messages on their way out and in: what happens around sealing and
//! opening them.
//!
//! People type `/msg bob TEXT`, and what leaves this program is `/dm bob BASE64`.
//! In between the server is asked for bob's key, each time anew: a key that was
//! fetched before may no longer be his, and the change is to be noticed before
//! anything is sent, not after. While the answer is under way, what was typed
//! after it waits (see [`Sealed::Question`]), so that all arrives in the order
//! typed, and nobody who types has to wait.
//!
//! In the other direction a message can come from somebody whose key is not known
//! yet. It is asked for, and what that person says waits; everything else does not.
//!
//! Two threads come here: the one that sends, through [`Seal`], and the one that
//! receives, through [`EndToEnd::heard`]. The state between them is held for a
//! moment at a time; files are read and written outside of it.

mod incoming;
mod words;

pub use words::{UserOutput, fits};

use crate::identity::{Identity, KnownKeys, PublicKey, ReplayCache, SafetyNumber};
use common::poison::IgnorePoison;
use incoming::PendingMessage;
use stage6_auth::connection::{Seal, Sealed};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long the answer about a key may take. A server that is too busy for it, or
/// knows no `/key`, is not to stop all that was typed after the message.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the [module](self).
pub struct EndToEnd {
    /// The identity file, if it is not the usual one.
    file: Option<PathBuf>,
    /// The server's address, under which keys are remembered.
    server: String,
    output: Box<dyn UserOutput>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None` until we are logged in.
    me: Option<Arc<LocalUser>>,
    /// For the line that is to be sent next.
    asked: Option<Asked>,
    /// Questions of ours, and not of the person's, that are under way, by name in
    /// lower case: nobody wants to see the answers.
    ours: HashMap<String, usize>,
    /// What is said by people whose keys are not known yet, in the order received.
    held: Vec<PendingMessage>,
    /// Keys that are other ones than those remembered, by name in lower case.
    changed: HashMap<String, PublicKey>,
}

/// Who we are, once the server has said so.
struct LocalUser {
    name: String,
    identity: Identity,
    known: KnownKeys,
    seen: ReplayCache,
}

/// A question about a key, for a line that waits for it.
struct Asked {
    name: String,
    since: Instant,
    answer: Option<Answer>,
}

/// What is known about somebody's key. What there is to say about it was said.
#[derive(Clone)]
enum Answer {
    /// It may be used; the name is as it was registered.
    Good { name: String, key: PublicKey },
    /// It may not: it is another one than before.
    Changed,
    /// There is none.
    Nothing,
}

impl EndToEnd {
    /// Nobody yet. `file` is the identity file; without one it is `NAME.identity`
    /// in the working folder, as soon as there is a name.
    pub fn new(file: Option<PathBuf>, server: &str, output: impl UserOutput + 'static) -> Arc<Self> {
        let (server, output, state) = (server.to_owned(), Box::new(output), Mutex::default());
        Arc::new(EndToEnd { file, server, output, state })
    }

    /// We are let in by this name, on a new connection: whatever was asked on an
    /// old one is void. The public key, for the server to give out.
    fn log_in(&self, name: &str) -> anyhow::Result<PublicKey> {
        let me = match self.me() {
            Some(me) if me.name == name => me,
            _ => Arc::new(self.load_identity(name)?),
        };
        let key = me.identity.public();
        let mut state = self.lock();
        (state.me, state.asked) = (Some(me), None);
        state.ours.clear();
        Ok(key)
    }

    fn load_identity(&self, name: &str) -> anyhow::Result<LocalUser> {
        // The name comes from the server, and must not lead to another folder.
        let name = stage6_auth::accounts::check_name(name).map(|()| name.to_owned())?;
        let usual = PathBuf::from(format!("{name}.identity"));
        let path = self.file.as_ref().unwrap_or(&usual);
        let (identity, new) = Identity::load_or_make(path)?;
        if new {
            self.output.hint(&words::new_identity(path));
        }
        let known = KnownKeys::new(&path.with_file_name("known_keys"), &self.server);
        Ok(LocalUser { name, identity, known, seen: ReplayCache::beside(path) })
    }

    fn me(&self) -> Option<Arc<LocalUser>> {
        self.lock().me.clone()
    }

    /// The answer about the key of `name`, for the line to be sent next. `None`:
    /// it is to come, and the question, if it has not been asked, is in `out` now.
    fn key_of(&self, name: &str, out: &mut Vec<u8>) -> Option<Answer> {
        let mut state = self.lock();
        let asked = state.asked.take_if(|asked| asked.name == name);
        match asked {
            Some(Asked { answer: Some(answer), .. }) => return Some(answer),
            Some(asked) if asked.since.elapsed() < PATIENCE => state.asked = Some(asked),
            Some(_) => {
                drop(state);
                self.output.alarm(&words::no_answer(name));
                return Some(Answer::Nothing);
            }
            None => {
                state.asked = Some(Asked { name: name.to_owned(), since: Instant::now(), answer: None });
                state.ask(name, out);
            }
        }
        None
    }

    /// `/msg bob TEXT`.
    fn send(&self, me: &LocalUser, rest: &str, out: &mut Vec<u8>) -> Sealed {
        let Some((name, text)) =
            rest.split_once(' ').filter(|(name, text)| !name.is_empty() && !text.is_empty())
        else {
            self.output.hint("/msg needs a user and a text: /msg USER TEXT");
            return Sealed::Whole;
        };
        if name.eq_ignore_ascii_case(&me.name) {
            self.output.hint("you cannot send a private message to yourself");
            return Sealed::Whole;
        }
        match self.key_of(name, out) {
            None => return Sealed::Question,
            Some(Answer::Good { name, key }) => match me.identity.seal(&key, &me.name, &name, text) {
                Ok(sealed) => out.extend_from_slice(format!("/dm {name} {sealed}\n").as_bytes()),
                Err(e) => self.output.alarm(&format!("not sent to {name}: {e}")),
            },
            Some(Answer::Changed) => self.output.alarm(&words::not_sent(name)),
            Some(Answer::Nothing) => {}
        }
        Sealed::Whole
    }

    /// `/fingerprint` and `/fingerprint bob`. Of bob it needs the key that the
    /// server gives out, to say whether that is still the one that is known.
    fn show_fingerprint(&self, me: &LocalUser, name: &str, out: &mut Vec<u8>) -> Sealed {
        if name.is_empty() || name.eq_ignore_ascii_case(&me.name) {
            self.output.hint(&words::own_fingerprint(&me.name, &me.identity.public()));
            return Sealed::Whole;
        }
        let key = match self.key_of(name, out) {
            None => return Sealed::Question,
            Some(Answer::Good { key, .. }) => Some(key),
            // The number to compare then was part of the warning.
            Some(Answer::Changed) => None,
            Some(Answer::Nothing) => me.known.get(name).unwrap_or_default(),
        };
        if let Some(key) = key {
            words::comparison(&me.name, name, &self.safety_number(me, name, &key))
                .for_each(|line| self.output.hint(&line));
        }
        Sealed::Whole
    }

    fn safety_number(&self, me: &LocalUser, name: &str, key: &PublicKey) -> SafetyNumber {
        SafetyNumber::new((&me.name, &me.identity.public()), (name, key))
    }

    /// `/trust bob`: the key that the last warning was about.
    fn trust(&self, me: &LocalUser, name: &str) {
        let changed = self.lock().changed.get(&name.to_ascii_lowercase()).copied();
        let Some(key) = changed else {
            self.output.hint(&format!("there is no changed key of {name} to be trusted"));
            return;
        };
        match me.known.accept(name, &key) {
            Ok(()) => {
                self.lock().changed.remove(&name.to_ascii_lowercase());
                self.output.hint(&format!("the new key of {name} is trusted from now on"));
            }
            Err(e) => self.output.alarm(&format!("the new key of {name} is not trusted: {e}")),
        }
    }

    /// Small changes of independent fields; nothing to repair.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}

impl State {
    /// Asks the server for a key, the answer to which is not shown.
    fn ask(&mut self, name: &str, out: &mut Vec<u8>) {
        *self.ours.entry(name.to_ascii_lowercase()).or_default() += 1;
        out.extend_from_slice(format!("/key {name}\n").as_bytes());
    }

    /// Whether an answer about the key of `name` is one to a question of ours.
    fn is_ours(&mut self, name: &str) -> bool {
        let count = self.ours.get_mut(&name.to_ascii_lowercase()).filter(|count| **count > 0);
        count.map(|count| *count -= 1).is_some()
    }
}

impl Seal for EndToEnd {
    fn seal_line(&self, line: &str, out: &mut Vec<u8>) -> Sealed {
        if let (Some(me), Some(command)) = (self.me(), line.strip_prefix('/')) {
            match command.split_once(' ').unwrap_or((command, "")) {
                ("msg", rest) => return self.send(&me, rest, out),
                ("fingerprint", name) => return self.show_fingerprint(&me, name, out),
                ("trust", name) => {
                    self.trust(&me, name);
                    return Sealed::Whole;
                }
                _ => {}
            }
        }
        // What nobody typed is a question about a key (see `SendQueue::push_front`).
        match line.strip_prefix("\n/key ") {
            Some(name) => self.lock().ask(name, out),
            None => out.extend_from_slice(format!("{line}\n").as_bytes()),
        }
        Sealed::Whole
    }
}

#[cfg(test)]
mod tests;
