//! What the room thread of stage 6 owns: stage 4's room, and what is new here,
//! namely the history and the list of users.
//!
//! The room thread gets batches from the committer thread. What is in them is in
//! the database already, or was refused. Nothing here waits for the database,
//! or in a write to a client, as all messages of all clients pass through this one
//! thread.

use super::debounce::Debouncer;
use super::history::History;
use super::outage_log::{NOT_STORED, OutageLog};
use crate::committer::Event;
use crate::pipeline::RoomLogic;
use crate::sessions::session::{Session, ack_all};
use crate::store::{Message, StoreError};
use bytes::Bytes;
use common::log::Log;
use stage4_multichat::fanout::Member;
use stage4_multichat::limits::ClientSlot;
use stage4_multichat::line_codec::LineCodec;
use stage4_multichat::room;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// In a room with more users than this, a change is a notice and no new list: a
/// list of ten thousand names for ten thousand clients is a gigabyte.
pub const MAX_LISTED: usize = 100;

/// What goes through the committer's queue to the room thread.
pub enum RoomEvent {
    /// A client that has logged in comes into the room.
    Join(Arc<Session>, ClientSlot),
    /// The sender of the message that it goes with.
    Message(Arc<Session>),
    /// A client goes.
    Leave(Arc<Session>),
    /// The server ends, and this is the last line for all.
    Shutdown(String),
}

impl RoomEvent {
    /// The client that waits until the event is applied.
    fn session(&self) -> Option<&Arc<Session>> {
        match self {
            RoomEvent::Join(session, _) | RoomEvent::Message(session) | RoomEvent::Leave(session) => {
                Some(session)
            }
            RoomEvent::Shutdown(_) => None,
        }
    }
}

/// See the [module](self).
pub(crate) struct RoomState {
    room: room::RoomState,
    codec: Arc<dyn LineCodec>,
    history: History,
    /// In the order in which a list names them.
    online: BTreeMap<Arc<str>, Online>,
    /// Counts the changes of `online`.
    version: u64,
    lists: Debouncer,
    outage_log: OutageLog,
}

struct Online {
    session: Arc<Session>,
    /// Which version of the list it was sent last.
    list: u64,
}

impl RoomState {
    pub fn new(codec: &Arc<dyn LineCodec>, history: History, log: &Log) -> Self {
        RoomState {
            room: room::RoomState::new(codec, log),
            codec: codec.clone(),
            history,
            online: BTreeMap::new(),
            version: 0,
            lists: Debouncer::default(),
            outage_log: OutageLog::new(log),
        }
    }
}

impl RoomLogic<Message, RoomEvent> for RoomState {
    fn apply_batch(&mut self, batch: Vec<Event<Message, RoomEvent>>, failure: Option<&StoreError>) {
        self.outage_log.note(&batch, failure);
        let mut done = Vec::new();
        for event in batch {
            let (message, event) = event.into_stored();
            done.extend(event.session().cloned());
            self.apply(event, message);
        }
        self.room.deliver();
        // Only now that all is delivered: a thread that waits for its client's
        // departure lets the next connection of that name in.
        ack_all(&done);
    }

    fn due_in(&self) -> Option<Duration> {
        self.lists.time_left()
    }

    /// The list of users, to all clients that have none as new as this, encoded
    /// once for all.
    fn send_due(&mut self) {
        if !self.lists.take_due() || self.online.len() > MAX_LISTED {
            return;
        }
        let mut encoded = Vec::new();
        self.codec.encode(&users_list(self.online.keys()), &mut encoded);
        let list = Bytes::from(encoded);
        for online in self.online.values_mut() {
            if std::mem::replace(&mut online.list, self.version) < self.version {
                online.session.outbox.send(std::slice::from_ref(&list));
            }
        }
    }
}

impl RoomState {
    fn apply(&mut self, event: RoomEvent, message: Option<Message>) {
        match (event, message) {
            (RoomEvent::Message(session), Some(message)) => {
                let lines = format!("{}: {}\n", message.name, message.text);
                self.room.apply(room::RoomEvent::Message { sender: session.id, lines });
                self.history.push(message);
            }
            (RoomEvent::Message(session), None) => session.send_to(NOT_STORED),
            (RoomEvent::Join(session, slot), _) => self.join(&session, slot),
            (RoomEvent::Leave(session), _) => self.leave(&session),
            (RoomEvent::Shutdown(line), _) => self.room.apply(room::RoomEvent::Shutdown(line)),
        }
    }

    /// The greeting first, then the room: from here on the client hears
    /// everything, and everything before is in the history.
    fn join(&mut self, session: &Arc<Session>, slot: ClientSlot) {
        self.version += 1;
        self.lists.changed();
        let names = self.online.keys().chain([&session.name]);
        let greeting = self.history.lines(session.outbox.limit()) + &users_list(names);
        session.outbox.send_lines(&greeting);
        let member = Member::new(session.name.clone(), session.outbox.clone(), slot);
        self.room.apply(room::RoomEvent::Join(session.id, member));
        let online = Online { session: session.clone(), list: self.version };
        self.online.insert(session.name.clone(), online);
    }

    fn leave(&mut self, session: &Session) {
        self.version += 1;
        self.lists.changed();
        self.online.remove(&session.name);
        self.room.apply(room::RoomEvent::Leave(session.id));
    }
}

/// The line with all these names, sorted.
fn users_list<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> String {
    let mut names: Vec<&str> = names.map(|name| &**name).collect();
    names.sort_unstable();
    format!("[USERS_LIST] {}\n", names.join(","))
}
