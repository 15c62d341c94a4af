//! The room: everything that happens in it, in one order, and each message in the
//! database before anybody sees it.
//!
//! ```text
//! reader threads ─► committer thread ─► room thread ─► outboxes
//! ```
//!
//! Two threads, so that one batch is delivered while the next one is committed.
//! Everything goes through both, messages, arrivals and departures: at the moment
//! of a client's arrival, every message is either in the history that it is sent,
//! or still behind it in the queue. So it sees no gap and nothing twice.
//!
//! The history is kept in memory and read from the database once, at the start.
//! To ask the database at each arrival would let a crowd of newcomers hold up
//! everybody's messages, and would need the database to be there.

mod debounce;
mod history;
mod outage_log;
mod room_state;

pub use debounce::Debouncer;
pub use history::{History, lines as history_lines};
pub use outage_log::{NOT_STORED, OutageLog};
pub use room_state::MAX_LISTED;

use crate::auth::LoginError;
use crate::committer::{Committer, Event, QUEUE, Stopped};
use crate::sessions::presence::ChatRoom;
use crate::sessions::session::Session;
use crate::store::{Message, Store, StoreError};
use anyhow::Context;
use common::log::Log;
use room_state::{RoomEvent, RoomState};
use stage4_multichat::limits::ClientSlot;
use stage4_multichat::line_codec::LineCodec;
use stage4_multichat::shutdown;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// How long the last line may take when the time for commits is used up.
pub const LAST_LINE_GRACE: Duration = Duration::from_millis(300);

/// A batch that is committed, and why the database has refused it, if it has.
pub type CommittedBatch<M, E> = (Vec<Event<M, E>>, Option<StoreError>);

/// The way into the room, for the threads that serve clients.
pub struct Room {
    committer: Arc<Committer<Message, RoomEvent>>,
}

impl Room {
    /// Starts the committer thread and the room thread, with the last `history`
    /// messages.
    ///
    /// # Errors
    /// When the database cannot be read, or no thread started.
    pub fn open(
        store: &Arc<dyn Store>,
        codec: &Arc<dyn LineCodec>,
        history: usize,
        log: &Log,
    ) -> anyhow::Result<Arc<Self>> {
        let earlier = store.recent(history).context("cannot read the history")?;
        let state = RoomState::new(codec, History::new(earlier, history), log);
        // One batch waits while one is delivered and one is committed. When that
        // is not enough, the committer waits, and then everybody who sends.
        let (committed, batches) = sync_channel(1);
        thread::Builder::new().name("room".into()).spawn(move || run(state, &batches))?;
        let store = store.clone();
        let committer = Committer::start(
            QUEUE,
            move |batch: &[Message]| store.append(batch),
            move |events, failure: Option<&StoreError>| {
                // A panic stops the committer too, and with it the server.
                committed.send((events, failure.cloned())).expect("the room thread has panicked");
            },
        )?;
        Ok(Arc::new(Room { committer: Arc::new(committer) }))
    }

    /// Submits a message.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn say(&self, session: &Arc<Session>, text: String) -> Result<(), Stopped> {
        let message = Message::new(session.name.clone(), text);
        session.submit(|| self.committer.submit(message, RoomEvent::Message(session.clone())))
    }

    /// Sends `line` to all as the last line, when all have finished, which may
    /// take `limit`.
    pub fn broadcast_shutdown(&self, line: &str, limit: Duration) {
        let push = |event| self.committer.pass(RoomEvent::Shutdown(event)).is_ok();
        // If that fails, a database hangs or a thread has panicked: there is
        // nothing more to try, and the connections are closed all the same.
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
fn run(mut state: RoomState, batches: &Receiver<CommittedBatch<Message, RoomEvent>>) {
    loop {
        match receive(batches, state.lists_due_in()) {
            Ok((batch, failure)) => state.apply_batch(batch, failure.as_ref()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        state.send_due_lists();
    }
}

/// Waits for the next batch, or until the lists are due.
///
/// # Errors
/// As [`Receiver::recv_timeout`].
pub fn receive<T>(batches: &Receiver<T>, due_in: Option<Duration>) -> Result<T, RecvTimeoutError> {
    match due_in {
        Some(left) => batches.recv_timeout(left),
        None => batches.recv().map_err(RecvTimeoutError::from),
    }
}

impl ChatRoom for Room {
    fn enter(&self, session: &Arc<Session>, slot: ClientSlot) -> Result<(), LoginError> {
        let joined = session.submit(|| self.committer.pass(RoomEvent::Join(session.clone(), slot)));
        joined.map_err(|stopped| LoginError::Lost(io::Error::other(stopped)))
    }

    fn leave(&self, session: &Arc<Session>) -> Result<(), Stopped> {
        session.submit(|| self.committer.pass(RoomEvent::Leave(session.clone())))
    }

    fn finish(&self) {
        // If the committer has stopped, nobody waits for this.
        let _ = self.committer.pass(RoomEvent::Shutdown(shutdown::ShutdownEvent::MemberFinished));
    }
}

#[cfg(test)]
mod tests;
