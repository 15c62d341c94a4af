//! Publish and subscribe: a publisher sends without knowing its subscribers.
//!
//! Here are the subscriptions of the users that are online. Those of all users are in
//! the [message store](crate::message_store), since they belong to the name and outlive
//! the connection.

use stage4_multichat::fanout::ClientId;
use stage6_auth::store::name_key;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Which client has subscribed to which publisher. Like [`Rooms`](crate::rooms::Rooms)
/// it belongs to the room thread, and needs no lock.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// By the publisher's key: asked for at each message.
    subscribers: HashMap<Arc<str>, HashSet<ClientId>>,
    /// The publishers of each client: key, and name as registered.
    publishers: HashMap<ClientId, BTreeMap<Arc<str>, Arc<str>>>,
}

impl Subscriptions {
    /// From now on the client `id` is sent what `publisher` says.
    pub fn subscribe(&mut self, id: ClientId, publisher: &Arc<str>) {
        let key: Arc<str> = name_key(publisher).into();
        self.subscribers.entry(key.clone()).or_default().insert(id);
        self.publishers.entry(id).or_default().insert(key, publisher.clone());
    }

    /// Ends that.
    pub fn unsubscribe(&mut self, id: ClientId, publisher: &str) {
        let key = name_key(publisher);
        if let Some(publishers) = self.publishers.get_mut(&id) {
            publishers.remove(&*key);
        }
        self.forget_subscriber(id, &key);
    }

    /// The client `id` has left.
    pub fn leave(&mut self, id: ClientId) {
        for key in self.publishers.remove(&id).unwrap_or_default().into_keys() {
            self.forget_subscriber(id, &key);
        }
    }

    /// The clients that have subscribed to the publisher with this key.
    pub fn of(&self, publisher: &str) -> impl Iterator<Item = ClientId> {
        self.subscribers.get(publisher).into_iter().flatten().copied()
    }

    /// The line with what `id` has subscribed to, sorted.
    pub fn listing(&self, id: ClientId) -> String {
        let mut names: Vec<&str> =
            self.publishers.get(&id).into_iter().flat_map(|p| p.values().map(|name| &**name)).collect();
        names.sort_unstable();
        format!("[SUBS] {}\n", names.join(","))
    }

    fn forget_subscriber(&mut self, id: ClientId, publisher: &str) {
        if let Some(subscribers) = self.subscribers.get_mut(publisher) {
            subscribers.remove(&id);
            if subscribers.is_empty() {
                self.subscribers.remove(publisher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(subscriptions: &Subscriptions, publisher: &str) -> Vec<ClientId> {
        let mut clients: Vec<_> = subscriptions.of(publisher).collect();
        clients.sort_unstable();
        clients
    }

    #[test]
    fn who_has_subscribed_is_found_by_whom_it_has_subscribed_to() {
        let mut subscriptions = Subscriptions::default();
        let (bob, carol): (Arc<str>, Arc<str>) = ("Bob".into(), "carol".into());
        subscriptions.subscribe(1, &bob);
        subscriptions.subscribe(1, &bob);
        subscriptions.subscribe(1, &carol);
        subscriptions.subscribe(2, &bob);
        assert_eq!(of(&subscriptions, "bob"), [1, 2]);
        assert_eq!(subscriptions.listing(1), "[SUBS] Bob,carol\n");
        subscriptions.unsubscribe(1, "BOB");
        subscriptions.unsubscribe(3, "bob");
        assert_eq!(of(&subscriptions, "bob"), [2]);
        assert_eq!(subscriptions.listing(1), "[SUBS] carol\n");
        assert_eq!(subscriptions.listing(3), "[SUBS] \n");
    }

    #[test]
    fn nothing_is_kept_of_those_who_have_left() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.subscribe(1, &"bob".into());
        subscriptions.subscribe(1, &"carol".into());
        subscriptions.leave(1);
        subscriptions.leave(1);
        assert!(subscriptions.subscribers.is_empty() && subscriptions.publishers.is_empty());
    }
}
