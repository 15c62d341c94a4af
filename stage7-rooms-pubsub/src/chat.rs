//! The chat: the way for the threads that serve clients to everything that the
//! room thread does.
//!
//! As in stage 6 there is one order for all: messages, moves, subscriptions and
//! questions pass through the committer thread to the room thread, and that alone
//! acts on them. What is new is only what it then does ([`crate::room_state`]).

use crate::addressed_message::{AddressedMessage, Recipient};
use crate::message_store::MessageStore;
use crate::room_state::{Question, RoomEvent, RoomState};
use crate::rooms::LOBBY;
use anyhow::Context;
use common::log::Log;
use stage4_multichat::limits::ClientSlot;
use stage4_multichat::line_codec::LineCodec;
use stage4_multichat::shutdown::{self, ShutdownEvent};
use stage6_auth::auth::LoginError;
use stage6_auth::committer::{Committer, QUEUE, Stopped};
use stage6_auth::room::{CommittedBatch, History, LAST_LINE_GRACE, receive};
use stage6_auth::sessions::presence::ChatRoom;
use stage6_auth::sessions::session::Session;
use stage6_auth::store::{Message, StoreError};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// See the [module](self).
pub struct Chat {
    committer: Arc<Committer<AddressedMessage, RoomEvent>>,
    messages: Arc<dyn MessageStore>,
    history: usize,
}

impl Chat {
    /// Starts the committer thread and the room thread, with the last `history`
    /// messages of the lobby.
    ///
    /// # Errors
    /// When the database cannot be read, or no thread started.
    pub fn open(
        messages: &Arc<dyn MessageStore>,
        codec: &Arc<dyn LineCodec>,
        history: usize,
        log: &Log,
    ) -> anyhow::Result<Arc<Self>> {
        let earlier = messages.history(LOBBY, history).context("cannot read the history")?;
        let state = RoomState::new(codec, History::new(earlier, history), log);
        let (committed, batches) = sync_channel(1);
        thread::Builder::new().name("room".into()).spawn(move || run(state, &batches))?;
        let append = messages.clone();
        let committer = Committer::start(
            QUEUE,
            move |batch: &[AddressedMessage]| append.append(batch),
            move |events, failure: Option<&StoreError>| {
                // A panic stops the committer too, and with it the server.
                committed.send((events, failure.cloned())).expect("the room thread has panicked");
            },
        )?;
        Ok(Arc::new(Chat { committer: Arc::new(committer), messages: messages.clone(), history }))
    }

    /// How many earlier messages a newcomer is sent, and `/history` shows where no
    /// number is given.
    pub fn history_limit(&self) -> usize {
        self.history
    }

    /// Submits a message.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn say(&self, session: &Arc<Session>, to: Recipient, text: String) -> Result<(), Stopped> {
        let message = AddressedMessage { message: Message::new(session.name.clone(), text), to };
        session.submit(|| self.committer.submit(message, RoomEvent::Message(session.clone())))
    }

    /// Moves a client to the room of this name.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn move_to(&self, session: &Arc<Session>, room: &str) -> Result<(), Stopped> {
        self.pass(session, RoomEvent::Move(session.clone(), room.into()))
    }

    /// Subscribes a client to what `publisher` says, or ends that. The message
    /// store knows already.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn subscribe(&self, session: &Arc<Session>, publisher: &str, begins: bool) -> Result<(), Stopped> {
        self.pass(session, RoomEvent::Subscribe(session.clone(), publisher.into(), begins))
    }

    /// Has a client's question answered.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn ask(&self, session: &Arc<Session>, question: Question) -> Result<(), Stopped> {
        self.pass(session, RoomEvent::Ask(session.clone(), question))
    }

    fn pass(&self, session: &Session, event: RoomEvent) -> Result<(), Stopped> {
        session.submit(|| self.committer.pass(event))
    }

    /// Sends `line` to all as the last line, when all have finished, which may
    /// take `limit`.
    pub fn broadcast_shutdown(&self, line: &str, limit: Duration) {
        let push = |event| self.committer.pass(RoomEvent::Shutdown(event)).is_ok();
        // As in stage 6: when that fails there is nothing more to try.
        shutdown::request(line, limit, LAST_LINE_GRACE, push);
    }

    /// Returns `true` if the committer or the room thread has panicked: then the
    /// server cannot go on.
    pub fn has_failed(&self) -> bool {
        self.committer.is_stopped()
    }

    /// Commits what is still queued and takes nothing more. Returns `true` if
    /// that was done within `limit`.
    pub fn close(&self, limit: Duration) -> bool {
        self.committer.stop_within(limit)
    }
}

/// The room thread; ends with the committer.
fn run(mut state: RoomState, batches: &Receiver<CommittedBatch<AddressedMessage, RoomEvent>>) {
    loop {
        match receive(batches, state.lists_due_in()) {
            Ok((batch, failure)) => state.apply_batch(batch, failure.as_ref()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        state.send_due_lists();
    }
}

impl ChatRoom for Chat {
    fn enter(&self, session: &Arc<Session>, slot: ClientSlot) -> Result<(), LoginError> {
        let publishers = self.messages.subscriptions(&session.name)?;
        let joined = self.pass(session, RoomEvent::Join(session.clone(), slot, publishers));
        joined.map_err(|stopped| LoginError::Lost(io::Error::other(stopped)))
    }

    fn leave(&self, session: &Arc<Session>) -> Result<(), Stopped> {
        self.pass(session, RoomEvent::Leave(session.clone()))
    }

    fn finish(&self) {
        // If the committer has stopped, nobody waits for this.
        let _ = self.committer.pass(RoomEvent::Shutdown(ShutdownEvent::MemberFinished));
    }
}

#[cfg(test)]
mod tests;
