//! What the room thread does with the entries of the shared log that are no messages:
//! who comes, moves and goes, on this server or another.
//!
//! All servers apply the same entries in the same order and decide the same: nothing
//! here may depend on the time, on this server's options, or on anything else that
//! is not in the log.

use super::{Online, RoomState};
use crate::addressed_message::{AddressedMessage, Change, Recipient};
use crate::backplane::Status;
use crate::rooms::LOBBY;
use common::log::Log;
use stage4_multichat::limits::ClientSlot;
use stage6_auth::auth::LoginError;
use stage6_auth::sessions::name_registry::{NameInUse, OnDuplicate};
use stage6_auth::sessions::presence::ELSEWHERE;
use stage6_auth::sessions::session::Session;
use stage6_auth::store::{StoreError, name_key};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// What users of this server are told when the others have declared it dead.
const CUT_OFF: &str = "[SERVER] error: this server was cut off from the others, log in again";

/// Set in the ids of clients of other servers.
const REMOTE: u64 = 1 << 63;

/// The login thread's part of a [`Join`](super::RoomEvent::Join): it waits for the answer.
pub struct Login {
    /// The line with which the client comes in.
    pub welcome: String,
    /// Whether it came in.
    pub answer: SyncSender<Result<(), LoginError>>,
}

/// A login, on all servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoginId {
    /// The server's run.
    pub run: i64,
    /// [`Session::id`] there.
    pub session: u64,
    /// The user's name, as registered.
    pub name: Arc<str>,
    /// Tells the user's sessions from each other: the start of the token's hash.
    pub token: String,
}

impl LoginId {
    /// On a server that is alone.
    pub fn alone(session: &Session) -> Self {
        LoginId { run: 0, session: session.id, name: session.name.clone(), token: String::new() }
    }
}

/// What an entry [`Change::Join`] says, besides the name.
pub struct LoginRecord {
    session: u64,
    rule: Rule,
    token: String,
}

/// When a newcomer takes the name of another session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Always: a login, on a server that replaces.
    Replace,
    /// Never, but from its own session.
    Reject,
}

impl LoginRecord {
    /// For `session`, which comes in now.
    pub fn of(session: &Session, on_duplicate: OnDuplicate) -> Self {
        // A client that comes back by itself never takes the name from another session:
        // two of them would disconnect each other again and again.
        let rule = match on_duplicate {
            OnDuplicate::Replace if !session.resumed => Rule::Replace,
            _ => Rule::Reject,
        };
        LoginRecord { session: session.id, rule, token: token_of(session) }
    }

    /// Returns `true` if the login with this text takes the name from `session`, if that
    /// has it.
    pub fn takes_over(text: &str, session: &Session) -> bool {
        LoginRecord::parse(text)
            .is_some_and(|entry| entry.rule == Rule::Replace || entry.token == token_of(session))
    }

    /// The entry's text.
    pub fn text(&self) -> String {
        let rule = if self.rule == Rule::Replace { "replace" } else { "reject" };
        format!("{} {rule} {}", self.session, self.token)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let session = words.next()?.parse().ok()?;
        let rule = if words.next()? == "replace" { Rule::Replace } else { Rule::Reject };
        Some(LoginRecord { session, rule, token: words.next()?.to_owned() })
    }
}

/// The start of the token's hash.
fn token_of(session: &Session) -> String {
    session.token.hash().0[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

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
    pub(super) fn join_shared(
        &mut self,
        session: &Arc<Session>,
        slot: ClientSlot,
        publishers: &[Arc<str>],
        login: &Login,
        entry: Option<&AddressedMessage>,
    ) {
        let answer = match entry.and_then(login_id) {
            None => Err(not_stored()),
            Some((id, rule)) if self.make_way(&id, rule) => {
                session.send_to(&login.welcome);
                self.join(session, slot, publishers, id);
                Ok(())
            }
            Some(_) => Err(NameInUse.into()),
        };
        // The login thread may have given up; then it takes its client out again.
        let _ = login.answer.send(answer);
    }

    /// Applies an entry that is no message and was not made by a client of this server.
    pub(super) fn apply_entry(&mut self, entry: &AddressedMessage) {
        let Recipient::Servers(change) = entry.to else { return };
        let text = &*entry.message.text;
        match change {
            Change::Join => {
                let Some((id, rule)) = login_id(entry) else { return self.not_understood(entry) };
                if self.make_way(&id, rule) {
                    self.join_elsewhere(id);
                }
            }
            Change::Move => {
                let Some((session, room)) = text.split_once(' ') else { return self.not_understood(entry) };
                if let Some(id) = self.of_login(entry, session).map(|online| online.id) {
                    self.move_to(id, &entry.message.name, room);
                }
            }
            Change::Leave => {
                if self.of_login(entry, text).is_some() {
                    self.take_out(&name_key(&entry.message.name), None);
                }
            }
            Change::Kick => {
                let why = format!("[SERVER] you were kicked by {}", entry.message.name);
                if self.online.get(text).is_some_and(|online| online.session.is_some()) {
                    self.take_out(text, Some((&why, true)));
                }
            }
            Change::Confirm => {}
            Change::Start => self.log(format_args!("a server has started")),
            Change::Dead => {
                let Ok(run) = text.parse::<i64>() else { return self.not_understood(entry) };
                let users = self.online.iter().filter(|(_, online)| online.login.run == run);
                let users: Vec<Arc<str>> = users.map(|(key, _)| key.clone()).collect();
                self.log(format_args!("a server has ended, with {} users", users.len()));
                users.iter().for_each(|key| self.take_out(key, Some((CUT_OFF, false))));
            }
        }
    }

    /// The name is free for a newcomer, if need be by taking out the session that has
    /// it. Returns `false` if that stays.
    fn make_way(&mut self, newcomer: &LoginId, rule: Rule) -> bool {
        let key = name_key(&newcomer.name);
        let Some(older) = self.online.get(&*key) else { return true };
        let same_session = older.login.token == newcomer.token;
        if rule == Rule::Reject && !same_session {
            return false;
        }
        self.take_out(&key, Some((ELSEWHERE, !same_session)));
        true
    }

    fn join_elsewhere(&mut self, login: LoginId) {
        let key: Arc<str> = name_key(&login.name).into();
        let Some(servers) = &mut self.other_servers else { return };
        servers.status.set_elsewhere(&key, Some(&login.name));
        servers.remote += 1;
        // The fan-out does not know it, so it is sent nothing from here.
        let (id, name) = (REMOTE | servers.remote, login.name.clone());
        self.rooms.enter(LOBBY, &name, id);
        self.announce(id, LOBBY, &name, "joined");
        self.online.insert(key, Online { id, login, session: None });
    }

    /// Takes out a user. A client of this server is told why, and disconnected.
    fn take_out(&mut self, key: &str, why: Option<(&str, bool)>) {
        let here = self.online.get(key).filter(|online| online.session.is_some()).map(|online| online.id);
        if let (Some(id), Some((line, _))) = (here, why) {
            self.fanout.send(&format!("{line}\n"), [id]);
        }
        let Some(Online { session, .. }) = self.leave(key) else { return };
        let Some(servers) = &self.other_servers else { return };
        match (session, why) {
            (Some(session), Some((_, ends_session))) => session.evict(ends_session),
            _ => servers.status.set_elsewhere(&key.into(), None),
        }
    }

    /// The user of another server whom the entry is about, if it is online by that login.
    fn of_login(&self, entry: &AddressedMessage, session: &str) -> Option<&Online> {
        let online = self.online.get(&*name_key(&entry.message.name))?;
        let is_it = online.login.run == entry.message.id.run && session.parse() == Ok(online.login.session);
        is_it.then_some(online)
    }

    fn not_understood(&self, entry: &AddressedMessage) {
        self.log(format_args!("an entry of the log is not understood: {:?}", entry.to));
    }

    fn log(&self, line: std::fmt::Arguments<'_>) {
        if let Some(servers) = &self.other_servers {
            servers.log.info(line);
        }
    }
}

fn login_id(entry: &AddressedMessage) -> Option<(LoginId, Rule)> {
    let LoginRecord { session, rule, token } = LoginRecord::parse(&entry.message.text)?;
    let (run, name) = (entry.message.id.run, entry.message.name.clone());
    Some((LoginId { run, session, name, token }, rule))
}

/// For a login that has no place in the log.
pub fn not_stored() -> LoginError {
    StoreError::Unusable("the login could not be stored by the database of the chat".to_owned()).into()
}
