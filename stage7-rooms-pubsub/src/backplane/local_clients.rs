//! The clients of this server whose lines come into the log.
//!
//! A user may come back on another server while this one has lines of the old connection
//! that it has not appended: it was paused, or the lines came late. They must not come
//! after what the user says on the new connection. Each server has read all that
//! comes before its next entry, so it knows of the login there, and refuses them.

use super::change::{Change, Login};
use crate::addressed_message::{Address, AddressedMessage};
use stage4_multichat::fanout::ClientId;
use stage6_auth::sessions::Session;
use std::collections::HashMap;
use std::sync::Arc;

/// See the [module](self). Used by the committer thread alone.
#[derive(Default)]
pub struct LocalClients {
    clients: HashMap<ClientId, LocalClient>,
}

struct LocalClient {
    session: Arc<Session>,
    /// The place of the login on another server that has taken the user's name.
    taken_over: Option<i64>,
}

impl LocalClients {
    /// A client comes in.
    pub fn insert(&mut self, session: &Arc<Session>) {
        let client = LocalClient { session: session.clone(), taken_over: None };
        self.clients.insert(session.id, client);
    }

    /// A client goes. Returns `true` if it was there.
    pub fn remove(&mut self, id: ClientId) -> bool {
        self.clients.remove(&id).is_some()
    }

    /// All have lost their place.
    pub fn clear(&mut self) {
        self.clients.clear();
    }

    /// Returns `true` if what this client says may be appended.
    pub fn may_append(&self, id: ClientId) -> bool {
        self.clients.get(&id).is_some_and(|client| client.taken_over.is_none())
    }

    /// Another server's entry was read at `place`: a login there may take over the name of a
    /// client here. A client whose own login `waits` comes after it.
    pub fn on_read(&mut self, place: i64, entry: &AddressedMessage, waits: impl Fn(ClientId) -> bool) {
        for client in self.clients.values_mut() {
            if is_taken_over(&client.session, entry) && !waits(client.session.id) {
                client.taken_over.get_or_insert(place);
            }
        }
    }

    /// What was read after `confirmed` may be lost: it is read again, if it is there.
    pub fn forget_after(&mut self, confirmed: i64) {
        for client in self.clients.values_mut() {
            client.taken_over = client.taken_over.filter(|place| *place <= confirmed);
        }
    }
}

/// Returns `true` if the entry is a login that takes the name from this session.
pub fn is_taken_over(session: &Session, entry: &AddressedMessage) -> bool {
    let Address::Servers(Change::Join(login)) = &entry.to else { return false };
    session.name == entry.message.name && login.takes_over(&Login::token_of(session))
}
