//! What the room thread of stage 6 owns: stage 4's fan-out, and what is new here,
//! namely the history and the list of users.
//!
//! The room thread gets batches from the committer thread. What is in them is in
//! the database already, or was refused. Nothing here waits for the database,
//! or in a write to a client, as all messages of all clients pass through this one
//! thread.

use super::history::History;
use super::outage_log::{NOT_STORED, OutageLog};
use crate::pipeline::{Batch, RoomLogic};
use crate::sessions::Session;
use crate::store::Message;
use common::log::Log;
use stage3_threads::workers::WaitGuard;
use stage4_multichat::fanout::{Fanout, Member};
use stage4_multichat::limits::ClientSlot;
use stage4_multichat::outbox::OutboxConfig;
use std::collections::BTreeSet;
use std::sync::Arc;

/// In a room with more users than this, a change is a notice and no new list: a
/// list of ten thousand names for ten thousand clients is a gigabyte.
pub const MAX_LISTED: usize = 100;

/// What goes through the committer's queue to the room thread.
pub enum RoomEvent {
    /// A client that has logged in comes into the room.
    Join(Arc<Session>, ClientSlot),
    /// This client has sent the message of the submission.
    MessageFrom(Arc<Session>),
    /// A client goes. The guard is dropped when that is delivered.
    Leave(Arc<Session>, WaitGuard),
    /// The server ends, and this is the last line for all.
    Shutdown(String),
}

/// See the [module](self).
pub(crate) struct RoomState {
    fanout: Fanout,
    history: History,
    /// The users' names, in the order in which a list has them.
    online: BTreeSet<Arc<str>>,
    /// `true` if the list has changed in this batch.
    list_changed: bool,
    /// Of clients that have left in this batch.
    departures: Vec<WaitGuard>,
    outage_log: OutageLog,
}

impl RoomState {
    pub fn new(outboxes: &Arc<OutboxConfig>, history: History, log: &Log) -> Self {
        RoomState {
            // From this stage on no message is in the log.
            fanout: Fanout::new(outboxes, None),
            history,
            online: BTreeSet::new(),
            list_changed: false,
            departures: Vec::new(),
            outage_log: OutageLog::new(log),
        }
    }
}

impl RoomLogic<Message, RoomEvent> for RoomState {
    fn apply_batch(&mut self, batch: Batch<Message, RoomEvent>) -> bool {
        self.outage_log.note(&batch);
        for submission in batch.submissions {
            self.apply(submission.event, submission.message);
        }
        self.fanout.deliver();
        // Only now that all is delivered: a thread that waits for its client's
        // departure lets the next connection of that name in.
        self.departures.clear();
        std::mem::take(&mut self.list_changed)
    }

    fn send_lists(&mut self) {
        if self.online.len() <= MAX_LISTED {
            self.fanout.broadcast(&self.users_list(), None);
            self.fanout.deliver();
        }
    }
}

impl RoomState {
    fn apply(&mut self, event: RoomEvent, message: Option<Message>) {
        match (event, message) {
            (RoomEvent::MessageFrom(session), Some(message)) => {
                let line = format!("{}: {}\n", message.name, message.text);
                self.fanout.broadcast(&line, Some(session.id));
                self.history.push(message);
            }
            (RoomEvent::MessageFrom(session), None) => session.send_to(NOT_STORED),
            (RoomEvent::Join(session, slot), _) => self.join(&session, slot),
            (RoomEvent::Leave(session, until_left), _) => {
                self.leave(&session);
                self.departures.push(until_left);
            }
            (RoomEvent::Shutdown(line), _) => self.fanout.shutdown(&line),
        }
    }

    /// The greeting first, then the room: from here on the client hears
    /// everything, and everything before is in the history.
    fn join(&mut self, session: &Arc<Session>, slot: ClientSlot) {
        let name = &session.name;
        self.online.insert(name.clone());
        self.list_changed = true;
        let greeting = self.history.lines(session.outbox.config.limit) + &self.users_list();
        session.outbox.send_lines(&greeting);
        self.fanout.add(session.id, Member::new(name.clone(), session.outbox.clone(), slot));
        let online = self.online.len();
        self.fanout.broadcast(&format!("[SERVER] {name} joined ({online} online)\n"), Some(session.id));
    }

    fn leave(&mut self, session: &Session) {
        let name = &session.name;
        self.online.remove(name);
        self.list_changed = true;
        self.fanout.remove(session.id);
        let online = self.online.len();
        self.fanout.broadcast(&format!("[SERVER] {name} left ({online} online)\n"), None);
    }

    /// The line with all names, sorted.
    fn users_list(&self) -> String {
        let names: Vec<&str> = self.online.iter().map(|name| &**name).collect();
        format!("[USERS_LIST] {}\n", names.join(","))
    }
}
