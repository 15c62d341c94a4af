//! The pipeline: the committer thread, and after it the room thread.
//!
//! ```text
//! reader threads ─► queue ─► committer thread ─► room thread ─► outboxes
//! ```
//!
//! Two threads, so that one batch is delivered while the next one is committed.
//! Everything goes through both, messages, arrivals and departures, so that there
//! is one order for all. At the moment of a client's arrival, every message is
//! either in the history that it is sent, or after it in the queue: it sees no gap
//! and nothing twice.
//!
//! In all types here `M` is a message and `E` is what happens. Stage 6 has one of each
//! (`Message` and `RoomEvent`), and stage 7 has its own two.

use crate::committer::commit_all;
use crate::store::{MessageRow, StoreError};
use common::critical_thread;
use stage3_threads::workers::WaitGroup;
use stage4_multichat::queue::{BoundedQueue, CloseOnDrop, QueueClosed, QueueLimits};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// How much may wait for the next commit, all senders together: as many short
/// lines as one program sends in some milliseconds; with lines of full length the
/// bytes are reached first. It also bounds a transaction. A sender that finds the queue
/// full waits, and with it the socket that it reads from: that is the
/// back-pressure. Nothing that was accepted is ever dropped.
const QUEUE: QueueLimits = QueueLimits { count: 4096, bytes: 2 << 20 };

/// Changes of a list of users gather for so long, and are then sent together. Without
/// that, a thousand users who come in together would cost a thousand lists for each of
/// a thousand clients. The contract allows 250 ms; some of that is left for the way.
const LIST_DELAY: Duration = Duration::from_millis(200);

/// At the end: how long the lines that were received may take to be committed and
/// delivered. After three seconds the clients' connections are cut off, and after five the
/// server has ended.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(4500);

/// How much of that the readers have to hand in what they had received. A reader waits
/// while the queue is full.
const READERS_TIMEOUT: Duration = Duration::from_millis(2500);

/// What a thread submits and the room thread gets.
#[derive(Debug)]
pub struct Submission<M, E> {
    /// A message to be stored. The room thread finds it here if it is in the database,
    /// and `None` if it was refused: then it will be in no history.
    pub message: Option<M>,
    /// What happens. Without a message it needs no database, and has its place in the
    /// order of all submissions.
    pub event: E,
}

/// From all threads that submit, to the committer thread.
pub type Queue<M, E> = BoundedQueue<Submission<M, E>>;

/// What the committer thread hands to the room thread.
#[derive(Debug)]
pub struct Batch<M, E> {
    /// In the order in which they were submitted.
    pub submissions: Vec<Submission<M, E>>,
    /// How many messages the database has refused.
    pub refused: usize,
    /// Why, if the database could not be used. Without a reason it is their text that
    /// the database cannot hold.
    pub failure: Option<StoreError>,
}

/// From the committer thread to the room thread.
pub type RoomSender<M, E> = SyncSender<Batch<M, E>>;

/// What the room thread owns. Only that thread calls it, so nothing in it needs a
/// lock.
pub trait RoomLogic<M, E>: Send + 'static {
    /// Applies a batch and delivers what it brings. Returns `true` if a list of users has
    /// changed since the last [`send_lists`](Self::send_lists).
    fn apply_batch(&mut self, batch: Batch<M, E>) -> bool;

    /// Sends the lists of users that have changed.
    fn send_lists(&mut self);
}

/// The way into the pipeline, for the threads that serve clients. See the
/// [module](self). Its threads end after this is dropped.
pub struct Pipeline<M, E> {
    /// The reader threads, whose lines [`shutdown`](Pipeline::shutdown) waits for.
    pub readers: WaitGroup,
    queue: Arc<Queue<M, E>>,
    /// The committer thread.
    running: WaitGroup,
}

impl<M: MessageRow, E: Send + 'static> Pipeline<M, E> {
    /// Starts both threads. `append` makes a batch of messages durable
    /// ([`Store::append`](crate::store::Store::append)).
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        append: impl FnMut(&[&dyn MessageRow]) -> Result<Vec<usize>, StoreError> + Send + 'static,
        room: impl RoomLogic<M, E>,
    ) -> io::Result<Self> {
        Self::start_with(&Self::queue(), move |queue, room| commit_all(queue, append, room), room)
    }

    /// For stage 7's backplane. Starts both threads, with a committer thread that does
    /// something else: `commit` takes from the `queue` until that is closed and empty.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start_with(
        queue: &Arc<Queue<M, E>>,
        commit: impl FnOnce(&Queue<M, E>, &RoomSender<M, E>) + Send + 'static,
        room: impl RoomLogic<M, E>,
    ) -> io::Result<Self> {
        // The channel holds no batch: while one is delivered, the committer commits the next
        // one and waits with it, and then each reader thread waits. With a batch between the
        // two threads the same messages went in smaller batches, and a write costs the
        // same for a small batch as for a large one: 36 % more processor time for a
        // thousand clients.
        let (sender, batches) = sync_channel(0);
        critical_thread::spawn("room", move || run_room(room, &batches))?;
        let running = WaitGroup::default();
        critical_thread::spawn("committer", {
            let (queue, running) = (queue.clone(), running.add());
            move || {
                let _running = running;
                let _close = CloseOnDrop(&*queue);
                commit(&queue, &sender);
            }
        })?;
        Ok(Pipeline { readers: WaitGroup::default(), queue: queue.clone(), running })
    }

    /// The queue to the committer thread, empty. Stage 7's backplane needs it before the
    /// threads start.
    pub fn queue() -> Arc<Queue<M, E>> {
        Arc::new(Queue::new(QUEUE))
    }

    /// Submits an event, with the message to be stored that belongs to it, if there is
    /// one. Waits while the queue is full. `Ok` means that the room thread will get it,
    /// not that it is stored.
    ///
    /// # Errors
    /// [`QueueClosed`]: it was not queued.
    pub fn submit(&self, message: Option<M>, event: E) -> Result<(), QueueClosed> {
        let size = message.as_ref().map_or(0, MessageRow::size);
        self.queue.push(Submission { message, event }, size)
    }

    /// For a server that ends. Waits for the [reader threads](Self::readers). Then submits
    /// the `last` event, at once, however full the queue is, and takes nothing more. Returns
    /// `true` if all is committed and handed on within `limit`, of which the reader threads
    /// have 2.5 s: a database that hangs must not keep the server alive.
    pub fn shutdown(&self, last: E, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        // Otherwise a line of one client could come after the end of another.
        self.readers.wait(READERS_TIMEOUT.min(limit));
        self.queue.close(Some(Submission { message: None, event: last }));
        self.running.wait(deadline.saturating_duration_since(Instant::now())) == 0
    }
}

impl<M, E> Drop for Pipeline<M, E> {
    fn drop(&mut self) {
        // This does not wait: the database may hang.
        self.queue.close(None);
    }
}

/// What the room thread does, until the committer thread has ended.
fn run_room<M, E>(mut room: impl RoomLogic<M, E>, batches: &Receiver<Batch<M, E>>) {
    let mut lists_due: Option<Instant> = None;
    loop {
        let batch = match lists_due {
            Some(due) => batches.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => batches.recv().map_err(RecvTimeoutError::from),
        };
        match batch {
            Ok(batch) => {
                if room.apply_batch(batch) {
                    // A later change does not put the lists off.
                    lists_due.get_or_insert_with(|| Instant::now() + LIST_DELAY);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if lists_due.take_if(|due| *due <= Instant::now()).is_some() {
            room.send_lists();
        }
    }
}

#[cfg(test)]
mod tests;
