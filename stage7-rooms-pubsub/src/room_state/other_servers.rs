//! What the room thread does with the entries of the shared log that are no messages:
//! who comes, moves and goes, on this server or another.
//!
//! All servers apply the same entries in the same order and decide the same: nothing
//! here may depend on the time, on this server's options, or on anything else that
//! is not in the log.

use super::{Online, RoomState};
use crate::addressed_message::{Address, AddressedMessage};
use crate::backplane::{Change, Login, Status};
use crate::room_event::Newcomer;
use crate::rooms::LOBBY;
use common::log::Log;
use stage4_multichat::fanout::ClientId;
use stage6_auth::auth::LoginError;
use stage6_auth::sessions::ELSEWHERE;
use stage6_auth::sessions::Eviction;
use stage6_auth::store::{StoreError, name_key};
use std::sync::Arc;

/// What users of this server are told when the others have declared it dead.
const CUT_OFF: &str = "[SERVER] error: this server was cut off from the others, log in again";

/// Set in the ids of clients of other servers.
const REMOTE: u64 = 1 << 63;

/// The room thread's way to the rest of the server.
pub(super) struct OtherServers {
    status: Arc<Status>,
    /// How many clients of other servers there were so far.
    remote: u64,
    log: Log,
}

impl OtherServers {
    pub fn new(status: &Arc<Status>, log: &Log) -> Self {
        OtherServers { status: status.clone(), remote: 0, log: log.clone() }
    }
}

impl RoomState {
    /// A client of this server comes in, if the log lets it.
    pub(super) fn decide_join(&mut self, newcomer: Newcomer, entry: Option<&AddressedMessage>) {
        let refusal = match entry.map(|entry| (entry.message.id.run, &entry.to)) {
            Some((run, Address::Servers(Change::Join(login)))) => {
                if self.make_way(&newcomer.session.name, login) {
                    return self.join(newcomer, Some((run, login.clone())));
                }
                LoginError::NameInUse
            }
            _ => not_stored(),
        };
        // The login thread may have given up.
        let _ = newcomer.answer.send(Err(refusal));
    }

    /// Applies an entry that is no message and was not made by a client of this server.
    pub(super) fn apply_entry(&mut self, entry: &AddressedMessage) {
        let Address::Servers(change) = &entry.to else { return };
        let (run, name) = (entry.message.id.run, &entry.message.name);
        match change {
            Change::Join(login) => {
                if self.make_way(name, login) {
                    self.join_elsewhere(name, run, login);
                }
            }
            Change::Move(session, room) => {
                if let Some(id) = self.of_login(name, run, *session).map(|online| online.id) {
                    self.move_to(id, name, room);
                }
            }
            Change::Leave(session) => {
                if self.of_login(name, run, *session).is_some() {
                    self.take_out(&name_key(name), None);
                }
            }
            Change::Kick(user) => {
                let why = format!("[SERVER] you were kicked by {name}");
                if self.online.get(user).is_some_and(|online| online.session.is_some()) {
                    self.take_out(user, Some((&why, Eviction::EndSession)));
                }
            }
            Change::Confirm => {}
            Change::Start => self.log(format_args!("a server has started")),
            Change::Dead(ended) => {
                let is_of = |online: &Online| online.login.as_ref().is_some_and(|(run, _)| run == ended);
                let users = self.online.iter().filter(|(_, online)| is_of(online));
                let users: Vec<Arc<str>> = users.map(|(key, _)| key.clone()).collect();
                self.log(format_args!("a server has ended, with {} users", users.len()));
                users.iter().for_each(|key| self.take_out(key, Some((CUT_OFF, Eviction::KeepSession))));
            }
        }
    }

    /// The name is free for a newcomer, if need be by taking out the session that has
    /// it. Returns `false` if that stays.
    fn make_way(&mut self, name: &str, newcomer: &Login) -> bool {
        let key = name_key(name);
        let Some(older) = self.online.get(&*key) else { return true };
        let Some((_, login)) = &older.login else { return false };
        if !newcomer.takes_over(&login.token) {
            return false;
        }
        let is_same_session = login.token == newcomer.token;
        let eviction = if is_same_session { Eviction::KeepSession } else { Eviction::EndSession };
        self.take_out(&key, Some((ELSEWHERE, eviction)));
        true
    }

    fn join_elsewhere(&mut self, name: &Arc<str>, run: i64, login: &Login) {
        let key: Arc<str> = name_key(name).into();
        let Some(servers) = &mut self.other_servers else { return };
        servers.status.set_elsewhere(&key, Some(name));
        servers.remote += 1;
        // The fan-out does not know it, so it is sent nothing from here.
        let id = REMOTE | servers.remote;
        self.rooms.enter(LOBBY, name, id);
        self.announce(id, LOBBY, name, "joined");
        let login = Some((run, login.clone()));
        let online = Online { id, name: name.clone(), login, session: None };
        self.online.insert(key, online);
    }

    /// Takes out a user. A client of this server is told why, and disconnected.
    fn take_out(&mut self, key: &str, why: Option<(&str, Eviction)>) {
        let here = self.online.get(key).filter(|online| online.session.is_some()).map(|online| online.id);
        if let (Some(id), Some((line, _))) = (here, why) {
            self.fanout.send(&format!("{line}\n"), [id]);
        }
        let Some(Online { session, .. }) = self.leave(key) else { return };
        let Some(servers) = &self.other_servers else { return };
        match (session, why) {
            (Some(session), Some((_, eviction))) => session.evict(eviction),
            _ => servers.status.set_elsewhere(&key.into(), None),
        }
    }

    /// The user of this name, if it is online by that login on another server.
    fn of_login(&self, name: &str, run: i64, session: ClientId) -> Option<&Online> {
        let online = self.online.get(&*name_key(name))?;
        let (of_run, login) = online.login.as_ref()?;
        (*of_run == run && login.session == session).then_some(online)
    }

    fn log(&self, line: std::fmt::Arguments<'_>) {
        if let Some(servers) = &self.other_servers {
            servers.log.info(line);
        }
    }
}

/// For a login that has no place in the log.
pub fn not_stored() -> LoginError {
    StoreError::Unusable("the login could not be stored by the database of the chat".to_owned()).into()
}
