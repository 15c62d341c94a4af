//! The chat: the way for the threads that serve clients to everything that the
//! room thread does.
//!
//! As in stage 6 there is one order for all: messages, moves, subscriptions and
//! questions pass through the committer thread to the room thread, and that alone
//! acts on them. What is new is only what it then does ([`crate::room_state`]).

use crate::addressed_message::{Address, AddressedMessage, Recipient};
use crate::backplane::{Backplane, Status};
use crate::message_store;
use crate::room_event::{Newcomer, RoomEvent};
use crate::room_state::{RoomState, not_stored};
use crate::rooms::LOBBY;
use anyhow::Context;
use common::log::Log;
use stage3_threads::workers::WaitGuard;
use stage4_multichat::limits::ClientSlot;
use stage4_multichat::outbox::OutboxConfig;
use stage4_multichat::queue::QueueClosed;
use stage6_auth::auth::LoginError;
use stage6_auth::pipeline::{Pipeline, SHUTDOWN_TIMEOUT};
use stage6_auth::room::History;
use stage6_auth::sessions::ChatRoom;
use stage6_auth::sessions::OnDuplicate;
use stage6_auth::sessions::Session;
use stage6_auth::store::{Message, MessageRow, Store, name_key};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// How long a login may wait for its place in the order. A database that hangs is
/// given up after three seconds.
const JOIN_TIMEOUT: Duration = Duration::from_secs(8);

/// See the [module](self).
pub struct Chat {
    /// The committer thread and the room thread.
    pipeline: Pipeline<AddressedMessage, RoomEvent>,
    /// How many earlier messages a newcomer is sent, and `/history` shows where no
    /// number is given.
    pub history: usize,
    /// The database, for commands that ask it.
    pub store: Arc<Store>,
    /// What happens when a user logs in on this server who is online already.
    on_duplicate: OnDuplicate,
    /// `None` for a server that is alone.
    status: Option<Arc<Status>>,
}

impl Chat {
    /// Starts the committer thread and the room thread, with the last `history`
    /// messages of the lobby; as one of several servers, if there is a `backplane`.
    ///
    /// # Errors
    /// When the database cannot be read, or no thread started.
    pub fn open(
        store: &Arc<Store>,
        backplane: Option<Backplane>,
        outboxes: &Arc<OutboxConfig>,
        on_duplicate: OnDuplicate,
        history: usize,
        log: &Log,
    ) -> anyhow::Result<Arc<Self>> {
        let state = |messages| RoomState::new(outboxes, History::new(messages, history), log);
        let (pipeline, status) = match backplane {
            None => {
                let messages = message_store::room_history(store, LOBBY, history);
                let messages = messages.context("cannot read the history")?;
                let store = store.clone();
                (Pipeline::start(move |rows: &[&dyn MessageRow]| store.append(rows), state(messages))?, None)
            }
            Some(Backplane { status, queue, writer, snapshot }) => {
                let state = state(snapshot.history).shared(&status, &snapshot.presence, log);
                let pipeline =
                    Pipeline::start_with(&queue, move |queue, room| writer.run(queue, room), state)?;
                (pipeline, Some(status))
            }
        };
        Ok(Arc::new(Chat { pipeline, history, store: store.clone(), on_duplicate, status }))
    }

    /// The name, as registered, of a user that is online on another server.
    pub fn elsewhere(&self, name: &str) -> Option<Arc<str>> {
        self.status.as_ref()?.elsewhere(&name_key(name))
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
    pub fn say(&self, session: &Arc<Session>, to: Recipient, text: String) -> Result<(), QueueClosed> {
        let message = Message::new(session.name.clone(), text);
        let message = AddressedMessage { message, to: Address::Users(to) };
        self.pipeline.submit(Some(message), RoomEvent::MessageFrom(session.clone()))
    }

    /// Submits an event, with the entry for other servers that belongs to it.
    ///
    /// # Errors
    /// When nothing is taken any longer.
    pub fn submit(&self, event: RoomEvent) -> Result<(), QueueClosed> {
        let entry = self.status.as_ref().and_then(|_| event.entry(self.on_duplicate));
        self.pipeline.submit(entry, event)
    }
}

impl ChatRoom for Chat {
    fn enter(
        &self,
        session: &Arc<Session>,
        slot: ClientSlot,
        welcome: &str,
    ) -> Result<WaitGuard, LoginError> {
        let reading = self.pipeline.readers.add();
        let publishers = message_store::subscriptions(&self.store, &session.name)?;
        // Whether it comes in is known when its place in the order is: of two logins at
        // the same moment, on two servers, one wins.
        let (answer, admitted) = sync_channel(1);
        let (session, welcome) = (session.clone(), welcome.to_owned());
        self.submit(RoomEvent::Join(Newcomer { session, slot, publishers, welcome, answer }))
            .map_err(|closed| LoginError::Lost(io::Error::other(closed)))?;
        admitted.recv_timeout(JOIN_TIMEOUT).unwrap_or_else(|_| Err(not_stored())).map(|()| reading)
    }

    fn leave(&self, session: &Arc<Session>, until_left: WaitGuard) -> Result<(), QueueClosed> {
        self.submit(RoomEvent::Leave(session.clone(), until_left))
    }
}

#[cfg(test)]
mod tests;
