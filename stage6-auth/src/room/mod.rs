//! The room: everything that happens in it, in one order, and each message in the
//! database before any user sees it.
//!
//! The history is kept in memory and read from the database once, at the start.
//! To ask the database at each arrival would let a crowd of newcomers hold up
//! all users' messages, and would need the database to be there.

mod history;
mod outage_log;
mod room_state;

pub use history::{History, fitting, history_line};
pub use outage_log::{NOT_STORED, OutageLog};
pub use room_state::MAX_LISTED;

use crate::auth::LoginError;
use crate::pipeline::{Pipeline, SHUTDOWN_TIMEOUT};
use crate::sessions::ChatRoom;
use crate::sessions::Session;
use crate::store::{Message, MessageRow, Store};
use anyhow::Context;
use common::log::Log;
use room_state::{RoomEvent, RoomState};
use stage3_threads::workers::WaitGuard;
use stage4_multichat::limits::ClientSlot;
use stage4_multichat::outbox::OutboxConfig;
use stage4_multichat::queue::QueueClosed;
use std::io;
use std::sync::Arc;

/// The way into the room, for the threads that serve clients.
pub struct Room {
    /// The committer thread and the room thread.
    pipeline: Pipeline<Message, RoomEvent>,
}

impl Room {
    /// Starts the committer thread and the room thread, with the last `history`
    /// messages.
    ///
    /// # Errors
    /// When the database cannot be read, or no thread started.
    pub fn open(
        store: &Arc<Store>,
        outboxes: &Arc<OutboxConfig>,
        history: usize,
        log: &Log,
    ) -> anyhow::Result<Arc<Self>> {
        let messages = store.recent(history).context("cannot read the history")?;
        let state = RoomState::new(outboxes, History::new(messages, history), log);
        let store = store.clone();
        let pipeline = Pipeline::start(move |rows: &[&dyn MessageRow]| store.append(rows), state)?;
        Ok(Arc::new(Room { pipeline }))
    }

    /// For a server that ends: sends `line` to all clients as the last line, after all that
    /// they have said, and closes their outboxes. Nothing more is taken. Returns `true` if
    /// all that was said is stored and handed on.
    pub fn shutdown(&self, line: &str) -> bool {
        self.pipeline.shutdown(RoomEvent::Shutdown(line.to_owned()), SHUTDOWN_TIMEOUT)
    }

    /// Submits a message.
    ///
    /// # Errors
    /// When nothing is taken any longer.
    pub fn say(&self, session: &Arc<Session>, text: String) -> Result<(), QueueClosed> {
        let message = Message::new(session.name.clone(), text);
        self.pipeline.submit(Some(message), RoomEvent::MessageFrom(session.clone()))
    }
}

impl ChatRoom for Room {
    fn enter(
        &self,
        session: &Arc<Session>,
        slot: ClientSlot,
        welcome: &str,
    ) -> Result<WaitGuard, LoginError> {
        let reading = self.pipeline.readers.add();
        session.send_to(welcome);
        let joined = self.pipeline.submit(None, RoomEvent::Join(session.clone(), slot));
        joined.map(|()| reading).map_err(|closed| LoginError::Lost(io::Error::other(closed)))
    }

    fn leave(&self, session: &Arc<Session>, until_left: WaitGuard) -> Result<(), QueueClosed> {
        self.pipeline.submit(None, RoomEvent::Leave(session.clone(), until_left))
    }
}

#[cfg(test)]
pub(crate) mod tests;
