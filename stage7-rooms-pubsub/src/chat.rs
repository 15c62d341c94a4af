//! The chat: the way for the threads that serve clients to everything that the
//! room thread does.
//!
//! As in stage 6 there is one order for all: messages, moves, subscriptions and
//! questions pass through the committer thread to the room thread, and that alone
//! acts on them. What is new is only what it then does ([`crate::room_state`]).

use crate::addressed_message::{AddressedMessage, Change, Recipient};
use crate::backplane::{Backplane, Status};
use crate::message_store;
use crate::room_state::{Login, LoginRecord, Question, RoomEvent, RoomState, not_stored};
use crate::rooms::LOBBY;
use anyhow::Context;
use common::log::Log;
use stage4_multichat::limits::ClientSlot;
use stage4_multichat::line_codec::LineCodec;
use stage6_auth::auth::LoginError;
use stage6_auth::committer::Stopped;
use stage6_auth::pipeline::{Pipeline, group_commit};
use stage6_auth::room::History;
use stage6_auth::sessions::name_registry::OnDuplicate;
use stage6_auth::sessions::presence::ChatRoom;
use stage6_auth::sessions::session::Session;
use stage6_auth::store::{Message, Store, name_key};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// How long a login may wait for its place in the log, when several servers are one
/// chat. A database that hangs is given up after three seconds.
const JOIN_TIMEOUT: Duration = Duration::from_secs(8);

/// See the [module](self).
pub struct Chat {
    /// The committer thread and the room thread.
    pub pipeline: Pipeline<AddressedMessage, RoomEvent>,
    store: Arc<Store>,
    history: usize,
    /// `None` for a server that is alone.
    shared: Option<Shared>,
}

/// What a server needs that is one of several.
struct Shared {
    status: Arc<Status>,
    on_duplicate: OnDuplicate,
}

impl Chat {
    /// Starts the committer thread and the room thread, with the last `history`
    /// messages of the lobby; as one of several servers, if there are `other_servers`.
    ///
    /// # Errors
    /// When the database cannot be read, or no thread started.
    pub fn open(
        store: &Arc<Store>,
        other_servers: Option<Backplane>,
        codec: &Arc<dyn LineCodec>,
        history: usize,
        log: &Log,
    ) -> anyhow::Result<Arc<Self>> {
        const UNREADABLE: &str = "cannot read the history";
        let state = |messages| RoomState::new(codec, History::new(messages, history), log);
        let (pipeline, shared) = match other_servers {
            None => {
                let state = state(message_store::room_history(store, LOBBY, history).context(UNREADABLE)?);
                let store = store.clone();
                let work = move |queue: &_, room: &_| group_commit(queue, room, &store);
                (Pipeline::start(work, state)?, None)
            }
            Some(servers) => {
                let (status, on_duplicate) = (servers.status.clone(), servers.on_duplicate);
                let (writer, threads, before) = servers.start(store, history).context(UNREADABLE)?;
                let state = state(before.history).shared(&status, &before.presence, log);
                let pipeline = Pipeline::start(move |queue, room| writer.work(queue, room), state)?;
                threads.start(pipeline.committer())?;
                (pipeline, Some(Shared { status, on_duplicate }))
            }
        };
        Ok(Arc::new(Chat { pipeline, store: store.clone(), history, shared }))
    }

    /// Returns `true` if the user of this name is online on another server.
    pub fn is_elsewhere(&self, name: &str) -> bool {
        self.elsewhere(name).is_some()
    }

    /// The name, as registered, of a user that is online on another server.
    pub fn elsewhere(&self, name: &str) -> Option<Arc<str>> {
        self.shared.as_ref()?.status.elsewhere(&name_key(name))
    }

    /// Has the server of this user disconnect it.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn kick_elsewhere(&self, admin: &Arc<Session>, name: &str) -> Result<(), Stopped> {
        let entry = change(admin, Change::Kick, name_key(name));
        self.pipeline.submit(admin, Some(entry), RoomEvent::Kick(admin.clone()))
    }

    /// How many earlier messages a newcomer is sent, and `/history` shows where no
    /// number is given.
    pub fn history_limit(&self) -> usize {
        self.history
    }

    /// Sends `line` to all clients as the last line, behind all that they have
    /// said, and closes their outboxes. Nothing more is taken.
    pub fn shutdown(&self, line: &str) {
        self.pipeline.shutdown(RoomEvent::Shutdown(line.to_owned()));
    }

    /// Submits a message.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn say(&self, session: &Arc<Session>, to: Recipient, text: String) -> Result<(), Stopped> {
        let message = AddressedMessage { message: Message::new(session.name.clone(), text), to };
        self.pipeline.submit(session, Some(message), RoomEvent::Message(session.clone()))
    }

    /// Moves a client to the room of this name.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn move_to(&self, session: &Arc<Session>, room: &str) -> Result<(), Stopped> {
        let entry = || change(session, Change::Move, format!("{} {room}", session.id));
        let event = RoomEvent::Move(session.clone(), room.into());
        self.pipeline.submit(session, self.shared.is_some().then(entry), event)
    }

    /// Subscribes a client to what `publisher` says, or ends that. The message
    /// store knows already.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn subscribe(&self, session: &Arc<Session>, publisher: &str, begins: bool) -> Result<(), Stopped> {
        self.pipeline.submit(session, None, RoomEvent::Subscribe(session.clone(), publisher.into(), begins))
    }

    /// Has a client's question answered.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn ask(&self, session: &Arc<Session>, question: Question) -> Result<(), Stopped> {
        self.pipeline.submit(session, None, RoomEvent::Ask(session.clone(), question))
    }
}

impl ChatRoom for Chat {
    fn enter(&self, session: &Arc<Session>, slot: ClientSlot, welcome: &str) -> Result<(), LoginError> {
        let publishers = message_store::subscriptions(&self.store, &session.name)?;
        let lost = |stopped: Stopped| LoginError::Lost(io::Error::other(stopped));
        let Some(shared) = &self.shared else {
            session.send_to(welcome);
            let event = RoomEvent::Join(session.clone(), slot, publishers, None);
            return self.pipeline.submit(session, None, event).map_err(lost);
        };
        // Whether it comes in is known when its place in the log is: of two logins at
        // the same moment, on two servers, one wins.
        let (answer, admitted) = sync_channel(1);
        let entry = change(session, Change::Join, LoginRecord::of(session, shared.on_duplicate).text());
        let login = Login { welcome: welcome.to_owned(), answer };
        let event = RoomEvent::Join(session.clone(), slot, publishers, Some(login));
        self.pipeline.submit(session, Some(entry), event).map_err(lost)?;
        admitted.recv_timeout(JOIN_TIMEOUT).unwrap_or_else(|_| Err(not_stored()))
    }

    fn leave(&self, session: &Arc<Session>) -> Result<(), Stopped> {
        let entry = || change(session, Change::Leave, session.id.to_string());
        let event = RoomEvent::Leave(session.clone());
        self.pipeline.submit_last(session, self.shared.is_some().then(entry), event)
    }
}

/// An entry of the shared log, which other servers read.
fn change(session: &Session, change: Change, text: String) -> AddressedMessage {
    let message = Message::new(session.name.clone(), text);
    AddressedMessage { message, to: Recipient::Servers(change) }
}

#[cfg(test)]
mod tests;
