//! What the room thread of stage 7 owns: who is in which room and who has
//! subscribed to whom. It decides who gets what.
//!
//! As in stage 6, batches come from the committer thread, nothing is locked and
//! nothing here waits for the database; a move from room to room has its place among the messages.
//! When several servers are one chat, so have the users of the others; see
//! [`crate::backplane`] and `room_state/other_servers.rs`.

mod delivery;
mod other_servers;

use delivery::Gathered;
use other_servers::OtherServers;
pub(crate) use other_servers::not_stored;

use crate::addressed_message::{Address, AddressedMessage};
use crate::backplane::{Login, Status};
use crate::room_event::{Newcomer, Question, RoomEvent};
use crate::rooms::{LOBBY, Rooms};
use crate::subscriptions::Subscriptions;
use common::log::Log;
use stage3_threads::workers::WaitGuard;
use stage4_multichat::fanout::{ClientId, Fanout, Member};
use stage4_multichat::outbox::OutboxConfig;
use stage6_auth::pipeline::{Batch, RoomLogic, Submission};
use stage6_auth::room::{History, NOT_STORED, OutageLog};
use stage6_auth::sessions::Session;
use stage6_auth::store::name_key;
use std::collections::HashMap;
use std::sync::Arc;

/// See the [module](self).
pub(crate) struct RoomState {
    fanout: Fanout,
    /// Who is online, by the name's key.
    online: HashMap<Arc<str>, Online>,
    rooms: Rooms,
    subscriptions: Subscriptions,
    /// The lobby's.
    history: History,
    /// Messages that are about to be sent.
    gathered: Option<Gathered>,
    /// Of clients that have left in this batch.
    departures: Vec<WaitGuard>,
    outage_log: OutageLog,
    /// `None` for a server that is alone.
    other_servers: Option<OtherServers>,
}

/// A user that is online.
struct Online {
    id: ClientId,
    /// As registered.
    name: Arc<str>,
    /// Its entry in the log that several servers share, and the run of its server. `None`
    /// on a server that is alone.
    login: Option<(i64, Login)>,
    /// `None` if the user is online on another server.
    session: Option<Arc<Session>>,
}

impl RoomState {
    pub fn new(outboxes: &Arc<OutboxConfig>, history: History, log: &Log) -> Self {
        RoomState {
            fanout: Fanout::new(outboxes, None),
            online: HashMap::new(),
            rooms: Rooms::default(),
            subscriptions: Subscriptions::default(),
            history,
            gathered: None,
            departures: Vec::new(),
            outage_log: OutageLog::new(log),
            other_servers: None,
        }
    }

    /// Of a chat that has several servers. `presence` is what has happened so far.
    pub fn shared(self, status: &Arc<Status>, presence: &[AddressedMessage], log: &Log) -> Self {
        let mut state = RoomState { other_servers: Some(OtherServers::new(status, log)), ..self };
        presence.iter().for_each(|entry| state.apply_entry(entry));
        state
    }
}

impl RoomLogic<AddressedMessage, RoomEvent> for RoomState {
    fn apply_batch(&mut self, batch: Batch<AddressedMessage, RoomEvent>) -> bool {
        self.outage_log.note(&batch);
        for Submission { event, message } in batch.submissions {
            match (event, message) {
                (
                    RoomEvent::MessageFrom(session),
                    Some(AddressedMessage { message, to: Address::Users(to) }),
                ) => self.gather(Some(session.id), message, to),
                (RoomEvent::Replicated, Some(AddressedMessage { message, to: Address::Users(to) })) => {
                    self.gather(None, message, to);
                }
                (event, entry) => {
                    self.send_gathered();
                    self.apply(event, entry.as_ref());
                }
            }
        }
        self.send_gathered();
        self.fanout.deliver();
        // Only now that all is delivered: a thread that waits for its client's
        // departure lets the next connection of that name in.
        self.departures.clear();
        self.rooms.has_changed()
    }

    /// The lists of users of rooms where a user came or went.
    fn send_lists(&mut self) {
        for (list, to) in self.rooms.lists_due() {
            self.fanout.send(&list, to);
        }
        self.fanout.deliver();
    }
}

impl RoomState {
    /// Applies an event without a message, or whose message was refused.
    /// `entry` is what other servers read of it in the shared log.
    fn apply(&mut self, event: RoomEvent, entry: Option<&AddressedMessage>) {
        match event {
            RoomEvent::Join(newcomer) if self.other_servers.is_some() => self.decide_join(newcomer, entry),
            RoomEvent::Join(newcomer) => self.join(newcomer, None),
            RoomEvent::MessageFrom(session) => self.fanout.send(&format!("{NOT_STORED}\n"), [session.id]),
            RoomEvent::Ask(session, question) => self.ask(&session, question),
            RoomEvent::RoomName(session, answer) => {
                let name = self.rooms.of(session.id).and_then(|room| self.rooms.name(room));
                // The reader thread may have given up; so it is if the client is in no room.
                let _ = name.map(|name| answer.send(name));
            }
            RoomEvent::Move(session, room) if self.is_online(&session) => {
                self.move_to(session.id, &session.name, &room);
            }
            RoomEvent::Subscribe(session, publisher) if self.is_online(&session) => {
                self.subscriptions.subscribe(session.id, &publisher);
                self.fanout.send(&format!("[SERVER] you are subscribed to {publisher}\n"), [session.id]);
            }
            RoomEvent::Unsubscribe(session, publisher) => {
                self.subscriptions.unsubscribe(session.id, &publisher);
                let answer = format!("[SERVER] you are no longer subscribed to {publisher}\n");
                self.fanout.send(&answer, [session.id]);
            }
            // A newer session, on another server, has taken the name.
            RoomEvent::Move(..) | RoomEvent::Subscribe(..) => {}
            RoomEvent::Leave(session, until_left) => {
                if self.is_online(&session) {
                    self.leave(&name_key(&session.name));
                }
                self.departures.push(until_left);
            }
            RoomEvent::Kick(..) | RoomEvent::Replicated => {
                entry.into_iter().for_each(|entry| self.apply_entry(entry));
            }
            RoomEvent::Notice(line) => self.fanout.broadcast(&format!("{line}\n"), None),
            RoomEvent::Shutdown(line) => self.fanout.shutdown(&line),
        }
    }

    /// The greeting first, then the lobby: from here on the client gets all messages,
    /// and those from before are in the history.
    fn join(&mut self, newcomer: Newcomer, login: Option<(i64, Login)>) {
        let Newcomer { session, slot, publishers, welcome, answer } = newcomer;
        session.send_to(&welcome);
        let id = session.id;
        let member = Member::new(session.name.clone(), session.outbox.clone(), slot);
        self.fanout.add(id, member);
        let name = session.name.clone();
        let online = Online { id, name, login, session: Some(session.clone()) };
        self.online.insert(name_key(&session.name).into(), online);
        for publisher in &publishers {
            self.subscriptions.subscribe(id, publisher);
        }
        self.rooms.enter(LOBBY, &session.name, id);
        // At once and not through the batch, where the histories of a crowd would
        // gather. Nothing for this client can be in there yet.
        let greeting = self.history.lines(session.outbox.config.limit) + &self.rooms.users(LOBBY);
        session.outbox.send_lines(&greeting);
        self.announce(id, LOBBY, &session.name, "joined");
        // The login thread may have given up; then it takes its client out again.
        let _ = answer.send(Ok(()));
    }

    fn move_to(&mut self, id: ClientId, name: &Arc<str>, room: &str) {
        if let Some(left) = self.rooms.leave(name, id) {
            self.announce(id, &left, name, "left");
        }
        let key = self.rooms.enter(room, name, id);
        let (room_name, count) = (self.rooms.name(&key), self.rooms.count(&key));
        let room_name = room_name.as_deref().unwrap_or(room);
        let answer = format!("[SERVER] you are in {room_name} ({count} online)\n{}", self.rooms.users(&key));
        self.fanout.send(&answer, [id]);
        self.announce(id, &key, name, "joined");
    }

    /// Takes out the user with this key.
    fn leave(&mut self, key: &str) -> Option<Online> {
        let online = self.online.remove(key)?;
        self.subscriptions.leave(online.id);
        if let Some(room) = self.rooms.leave(&online.name, online.id) {
            self.announce(online.id, &room, &online.name, "left");
        }
        self.fanout.remove(online.id);
        Some(online)
    }

    /// Returns `true` if this session has its name: another server's newer one may
    /// have taken it.
    fn is_online(&self, session: &Session) -> bool {
        self.online.get(&*name_key(&session.name)).is_some_and(|online| online.id == session.id)
    }

    /// Tells a room that a client has come or gone. The client itself is not told.
    fn announce(&mut self, id: ClientId, room: &str, who: &str, what: &str) {
        let online = self.rooms.count(room);
        let others = self.rooms.members(room).filter(|&other| other != id);
        self.fanout.send(&format!("[SERVER] {who} {what} ({online} online)\n"), others);
    }

    fn ask(&mut self, session: &Session, question: Question) {
        let id = session.id;
        let answer = match question {
            Question::Rooms => self.rooms.listing(),
            Question::Users => self.rooms.of(id).map(|room| self.rooms.users(room)).unwrap_or_default(),
            Question::Subscriptions => self.subscriptions.listing(id),
        };
        self.fanout.send(&answer, [id]);
    }
}
