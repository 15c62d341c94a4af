//! The client's side of end-to-end messages: what happens around sealing and
//! opening them.
//!
//! Users type `/msg bob TEXT`, and what leaves this program is `/dm bob BASE64`.
//! In between the server is asked for bob's key, each time anew: a key that was
//! fetched before may no longer be his, and the client notices the change before
//! anything is sent, not after.
//!
//! ```text
//! sender thread (outgoing.rs)      /key bob ──► server;  waits;  /dm bob BASE64 ──► server
//!                                                          ▲
//! receiver thread (incoming.rs)    [KEY] bob BASE64 ───────┘
//!                                  [DM] alice BASE64: opened, or kept until alice's key is known
//! ```
//!
//! While the sender waits, what was typed after the message waits as well, so that
//! all arrives in the order typed. The state between the two threads is locked for a
//! moment at a time; files are read and written outside of the lock.

mod incoming;
mod outgoing;
mod user_output;

pub use user_output::UserOutput;

use crate::identity::{self, Identity, KnownKeys, PublicKey, ReplayCache};
use common::poison::IgnorePoison;
use incoming::PendingMessage;
use stage6_auth::accounts::check_name;
use stage6_auth::client::send_queue::SendQueue;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How long the answer about a key may take. A server that is too busy for it, or
/// knows no `/key`, is not to stop all that was typed after the message.
const KEY_TIMEOUT: Duration = Duration::from_secs(5);

/// See the [module](self).
pub struct EndToEnd {
    /// The identity file, if it is not the usual one.
    file: Option<PathBuf>,
    /// The server's address, under which keys are remembered.
    server: String,
    output: Box<dyn UserOutput>,
    state: Mutex<State>,
    /// A lookup has its answer, or the connection is gone.
    looked_up: Condvar,
}

#[derive(Default)]
struct State {
    /// `None` until the user is logged in.
    user: Option<Arc<LocalUser>>,
    connected: bool,
    /// What the sender waits for.
    lookup: Option<KeyLookup>,
    /// Questions under way that the client asks and not the user, by name in lower
    /// case: the answers are not shown.
    automatic_requests: HashMap<String, usize>,
    /// Private messages of users whose keys are not known yet, in the order received.
    pending: Vec<PendingMessage>,
    /// Keys that are other ones than those remembered, by name in lower case.
    changed: HashMap<String, PublicKey>,
}

/// The user of this program, once the server has said the name.
struct LocalUser {
    name: String,
    identity: Identity,
    known: KnownKeys,
    shown: ReplayCache,
}

/// A question about a key, for the line that is just being sent.
struct KeyLookup {
    name: String,
    answer: Option<KeyAnswer>,
}

/// What is known about a user's key. What there is to say about it was said.
#[derive(Clone)]
enum KeyAnswer {
    /// It may be used; the name is as it was registered.
    Usable { name: String, key: PublicKey },
    /// It may not: it is another one than before.
    Changed,
    /// The user has none, or it is not known which.
    Missing,
}

impl EndToEnd {
    /// With no user yet. `file` is the identity file; without one it is
    /// `NAME.identity` in the working folder, as soon as there is a name.
    pub fn new(file: Option<PathBuf>, server: &str, output: impl UserOutput + 'static) -> Arc<Self> {
        let (server, output) = (server.to_owned(), Box::new(output));
        Arc::new(EndToEnd { file, server, output, state: Mutex::default(), looked_up: Condvar::new() })
    }

    /// The user is logged in by this name, on a new connection: publishes the key,
    /// and asks again what was asked on the old connection.
    ///
    /// # Errors
    /// When the identity cannot be used.
    pub fn logged_in(&self, name: &str, queue: &SendQueue) -> anyhow::Result<()> {
        let user = match self.user() {
            Some(user) if user.name == name => user,
            _ => Arc::new(self.load_identity(name)?),
        };
        queue.send_now(&format!("/pubkey {}", user.identity.public()));
        let mut state = self.lock();
        (state.user, state.connected) = (Some(user), true);
        state.automatic_requests.clear();
        let mut names: Vec<_> = state.pending.iter().map(|pending| pending.from.clone()).collect();
        names.dedup();
        drop(state);
        for name in names {
            self.request_key(&name, queue);
        }
        Ok(())
    }

    fn load_identity(&self, name: &str) -> anyhow::Result<LocalUser> {
        // The name comes from the server, and must not lead to another folder.
        let name = check_name(name).map(|()| name.to_owned())?;
        let usual = PathBuf::from(format!("{name}.identity"));
        let path = self.file.as_ref().unwrap_or(&usual);
        let (identity, new) = Identity::load_or_make(path)?;
        if new {
            let path = path.display();
            self.output.hint(&format!("A new identity was made: {path}. Keep it: others know you by it."));
        }
        let known = KnownKeys::new(&path.with_file_name("known_keys"), &self.server);
        Ok(LocalUser { name, identity, known, shown: ReplayCache::beside(path) })
    }

    fn user(&self) -> Option<Arc<LocalUser>> {
        self.lock().user.clone()
    }

    /// Asks the server for a key, in the client's own name. Returns `true` if the
    /// question was sent.
    fn request_key(&self, name: &str, queue: &SendQueue) -> bool {
        *self.lock().automatic_requests.entry(name.to_ascii_lowercase()).or_default() += 1;
        queue.send_now(&format!("/key {name}"))
    }

    /// Small changes of independent fields; nothing to repair.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}

fn safety_number(user: &LocalUser, name: &str, key: &PublicKey) -> String {
    identity::safety_number((&user.name, &user.identity.public()), (name, key))
}

#[cfg(test)]
mod tests;
