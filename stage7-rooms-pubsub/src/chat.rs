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
use stage6_auth::auth::LoginError;
use stage6_auth::committer::Stopped;
use stage6_auth::pipeline::Pipeline;
use stage6_auth::room::History;
use stage6_auth::sessions::presence::ChatRoom;
use stage6_auth::sessions::session::Session;
use stage6_auth::store::Message;
use std::io;
use std::sync::Arc;

/// See the [module](self).
pub struct Chat {
    /// The committer thread and the room thread.
    pub pipeline: Pipeline<AddressedMessage, RoomEvent>,
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
        let append = messages.clone();
        let pipeline = Pipeline::start(move |batch: &[AddressedMessage]| append.append(batch), state)?;
        Ok(Arc::new(Chat { pipeline, messages: messages.clone(), history }))
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
        self.pipeline.submit(session, message, RoomEvent::Message(session.clone()))
    }

    /// Moves a client to the room of this name.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn move_to(&self, session: &Arc<Session>, room: &str) -> Result<(), Stopped> {
        self.pipeline.pass(session, RoomEvent::Move(session.clone(), room.into()))
    }

    /// Subscribes a client to what `publisher` says, or ends that. The message
    /// store knows already.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn subscribe(&self, session: &Arc<Session>, publisher: &str, begins: bool) -> Result<(), Stopped> {
        self.pipeline.pass(session, RoomEvent::Subscribe(session.clone(), publisher.into(), begins))
    }

    /// Has a client's question answered.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn ask(&self, session: &Arc<Session>, question: Question) -> Result<(), Stopped> {
        self.pipeline.pass(session, RoomEvent::Ask(session.clone(), question))
    }
}

impl ChatRoom for Chat {
    fn enter(&self, session: &Arc<Session>, slot: ClientSlot, welcome: &str) -> Result<(), LoginError> {
        let publishers = self.messages.subscriptions(&session.name)?;
        session.send_to(welcome);
        let joined = self.pipeline.pass(session, RoomEvent::Join(session.clone(), slot, publishers));
        joined.map_err(|stopped| LoginError::Lost(io::Error::other(stopped)))
    }

    fn leave(&self, session: &Arc<Session>) -> Result<(), Stopped> {
        self.pipeline.pass_last(session, RoomEvent::Leave(session.clone()))
    }

    fn finish(&self) {
        self.pipeline.finish_session();
    }
}

#[cfg(test)]
mod tests;
