//! A logged-in user.

use crate::connection::Connection;
use std::ops::Deref;
use testkit::{fail, require, shown};

/// A user in the room.
pub struct User<'c> {
    /// The connection.
    pub connection: Connection<'c>,
    /// As `AUTH_SUCCESS` has it.
    pub name: String,
    /// What brings it back.
    pub token: String,
    /// The lines `[HISTORY] …` at the beginning.
    pub history: Vec<String>,
    /// The names of the first `[USERS_LIST]`.
    pub users: Vec<String>,
}

impl<'c> User<'c> {
    /// From the answer to a right password on.
    #[track_caller]
    pub fn enters(connection: Connection<'c>) -> Self {
        let success =
            connection.receives_some("\"AUTH_SUCCESS name token\"", |l| l.starts_with("AUTH_SUCCESS "));
        let (_, name, token) = match success.split(' ').collect::<Vec<_>>()[..] {
            [first, name, token] if !token.is_empty() => (first, name.to_owned(), token.to_owned()),
            _ => fail("\"AUTH_SUCCESS name token\"", shown(&success)),
        };
        let mut history =
            connection.lines_to("[USERS_LIST] after the history", |l| l.starts_with("[USERS_LIST] "));
        let users = names(&history.pop().unwrap_or_default());
        let other = history.iter().find(|l| !l.starts_with("[HISTORY] "));
        require(
            other.is_none(),
            "history and then the list of users",
            shown(other.cloned().unwrap_or_default()),
        );
        Self { connection, name, token, history, users }
    }

    /// Says `text` so that `listener` has heard it.
    #[track_caller]
    pub fn tells(&self, listener: &Connection, text: &str) {
        self.send(text);
        listener.hears(&format!("{}: {text}", self.name));
    }

    /// Goes into another room. What the server says to that is not asked; the answer
    /// to the next command shows that it has been done.
    #[track_caller]
    pub fn joins(&self, room: &str) {
        self.send_all([&format!("/join {room}"), "/rooms"]);
        let rooms = self.hears_some("[ROOMS] …", |l| l.starts_with("[ROOMS] "));
        let there = rooms.to_lowercase().contains(&room.to_lowercase());
        require(there, format!("{room} among the rooms, after {} joined it", self.name), rooms);
    }

    /// Goes back to the lobby.
    #[track_caller]
    pub fn leaves(&self) {
        self.send_all(["/leave", "/rooms"]);
        self.hears_some("[ROOMS] …", |l| l.starts_with("[ROOMS] "));
    }

    /// Subscribes to `publisher`.
    #[track_caller]
    pub fn subscribes(&self, publisher: &User) {
        self.send_all([&format!("/subscribe {}", publisher.name), "/subs"]);
        let subs = self.hears_some("[SUBS] …", |l| l.starts_with("[SUBS]"));
        require(subs.contains(&publisher.name), format!("{} among the subscriptions", publisher.name), subs);
    }

    /// Sends a command that must be refused; gives the line that says why.
    #[track_caller]
    pub fn may_not(&self, command: &str) -> String {
        self.send(command);
        self.hears_some(&format!("[SERVER] error: …, for {}", shown(command)), |l| {
            l.starts_with("[SERVER] error: ")
        })
    }

    /// Waits for a list of users that holds exactly `expected`.
    #[track_caller]
    pub fn hears_list(&self, expected: &[&User]) {
        let mut expected: Vec<_> = expected.iter().map(|m| m.name.as_str()).collect();
        expected.sort_unstable();
        self.hears(&format!("[USERS_LIST] {}", expected.join(",")));
    }
}

impl<'c> Deref for User<'c> {
    type Target = Connection<'c>;

    fn deref(&self) -> &Connection<'c> {
        &self.connection
    }
}

/// The names in `[USERS_LIST] alice,bob`.
pub fn names(list: &str) -> Vec<String> {
    let names = list.strip_prefix("[USERS_LIST] ").unwrap_or_default();
    names.split(',').map(str::to_owned).collect()
}
