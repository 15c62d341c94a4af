//! Presence: who is online, each name once, and which connection has to go for a
//! newer one.

use super::SessionTokens;
use super::name_registry::{NameGuard, NameRegistry, OnDuplicate};
use super::session::Session;
use crate::auth::LoginError;
use common::log::Log;
use stage3_threads::workers::{WaitGroup, WaitGuard};
use stage4_multichat::limits::ClientSlot;
use stage4_multichat::queue::QueueClosed;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Sent to the older connection before it is closed.
pub const ELSEWHERE: &str = "[SERVER] you logged in elsewhere";

/// How long a departure may take: longer than a database that hangs.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(30);

/// Where users are once they are online: stage 6's room, and the rooms of later
/// stages.
pub trait ChatRoom: Send + Sync {
    /// Sends `welcome` to the client and lets it in, after all that was said
    /// before, with a greeting. Its `slot` is free again when it has left. A server that
    /// ends waits for the returned guard to be dropped, before it says its last line.
    ///
    /// # Errors
    /// When that cannot be done. The client has not been sent `welcome`, unless
    /// nothing is taken any longer.
    fn enter(&self, session: &Arc<Session>, slot: ClientSlot, welcome: &str)
    -> Result<WaitGuard, LoginError>;

    /// Takes `session` out, after the last of its messages, and closes its outbox then.
    /// `until_left` is dropped when that is done; this does not wait for it.
    ///
    /// # Errors
    /// When nothing is taken any longer.
    fn leave(&self, session: &Arc<Session>, until_left: WaitGuard) -> Result<(), QueueClosed>;
}

/// See the [module](self).
pub struct Presence {
    names: Arc<NameRegistry>,
    tokens: Arc<SessionTokens>,
    room: Arc<dyn ChatRoom>,
    log: Log,
}

/// A session that is online: it has the name, and is in the room. It leaves both
/// when this is dropped, by a panic too.
pub struct PresenceGuard {
    presence: Arc<Presence>,
    session: Arc<Session>,
    /// `None` when its thread reads nothing more.
    reading: Option<WaitGuard>,
    /// Free again when the session has left the room.
    _name: NameGuard,
}

impl Presence {
    /// With no user online.
    pub fn new(
        on_duplicate: OnDuplicate,
        tokens: &Arc<SessionTokens>,
        room: Arc<dyn ChatRoom>,
        log: &Log,
    ) -> Arc<Self> {
        let (tokens, log) = (tokens.clone(), log.clone());
        Arc::new(Presence { names: NameRegistry::new(on_duplicate), tokens, room, log })
    }

    /// Lets `session` in, after its user is authenticated. Waits for the name until
    /// `deadline`.
    ///
    /// # Errors
    /// When the name is in use, and that connection need not go: then the token of a
    /// new login is ended, which no client will ever know. When a session that is
    /// resumed has ended while this waited.
    pub fn enter(
        self: &Arc<Self>,
        session: &Arc<Session>,
        slot: ClientSlot,
        deadline: Instant,
    ) -> Result<PresenceGuard, LoginError> {
        let entering = session.entering.lock();
        let replace = |older: &Session| self.replace(older, session);
        let name = self.names.take(session, replace, deadline).inspect_err(|_| self.forget(session))?;
        // While this waited for the name, an admin may have ended the session.
        if session.resumed && self.tokens.user_of(&session.token)?.is_none() {
            return Err(LoginError::NoSession);
        }
        let resumed = if session.resumed { ", back with its token" } else { "" };
        self.log.info(format_args!("{} is in, from {}{resumed}", session.name, session.peer));
        let mut guard =
            PresenceGuard { presence: self.clone(), session: session.clone(), reading: None, _name: name };
        let success = format!("AUTH_SUCCESS {} {}", session.name, *session.token.reveal());
        let reading = self.room.enter(session, slot, &success).inspect_err(|_| self.forget(session))?;
        guard.reading = Some(reading);
        drop(entering);
        Ok(guard)
    }

    /// Ends the token of a new login that failed: no client will ever know it.
    fn forget(&self, session: &Session) {
        if !session.resumed {
            let _ = self.tokens.end(&session.token);
        }
    }

    /// An older session of the user makes way for `newer`.
    fn replace(&self, older: &Session, newer: &Session) {
        self.log.info(format_args!("{} from {} yields to {}", older.name, older.peer, newer.peer));
        if older.token == newer.token {
            self.disconnect(older, ELSEWHERE);
        } else {
            self.expel(older, ELSEWHERE);
        }
    }

    /// The session of this name, in upper or lower case, if it is online or just coming in.
    pub fn find(&self, name: &str) -> Option<Arc<Session>> {
        self.names.get(name)
    }

    /// Ends a session, so that its client cannot come back by itself, and disconnects
    /// it. The client is told `why`, and nothing more after that.
    pub fn expel(&self, session: &Session, why: &str) {
        self.end_token(session);
        self.disconnect(session, why);
    }

    fn end_token(&self, session: &Session) {
        if let Err(error) = self.tokens.end(&session.token) {
            self.log.error(format_args!("the session of {} goes on: {error}", session.name));
        }
    }

    fn disconnect(&self, session: &Session, why: &str) {
        // A login thread may be just bringing the client in: it is told to go after
        // `AUTH_SUCCESS`, not before.
        drop(session.entering.lock());
        session.send_to(why);
        session.outbox.close();
        // Its reader thread finds the end of its input, and leaves the room.
        session.outbox.transport.shutdown_read();
    }

    /// Ends the session. Returns `true` if that could be done.
    pub fn log_out(&self, session: &Session) -> bool {
        match self.tokens.end(&session.token) {
            Ok(()) => self.log.info(format_args!("{} logged out from {}", session.name, session.peer)),
            Err(error) => {
                self.log.error(format_args!("{} not logged out: {error}", session.name));
                session.send_to("[SERVER] error: not logged out, try again");
                return false;
            }
        }
        true
    }
}

impl PresenceGuard {
    /// The session that is online.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// For a server that ends: the client has said everything. It stays in the room
    /// until it was sent the last line, or the server cuts its connection off.
    pub fn wait_for_shutdown(&mut self) {
        self.reading = None;
        self.session.outbox.wait_closed();
    }
}

impl Drop for PresenceGuard {
    fn drop(&mut self) {
        let Presence { room, log, .. } = &*self.presence;
        if self.session.ends.load(Ordering::Acquire) {
            self.presence.end_token(&self.session);
        }
        let left = WaitGroup::default();
        // An error: the room is closed, and every session is out. Then this waits for nothing.
        let _ = room.leave(&self.session, left.add());
        self.reading = None;
        left.wait(LEAVE_TIMEOUT);
        log.info(format_args!("{} has left, from {}", self.session.name, self.session.peer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::tests::memory::{MemoryTransport, slot};
    use crate::store::{DbUrl, NewUser, PasswordHash, SCHEMA, open};
    use common::log::Level;
    use std::sync::OnceLock;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::SeqCst;

    /// A room that notes whether a user is found by its name while it comes in.
    #[derive(Default)]
    struct Room {
        presence: OnceLock<Arc<Presence>>,
        found: AtomicBool,
    }

    impl ChatRoom for Room {
        fn enter(&self, session: &Arc<Session>, _: ClientSlot, _: &str) -> Result<WaitGuard, LoginError> {
            self.found.store(self.presence.get().unwrap().find(&session.name).is_some(), SeqCst);
            Ok(WaitGroup::default().add())
        }

        fn leave(&self, _: &Arc<Session>, _: WaitGuard) -> Result<(), QueueClosed> {
            Ok(())
        }
    }

    /// The others see that a user has come in before its login thread goes on: what they
    /// send to it from then on finds it.
    #[test]
    fn a_user_that_the_room_has_let_in_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&DbUrl::Sqlite(folder.path().join("chat.db")), &SCHEMA).unwrap();
        store.add_users(&[NewUser { name: "alice".into(), password: PasswordHash("x".into()) }]).unwrap();
        let user = store.user("alice").unwrap().unwrap();
        let tokens = Arc::new(SessionTokens::new(store, Duration::from_secs(3600)));
        let token = tokens.start(&user).unwrap();
        let (log, _guard) = Log::start(Level::Error, None).unwrap();
        let room = Arc::new(Room::default());
        let presence = Presence::new(OnDuplicate::Reject, &tokens, room.clone(), &log);
        assert!(room.presence.set(presence.clone()).is_ok());
        let (_client, outbox) = MemoryTransport::with_outbox(1 << 20);
        let session = Arc::new(Session::new(user, token, ([127, 0, 0, 1], 1).into(), &outbox));
        let deadline = Instant::now() + Duration::from_secs(20);
        let online = presence.enter(&session, slot(), deadline);
        assert!(online.is_ok());
        assert!(room.found.load(SeqCst));
        drop(online);
        assert!(presence.find("alice").is_none(), "it has left");
    }
}
