//! A session on the server: one client that has logged in, as all threads see it.
//!
//! Its reader thread submits what the client says. The committer thread stores
//! it, the room thread delivers it, and acknowledges that here. The reader
//! thread sees here how many of its messages are not delivered yet.

use crate::auth::AuthenticatedUser;
use crate::committer::Stopped;
use crate::sessions::Token;
use crate::store::Role;
use common::poison::IgnorePoison;
use stage4_multichat::fanout::ClientId;
use stage4_multichat::outbox::Outbox;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How many submissions of one client may be unacknowledged. Far more than a person
/// types; but one program that floods can fill no more than this part of a
/// batch, and the lines of others still find room in it.
const MAX_IN_FLIGHT: usize = 256;

/// How long a commit may take before the reader thread takes the committer for
/// dead. A database that hangs is given up after three seconds.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

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
    /// Held by the login thread from before it takes the name until it has told
    /// the client so: a newer connection that wants the name waits for that.
    pub(crate) entering: Mutex<()>,
    /// Whether the room thread has been told of it: until then it is in no room.
    entered: AtomicBool,
    /// Whether its token ends with the connection. Set by the room thread.
    ends: AtomicBool,
    /// How much was submitted and is not acknowledged. Written by the reader thread
    /// and the room thread.
    in_flight: Mutex<usize>,
    /// Signalled when something is acknowledged.
    acknowledged: Condvar,
}

impl Session {
    /// A client that has logged in and is not in the room yet.
    pub fn new(login: &AuthenticatedUser, peer: SocketAddr, outbox: &Arc<Outbox>) -> Arc<Self> {
        static LAST_ID: AtomicU64 = AtomicU64::new(0);
        Arc::new(Session {
            id: LAST_ID.fetch_add(1, Ordering::Relaxed) + 1,
            name: login.user.name.as_str().into(),
            user_id: login.user.id,
            role: login.user.role,
            peer,
            outbox: outbox.clone(),
            token: login.token.clone(),
            resumed: login.resumed,
            entering: Mutex::default(),
            entered: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            in_flight: Mutex::default(),
            acknowledged: Condvar::new(),
        })
    }

    pub(crate) fn set_entered(&self) {
        self.entered.store(true, Ordering::Release);
    }

    pub(crate) fn has_entered(&self) -> bool {
        self.entered.load(Ordering::Acquire)
    }

    /// The room has told the client why it has to go, and has taken it out: the
    /// reader thread finds the end of its input. With `ends_session` the client
    /// cannot come back with its token.
    pub fn evict(&self, ends_session: bool) {
        self.ends.store(ends_session, Ordering::Release);
        self.outbox.transport().shutdown_read();
    }

    pub(crate) fn ends(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }

    /// Sends a line to this client alone.
    pub fn send_to(&self, line: &str) {
        // If it is gone, its reader thread finds out.
        self.outbox.send_line(line);
    }

    /// Submits one thing more to the committer, by `submit`. Waits while too much
    /// of this client's is under way already; TCP then makes the client wait.
    ///
    /// # Errors
    /// When the committer has stopped, or made no progress for half a minute.
    pub fn submit(&self, submit: impl FnOnce() -> Result<(), Stopped>) -> Result<(), Stopped> {
        if *self.wait_below(MAX_IN_FLIGHT, COMMIT_TIMEOUT) >= MAX_IN_FLIGHT {
            return Err(Stopped);
        }
        self.submit_last(submit)
    }

    /// Submits the last thing of this client. Does not wait: the client has left,
    /// so nothing has to hold it back.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn submit_last(&self, submit: impl FnOnce() -> Result<(), Stopped>) -> Result<(), Stopped> {
        *self.in_flight.lock().ignore_poison() += 1;
        submit().inspect_err(|_| self.ack(1))
    }

    /// Acknowledges so many things that were submitted: for the room thread.
    pub fn ack(&self, count: usize) {
        *self.in_flight.lock().ignore_poison() -= count;
        self.acknowledged.notify_all();
    }

    /// Waits until everything is acknowledged, for `limit` at the longest.
    pub fn wait_idle(&self, limit: Duration) {
        drop(self.wait_below(1, limit));
    }

    fn wait_below(&self, bound: usize, limit: Duration) -> MutexGuard<'_, usize> {
        let in_flight = self.in_flight.lock().ignore_poison();
        self.acknowledged.wait_timeout_while(in_flight, limit, |count| *count >= bound).ignore_poison().0
    }
}

/// A session is equal to itself alone.
impl PartialEq for Session {
    fn eq(&self, other: &Session) -> bool {
        self.id == other.id
    }
}

/// Acknowledges what is delivered: an entry for each thing that was submitted.
pub fn ack_all(delivered: &[Arc<Session>]) {
    // What stands together is acknowledged together: fewer wake-ups.
    for same in delivered.chunk_by(Arc::ptr_eq) {
        same[0].ack(same.len());
    }
}
