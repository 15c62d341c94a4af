//! A session on the server: one client that has logged in, as all threads see it.

use crate::sessions::Token;
use crate::store::{Role, User};
use stage4_multichat::fanout::ClientId;
use stage4_multichat::outbox::Outbox;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What becomes of the session when the room thread takes its client out. From stage 7 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// It is over: the client cannot come back with its token.
    EndSession,
    /// The client may come back with its token.
    KeepSession,
}

/// See the [module](self).
pub struct Session {
    /// Tells this connection from all others of this server.
    pub id: ClientId,
    /// The user's name, as registered.
    pub name: Arc<str>,
    /// The database's number for the user.
    pub user_id: i64,
    /// What the user may do.
    pub role: Role,
    /// The client's address.
    pub peer: SocketAddr,
    /// What goes to this client alone.
    pub outbox: Arc<Outbox>,
    /// With which the client can come back.
    pub token: Token,
    /// `true` if the client has come back with it.
    pub resumed: bool,
    /// Held by the login thread from before it takes the name until the room has let the
    /// client in.
    pub(crate) entering: Mutex<()>,
    /// Whether its token ends with the connection. Set by the room thread.
    pub(crate) ends: AtomicBool,
}

impl Session {
    /// A client that has logged in and is not in the room yet.
    pub fn new(user: User, token: Token, peer: SocketAddr, outbox: &Arc<Outbox>) -> Self {
        static LAST_ID: AtomicU64 = AtomicU64::new(0);
        Session {
            id: LAST_ID.fetch_add(1, Ordering::Relaxed) + 1,
            name: user.name.into(),
            user_id: user.id,
            role: user.role,
            peer,
            outbox: outbox.clone(),
            token,
            resumed: false,
            entering: Mutex::default(),
            ends: AtomicBool::new(false),
        }
    }

    /// From stage 7 on, where a login on another server can take the name. The room thread
    /// has told the client why it has to go, and has taken it out: the reader thread finds
    /// the end of its input.
    pub fn evict(&self, eviction: Eviction) {
        self.ends.store(eviction == Eviction::EndSession, Ordering::Release);
        self.outbox.transport.shutdown_read();
    }

    /// Sends a line to this client alone.
    pub fn send_to(&self, line: &str) {
        // If it is gone, its reader thread finds out.
        self.outbox.send_line(line);
    }
}
