//! Who receives what a user says, and who is told of arrivals and departures ("In the
//! room" and "Which client receives what" in the contract).

use super::expected::{Stream, What};
use super::inputs::sort_key;
use super::rules;
use super::world::{LOBBY, Phase, ROOMS, User, World};

impl World {
    /// A text for all others in the room, and for subscribers elsewhere.
    pub(super) fn say(&mut self, client: usize, user: &User, text: &str) {
        self.about = rules::SAID;
        self.clients[client].expected.said.push(text.to_owned());
        let room = user.room.to_ascii_lowercase();
        self.said.entry(room).or_default().push((user.name.clone(), text.to_owned()));
        let here = self.in_room(&user.room);
        let mut heard = false;
        for other in self.others(client) {
            let line = format!("{}: {text}", user.name);
            if here.contains(&other) {
                heard = true;
                self.must(other, rules::SAID, Stream::Of(user.name.clone()), What::Line(line));
            } else if self.subscribes(other, &user.name) {
                heard = true;
                let line = format!("[#{}] {line}", user.room);
                self.must(other, rules::ELSEWHERE, Stream::Of(user.name.clone()), What::Line(line));
            }
        }
        // When it comes to what no user hears is the server's affair.
        self.open += usize::from(!heard);
    }

    /// All other users, in whichever room.
    pub(super) fn others(&self, client: usize) -> Vec<usize> {
        self.users().map(|(other, _)| other).filter(|other| *other != client).collect()
    }

    pub(super) fn subscribes(&self, client: usize, publisher: &str) -> bool {
        let pair = |user: &User| (user.name.to_ascii_lowercase(), publisher.to_ascii_lowercase());
        self.user(client).is_some_and(|user| self.subscriptions.contains(&pair(user)))
    }

    /// A user is in a room now: the others are told.
    pub(super) fn comes(&mut self, client: usize) {
        let Some(user) = self.user(client).cloned() else { return };
        let here = self.in_room(&user.room);
        let notice = format!("[SERVER] {} joined ({} online)", user.name, here.len());
        for other in here.into_iter().filter(|other| *other != client) {
            self.answer(other, rules::COMES, What::Line(notice.clone()));
        }
        self.lists_change(&user.room);
    }

    /// A connection is gone; if it had a name, the others in the room are told.
    pub(super) fn goes(&mut self, client: usize) {
        let Phase::In(user) = std::mem::replace(&mut self.clients[client].phase, Phase::Away) else { return };
        self.left(&user);
    }

    /// A user has left a room.
    pub(super) fn left(&mut self, user: &User) {
        let here = self.in_room(&user.room);
        let notice = format!("[SERVER] {} left ({} online)", user.name, here.len());
        for other in here {
            self.must(other, rules::GOES, Stream::Of(user.name.clone()), What::Line(notice.clone()));
        }
        self.lists_change(&user.room);
    }

    fn lists_change(&mut self, room: &str) {
        let list = self.list(room);
        for other in self.in_room(room) {
            self.clients[other].expected.list(list.clone());
        }
    }

    pub(super) fn list(&self, room: &str) -> String {
        let here = self.in_room(room);
        let mut names: Vec<_> =
            here.iter().filter_map(|client| self.user(*client)).map(|user| user.name.as_str()).collect();
        names.sort_by_key(|name| sort_key(name));
        format!("[USERS_LIST] {}", names.join(","))
    }

    /// A room's name as the user who opened it wrote it; `room` when it is empty. The lobby
    /// is nobody's.
    pub(super) fn spelling(&self, room: &str) -> String {
        if room.eq_ignore_ascii_case(LOBBY) {
            return LOBBY.to_owned();
        }
        let first = self.in_room(room).first().and_then(|client| self.user(*client));
        first.map_or(room, |user| &user.room).to_owned()
    }

    /// Returns `true` if some other user notices when this one goes. Where no user does,
    /// nobody knows when the server has noticed.
    pub(super) fn is_observed(&self, client: usize) -> bool {
        let Some(user) = self.user(client) else { return true };
        debug_assert!(self.stage >= ROOMS || user.room == LOBBY);
        self.in_room(&user.room).len() > 1
    }
}
