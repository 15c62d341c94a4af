//! The pipeline: the committer thread, and behind it the room thread.
//!
//! ```text
//! reader threads ─► committer thread ─► room thread ─► outboxes
//! ```
//!
//! Two threads, so that one batch is delivered while the next one is committed.
//! Everything goes through both, messages, arrivals and departures, so that there
//! is one order for all. At the moment of a client's arrival, every message is
//! either in the history that it is sent, or still behind it in the queue: it sees
//! no gap and nothing twice.

use crate::committer::{Committer, Event, QUEUE, Stopped, Submission, commit_all};
use crate::sessions::session::Session;
use crate::store::{MessageRow, Store, StoreError, rows};
use common::critical_thread;
use stage4_multichat::queue::BoundedQueue;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// What the committer hands to the room thread: a batch in its order, and why
/// something in it was refused.
pub type Batch<M, E> = (Vec<Event<M, E>>, Option<StoreError>);

/// Why a thread panics that cannot hand on a batch.
pub const ROOM_PANICKED: &str = "the room thread has panicked";

/// What the room thread owns. Only that thread calls it, so nothing in it needs a
/// lock.
pub trait RoomLogic<M, E>: Send + 'static {
    /// Applies a batch and delivers what it brings. What is in it is in the
    /// database, or was refused; `failure` is why.
    fn apply_batch(&mut self, batch: Vec<Event<M, E>>, failure: Option<&StoreError>);

    /// How long until something is to be sent without a batch; `None` if nothing is.
    fn due_in(&self) -> Option<Duration>;

    /// Sends what is due.
    fn send_due(&mut self);
}

/// The way into the pipeline, for the threads that serve clients. See the
/// [module](self).
pub struct Pipeline<M, E> {
    committer: Arc<Committer<M, E>>,
}

impl<M: MessageRow, E: Send + 'static> Pipeline<M, E> {
    /// Starts both threads. `work` is the committer's, from the queue to the room
    /// thread until the queue is closed and empty: [`group_commit`], for one server.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        work: impl FnOnce(&BoundedQueue<Submission<M, E>>, &SyncSender<Batch<M, E>>) + Send + 'static,
        mut state: impl RoomLogic<M, E>,
    ) -> io::Result<Self> {
        // One batch waits while one is delivered and one is committed. When that
        // is not enough, the committer waits, and then each reader thread.
        let (committed, batches) = sync_channel::<Batch<M, E>>(1);
        critical_thread::spawn("room", move || {
            loop {
                match receive(&batches, state.due_in()) {
                    Ok((batch, failure)) => state.apply_batch(batch, failure.as_ref()),
                    Err(RecvTimeoutError::Timeout) => {}
                    // The committer has stopped.
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                state.send_due();
            }
        })?;
        let committer = Committer::start(QUEUE, move |queue| work(queue, &committed))?;
        Ok(Pipeline { committer: Arc::new(committer) })
    }

    /// The committer, for threads that serve no client.
    pub fn committer(&self) -> &Arc<Committer<M, E>> {
        &self.committer
    }

    /// Submits an event of `session`, with the message to be stored that belongs to it, if
    /// there is one. Without one it needs no database, and has its place in the order.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn submit(&self, session: &Session, message: Option<M>, event: E) -> Result<(), Stopped> {
        session.submit(|| self.queue(message, event))
    }

    /// Submits the last event of `session` like this: it leaves.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn submit_last(&self, session: &Session, message: Option<M>, event: E) -> Result<(), Stopped> {
        session.submit_last(|| self.queue(message, event))
    }

    fn queue(&self, message: Option<M>, event: E) -> Result<(), Stopped> {
        match message {
            Some(message) => self.committer.submit(message, event),
            None => self.committer.submit_transient(event),
        }
    }

    /// Submits the last event, behind all others, and takes nothing more.
    pub fn shutdown(&self, last: E) {
        self.committer.close_with(last);
    }

    /// Takes nothing more. Returns `true` if all that was submitted is committed
    /// and handed on within `limit`.
    pub fn close(&self, limit: Duration) -> bool {
        self.committer.stop(limit)
    }
}

/// The committer's work for one server: [`commit_all`] into `store`, and on to the room
/// thread.
pub fn group_commit<M: MessageRow, E>(
    queue: &BoundedQueue<Submission<M, E>>,
    room: &SyncSender<Batch<M, E>>,
    store: &Store,
) {
    let append = |batch: &[M]| store.append(&rows(batch));
    commit_all(queue, append, |events, failure| {
        // This panic stops the committer too, and with it the server.
        room.send((events, failure)).expect(ROOM_PANICKED);
    });
}

/// Waits for the next batch, or until something is due.
fn receive<T>(batches: &Receiver<T>, due_in: Option<Duration>) -> Result<T, RecvTimeoutError> {
    match due_in {
        Some(left) => batches.recv_timeout(left),
        None => batches.recv().map_err(RecvTimeoutError::from),
    }
}
