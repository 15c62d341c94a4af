//! Rooms: each user is in exactly one of them.
//!
//! A room is made when the first user goes into it, and ends when the last one goes.

use stage4_multichat::fanout::ClientId;
use stage6_auth::room::MAX_LISTED;
use stage6_auth::store::name_key;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Where each user is first, and again after `/leave`.
pub const LOBBY: &str = "lobby";

/// Which user is in which room. Nothing in it is locked: it belongs to the room
/// thread, so that a message and a move cannot overtake each other.
#[derive(Debug, Default)]
pub struct Rooms {
    /// By the name's key: upper and lower case are the same room.
    rooms: HashMap<Arc<str>, Room>,
    /// The key of the room in which each client is.
    whereabouts: HashMap<ClientId, Arc<str>>,
    /// The keys of the rooms where a user has come or gone since the last list.
    changed: HashSet<Arc<str>>,
}

#[derive(Debug)]
struct Room {
    /// As the first user wrote it.
    name: Arc<str>,
    /// By name, in the order in which a list has them.
    members: BTreeMap<Arc<str>, ClientId>,
}

impl Rooms {
    /// Puts a user, who is in no room, into the one of this name. Makes that room if
    /// there is no such room. Returns its key.
    pub fn enter(&mut self, room: &str, who: &Arc<str>, id: ClientId) -> Arc<str> {
        let key: Arc<str> = name_key(room).into();
        // The lobby is always there, though it has no members now and then.
        let name = if *key == *LOBBY { LOBBY } else { room };
        let fresh = || Room { name: name.into(), members: BTreeMap::new() };
        self.rooms.entry(key.clone()).or_insert_with(fresh).members.insert(who.clone(), id);
        self.changed.insert(key.clone());
        self.whereabouts.insert(id, key.clone());
        key
    }

    /// Takes a user out of its room. Returns the room's key; the room itself ends
    /// with its last user.
    pub fn leave(&mut self, who: &str, id: ClientId) -> Option<Arc<str>> {
        let key = self.whereabouts.remove(&id)?;
        if let Some(room) = self.rooms.get_mut(&key) {
            room.members.remove(who);
            if room.members.is_empty() {
                self.rooms.remove(&key);
            }
        }
        self.changed.insert(key.clone());
        Some(key)
    }

    /// The key of the room in which this client is.
    pub fn of(&self, id: ClientId) -> Option<&Arc<str>> {
        self.whereabouts.get(&id)
    }

    /// The room's name as the first user wrote it, while there is such a room.
    pub fn name(&self, key: &str) -> Option<Arc<str>> {
        self.rooms.get(key).map(|room| room.name.clone())
    }

    /// All clients in the room.
    pub fn members(&self, key: &str) -> impl Iterator<Item = ClientId> {
        self.rooms.get(key).into_iter().flat_map(|room| room.members.values().copied())
    }

    /// How many are in the room.
    pub fn count(&self, key: &str) -> usize {
        self.rooms.get(key).map_or(0, |room| room.members.len())
    }

    /// The line with all in the room, sorted.
    pub fn users(&self, key: &str) -> String {
        self.rooms.get(key).map_or_else(|| list(&BTreeMap::new()), |room| list(&room.members))
    }

    /// The line with all rooms, sorted, and how many are in each.
    pub fn listing(&self) -> String {
        let mut rooms: Vec<_> = self.rooms.iter().collect();
        rooms.sort_unstable_by_key(|(key, _)| *key);
        let rooms: Vec<_> =
            rooms.iter().map(|(_, room)| format!("{} {}", room.name, room.members.len())).collect();
        format!("[ROOMS] {}\n", rooms.join(","))
    }

    /// Returns `true` if a user has come or gone since the last list.
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// For each room where a user came or went, the new list and the clients in the room.
    /// A room with more than [`MAX_LISTED`] users gets none: there a change is a notice only.
    pub fn lists_due(&mut self) -> Vec<(String, Vec<ClientId>)> {
        let changed = self.changed.drain().filter_map(|key| self.rooms.get(&key));
        let listed = changed.filter(|room| room.members.len() <= MAX_LISTED);
        listed.map(|room| (list(&room.members), room.members.values().copied().collect())).collect()
    }
}

fn list(members: &BTreeMap<Arc<str>, ClientId>) -> String {
    let names: Vec<&str> = members.keys().map(|name| &**name).collect();
    format!("[USERS_LIST] {}\n", names.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(who: &str) -> Arc<str> {
        who.into()
    }

    #[test]
    fn a_room_is_there_while_a_user_is_in_it() {
        let mut rooms = Rooms::default();
        rooms.enter(LOBBY, &name("alice"), 1);
        rooms.enter("Rust", &name("bob"), 2);
        assert_eq!(&*rooms.enter("rUST", &name("carol"), 3), "rust");
        assert_eq!(rooms.listing(), "[ROOMS] lobby 1,Rust 2\n");
        assert_eq!(rooms.users("rust"), "[USERS_LIST] bob,carol\n");
        assert_eq!(rooms.leave("bob", 2).as_deref(), Some("rust"));
        assert_eq!(rooms.leave("carol", 3).as_deref(), Some("rust"));
        assert_eq!(rooms.leave("carol", 3), None);
        assert_eq!(rooms.listing(), "[ROOMS] lobby 1\n");
        assert_eq!(rooms.name("rust"), None);
        rooms.enter("rust", &name("bob"), 2);
        assert_eq!(rooms.name("rust").as_deref(), Some("rust"), "written anew");
    }

    #[test]
    fn a_list_is_due_to_all_in_a_room_that_has_changed() {
        let mut rooms = Rooms::default();
        rooms.enter(LOBBY, &name("alice"), 1);
        rooms.enter("rust", &name("carol"), 3);
        assert_eq!(rooms.lists_due().len(), 2);
        assert!(rooms.lists_due().is_empty());
        rooms.enter(LOBBY, &name("bob"), 2);
        assert_eq!(rooms.lists_due(), [("[USERS_LIST] alice,bob\n".to_owned(), vec![1, 2])]);
        rooms.leave("alice", 1);
        assert_eq!(rooms.lists_due(), [("[USERS_LIST] bob\n".to_owned(), vec![2])]);
    }

    #[test]
    fn in_a_crowd_no_list_is_due_until_it_is_small_again() {
        let mut rooms = Rooms::default();
        (0..=MAX_LISTED as u64).for_each(|id| _ = rooms.enter(LOBBY, &name(&id.to_string()), id));
        assert!(rooms.lists_due().is_empty());
        rooms.leave("0", 0);
        assert_eq!(rooms.lists_due()[0].1.len(), MAX_LISTED);
    }

    proptest! {
        /// Whatever moves there are, each user is in one room and no other.
        #[test]
        fn each_user_is_in_exactly_one_room(moves in prop::collection::vec((0..5usize, 0..4usize), 1..60)) {
            let names = ["lobby", "a", "B", "c"];
            let mut rooms = Rooms::default();
            let mut at = [None; 5];
            for (who, to) in moves {
                let user = name(&who.to_string());
                prop_assert_eq!(rooms.leave(&user, who as u64).is_some(), at[who].is_some());
                rooms.enter(names[to], &user, who as u64);
                at[who] = Some(to);
            }
            for (room, written) in names.iter().enumerate() {
                let mut members: Vec<_> = rooms.members(&written.to_lowercase()).collect();
                members.sort_unstable();
                let expected: Vec<_> = (0..5).filter(|&who| at[who as usize] == Some(room)).collect();
                prop_assert_eq!(rooms.count(&written.to_lowercase()), expected.len());
                prop_assert_eq!(members, expected);
            }
        }
    }
}
