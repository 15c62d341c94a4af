//! What the room thread of stage 7 owns: who is in which room and who has
//! subscribed to whom. It decides who gets what.
//!
//! As in stage 6, batches come from the committer thread, nothing is locked and
//! nothing here waits for the database; a move from room to room has its place among the messages.
//! When several servers are one chat, so have the users of the others; see
//! [`crate::backplane`] and `room_state/other_servers.rs`.

mod other_servers;

pub use other_servers::{Login, LoginRecord, not_stored};
use other_servers::{LoginId, OtherServers};

use crate::addressed_message::{AddressedMessage, Recipient, lines};
use crate::backplane::Status;
use crate::rooms::{LOBBY, Rooms};
use crate::subscriptions::Subscriptions;
use common::log::Log;
use stage4_multichat::fanout::{ClientId, Fanout, Member};
use stage4_multichat::limits::ClientSlot;
use stage4_multichat::line_codec::LineCodec;
use stage6_auth::committer::Event;
use stage6_auth::pipeline::RoomLogic;
use stage6_auth::room::{Debouncer, History, NOT_STORED, OutageLog};
use stage6_auth::sessions::session::{Session, ack_all};
use stage6_auth::store::{Message, StoreError, name_key};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What goes through the committer's queue to the room thread.
pub enum RoomEvent {
    /// A client that has logged in comes into the lobby, with the publishers to
    /// which it has subscribed. With several servers it may be refused.
    Join(Arc<Session>, ClientSlot, Vec<Arc<str>>, Option<Login>),
    /// The sender of the message that it goes with.
    Message(Arc<Session>),
    /// A client goes to the room of this name.
    Move(Arc<Session>, Arc<str>),
    /// A client subscribes to the publisher of this name, or no longer does.
    Subscribe(Arc<Session>, Arc<str>, bool),
    /// A client asks.
    Ask(Arc<Session>, Question),
    /// An admin disconnects a user of another server.
    Kick(Arc<Session>),
    /// A client goes.
    Leave(Arc<Session>),
    /// What another server has stored; the message that it goes with says what.
    Replicated,
    /// A line for all clients of this server.
    Notice(&'static str),
    /// For the committer thread: there may be something new in the database.
    PollLog,
    /// The server ends, and this is the last line for all.
    Shutdown(String),
}

impl RoomEvent {
    /// The client of this server that waits until the event is applied.
    fn session(&self) -> Option<&Arc<Session>> {
        match self {
            RoomEvent::Join(session, ..)
            | RoomEvent::Message(session)
            | RoomEvent::Move(session, _)
            | RoomEvent::Subscribe(session, ..)
            | RoomEvent::Ask(session, _)
            | RoomEvent::Kick(session)
            | RoomEvent::Leave(session) => Some(session),
            RoomEvent::Replicated | RoomEvent::Notice(_) | RoomEvent::PollLog | RoomEvent::Shutdown(_) => {
                None
            }
        }
    }
}

/// What only the room thread knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which rooms there are.
    Rooms,
    /// Who is in the room.
    Users,
    /// To whom the client has subscribed.
    Subscriptions,
}

/// See the [module](self).
pub(crate) struct RoomState {
    fanout: Fanout,
    /// Who is online, by the name's key.
    online: HashMap<Arc<str>, Online>,
    rooms: Rooms,
    subscriptions: Subscriptions,
    /// The lobby's.
    history: History,
    lists: Debouncer,
    outage_log: OutageLog,
    /// `None` for a server that is alone.
    other_servers: Option<OtherServers>,
}

/// A user that is online.
struct Online {
    id: ClientId,
    login: LoginId,
    /// `None` if the user is online on another server.
    session: Option<Arc<Session>>,
}

impl RoomState {
    pub fn new(codec: &Arc<dyn LineCodec>, history: History, log: &Log) -> Self {
        RoomState {
            fanout: Fanout::new(codec, None),
            online: HashMap::new(),
            rooms: Rooms::default(),
            subscriptions: Subscriptions::default(),
            history,
            lists: Debouncer::default(),
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
    fn apply_batch(&mut self, batch: Vec<Event<AddressedMessage, RoomEvent>>, failure: Option<&StoreError>) {
        self.outage_log.note(&batch, failure);
        let mut done = Vec::new();
        let mut batch = batch.into_iter().peekable();
        while let Some(event) = batch.next() {
            let (message, event) = event.into_stored();
            done.extend(event.session().cloned());
            let (sender, AddressedMessage { message, to }) = match (event, message) {
                (RoomEvent::Message(sender), Some(message)) => (Some(sender), message),
                (RoomEvent::Replicated, Some(message)) if !matches!(message.to, Recipient::Servers(_)) => {
                    (None, message)
                }
                (event, entry) => {
                    self.apply(event, entry.as_ref());
                    continue;
                }
            };
            let own = sender.map(|sender| sender.id);
            // Messages of one sender to one recipient, with nothing in between, are encoded
            // and sent together. A newer session of the name would have come in between.
            let name = message.name.clone();
            let is_next = |event: &Event<AddressedMessage, RoomEvent>| {
                matches!(event, Event::Stored(next, RoomEvent::Message(_) | RoomEvent::Replicated)
                    if next.message.name == name && next.to == to)
            };
            let mut messages = vec![message];
            while let Some(Event::Stored(next, event)) = batch.next_if(is_next) {
                messages.push(next.message);
                done.extend(event.session().cloned());
            }
            self.send_messages(own, &to, messages);
        }
        self.fanout.deliver();
        // Only now that all is delivered: a thread that waits for its client's
        // departure lets the next connection of that name in.
        ack_all(&done);
    }

    fn due_in(&self) -> Option<Duration> {
        self.lists.time_left()
    }

    /// The lists of users of rooms where a user came or went.
    fn send_due(&mut self) {
        if self.lists.take_due() {
            for (list, to) in self.rooms.lists_due() {
                self.fanout.send(&list, to);
            }
            self.fanout.deliver();
        }
    }
}

impl RoomState {
    /// Sends one sender's messages to one recipient. `own` is the sender, which does
    /// not hear itself; `None` for a user of another server.
    fn send_messages(&mut self, own: Option<ClientId>, to: &Recipient, messages: Vec<Message>) {
        let key = name_key(&messages[0].name);
        let RoomState { fanout, rooms, subscriptions, online, .. } = self;
        match to {
            Recipient::Room(room) => {
                let others = rooms.members(room).filter(|&other| Some(other) != own);
                fanout.send(&lines(&messages, "", ": "), others);
                // Subscribers in the room have it already.
                let elsewhere = subscriptions.of(&key).filter(|&other| rooms.of(other) != Some(room));
                let before = format!("[#{}] ", rooms.name(room).as_deref().unwrap_or(room));
                fanout.send(&lines(&messages, &before, ": "), elsewhere);
                if **room == *LOBBY {
                    messages.into_iter().for_each(|message| self.history.push(message));
                }
            }
            Recipient::Subscribers => fanout.send(&lines(&messages, "[pub] ", ": "), subscriptions.of(&key)),
            Recipient::User(whom, kind) => match online.get(whom) {
                Some(whom) => fanout.send(&lines(&messages, kind.before, kind.between), [whom.id]),
                // The receiver has left after the message was submitted.
                None => fanout.send(&format!("[SERVER] error: {whom} is not online\n"), own),
            },
            Recipient::Everybody => {
                fanout.broadcast(&lines(&messages, "[SERVER] announcement by ", ": "), None);
            }
            // `apply_entry` has these.
            Recipient::Servers(_) => {}
        }
    }

    /// Applies an event without a message, or whose message was refused.
    /// `entry` is what other servers read of it in the shared log.
    fn apply(&mut self, event: RoomEvent, entry: Option<&AddressedMessage>) {
        match event {
            RoomEvent::Join(session, slot, publishers, None) => {
                self.join(&session, slot, &publishers, LoginId::alone(&session));
            }
            RoomEvent::Join(session, slot, publishers, Some(login)) => {
                self.join_shared(&session, slot, &publishers, &login, entry);
            }
            RoomEvent::Message(session) => self.fanout.send(&format!("{NOT_STORED}\n"), [session.id]),
            RoomEvent::Ask(session, question) => self.ask(&session, question),
            RoomEvent::Move(session, room) if self.is_online(&session) => {
                self.move_to(session.id, &session.name, &room);
            }
            RoomEvent::Subscribe(session, publisher, begins) if self.is_online(&session) => {
                self.subscribe(&session, &publisher, begins);
            }
            RoomEvent::Leave(session) if self.is_online(&session) => {
                self.leave(&name_key(&session.name));
            }
            // A newer session, on another server, has taken the name.
            RoomEvent::Move(..) | RoomEvent::Subscribe(..) | RoomEvent::Leave(_) => {}
            RoomEvent::Kick(_) | RoomEvent::Replicated => {
                entry.into_iter().for_each(|entry| self.apply_entry(entry));
            }
            RoomEvent::Notice(line) => self.fanout.broadcast(&format!("{line}\n"), None),
            RoomEvent::PollLog => {}
            RoomEvent::Shutdown(line) => self.fanout.shutdown(&line),
        }
    }

    /// The greeting first, then the lobby: from here on the client hears
    /// everything, and everything before is in the history.
    fn join(&mut self, session: &Arc<Session>, slot: ClientSlot, publishers: &[Arc<str>], login: LoginId) {
        let id = session.id;
        let member = Member::new(session.name.clone(), session.outbox.clone(), slot);
        self.fanout.add(id, member);
        let online = Online { id, login, session: Some(session.clone()) };
        self.online.insert(name_key(&session.name).into(), online);
        for publisher in publishers {
            self.subscriptions.subscribe(id, publisher);
        }
        self.rooms.enter(LOBBY, &session.name, id);
        // At once and not through the batch, where the histories of a crowd would
        // gather. Nothing for this client can be in there yet.
        let greeting = self.history.lines(session.outbox.limit()) + &self.rooms.users(LOBBY);
        session.outbox.send_lines(&greeting);
        self.announce(id, LOBBY, &session.name, "joined");
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
        let name = online.login.name.clone();
        if let Some(room) = self.rooms.leave(&name, online.id) {
            self.announce(online.id, &room, &name, "left");
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
        self.lists.changed();
    }

    fn subscribe(&mut self, session: &Session, publisher: &Arc<str>, begins: bool) {
        let now = if begins {
            self.subscriptions.subscribe(session.id, publisher);
            "subscribed"
        } else {
            self.subscriptions.unsubscribe(session.id, publisher);
            "no longer subscribed"
        };
        self.fanout.send(&format!("[SERVER] you are {now} to {publisher}\n"), [session.id]);
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
