//! What goes through the committer's queue to the room thread.

use crate::addressed_message::AddressedMessage;
use crate::backplane::{Change, Login};
use stage3_threads::workers::WaitGuard;
use stage4_multichat::limits::ClientSlot;
use stage6_auth::auth::LoginError;
use stage6_auth::sessions::OnDuplicate;
use stage6_auth::sessions::Session;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// See the [module](self).
pub enum RoomEvent {
    /// A client that has logged in comes into the lobby. With several servers it may be
    /// refused.
    Join(Newcomer),
    /// This client has sent the message of the submission.
    MessageFrom(Arc<Session>),
    /// A client goes to the room of this name.
    Move(Arc<Session>, Arc<str>),
    /// A client subscribes to the publisher of this name.
    Subscribe(Arc<Session>, Arc<str>),
    /// A client no longer subscribes to that publisher.
    Unsubscribe(Arc<Session>, Arc<str>),
    /// A client asks.
    Ask(Arc<Session>, Question),
    /// A reader thread asks for the name of its client's room. When the answer comes, all
    /// that its client has said before is stored, or refused.
    RoomName(Arc<Session>, SyncSender<Arc<str>>),
    /// An admin disconnects the user with this key, who is on another server.
    Kick(Arc<Session>, Arc<str>),
    /// A client goes. The guard is dropped when that is delivered.
    Leave(Arc<Session>, WaitGuard),
    /// What another server has stored; the message that it goes with says what. Without a
    /// message it has only woken the committer thread.
    Replicated,
    /// A line for all clients of this server.
    Notice(&'static str),
    /// The server ends, and this is the last line for all.
    Shutdown(String),
}

/// A client that has logged in, and whose login thread waits for the answer.
pub struct Newcomer {
    /// The client.
    pub session: Arc<Session>,
    /// Its slot among `--max-clients`.
    pub slot: ClientSlot,
    /// The publishers to which it has subscribed.
    pub publishers: Vec<Arc<str>>,
    /// The line with which it comes in.
    pub welcome: String,
    /// Whether it came in.
    pub answer: SyncSender<Result<(), LoginError>>,
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

impl RoomEvent {
    /// What other servers read of it in the shared log, where this server has the rule
    /// `on_duplicate`.
    pub fn entry(&self, on_duplicate: OnDuplicate) -> Option<AddressedMessage> {
        let (session, change) = match self {
            RoomEvent::Join(Newcomer { session, .. }) => {
                (session, Change::Join(Login::of(session, on_duplicate)))
            }
            RoomEvent::Move(session, room) => (session, Change::Move(session.id, room.clone())),
            RoomEvent::Kick(session, user) => (session, Change::Kick(user.clone())),
            RoomEvent::Leave(session, _) => (session, Change::Leave(session.id)),
            _ => return None,
        };
        Some(change.entry(&session.name))
    }
}
