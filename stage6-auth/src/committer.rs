//! Group commit: messages are made durable together, and go out in order.
//!
//! A commit that survives a power cut waits for the disk, 0.1 ms on a good one
//! and 5 ms on a poor one. A commit for each message would cap the chat at so
//! many messages a second. So one thread commits for all: it takes whatever
//! has queued up while its last commit was waiting for the disk, commits that
//! in one transaction, and hands it on. It never waits for more messages: alone, a
//! message goes at once, and the busier the chat, the more messages share a
//! commit. Nothing has to be tuned.
//!
//! The same thread hands everything on, so there is one order for all, which
//! is also the order of the history. What must keep its place among the
//! messages and needs no database, such as "alice left" after alice's last
//! message, goes through the same queue ([`Committer::submit_transient`]).

use crate::store::{MessageId, MessageRow, StoreError, now};
use common::critical_thread;
use common::poison::IgnorePoison;
use stage4_multichat::queue::{BoundedQueue, CloseOnDrop, QueueClosed, QueueLimits};
use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How much may wait for the next commit, all senders together: as many short
/// lines as ten busy senders have in flight; with lines of full length the bytes
/// are reached first. It also bounds a transaction. A sender that finds the queue
/// full waits, and with it the socket that it reads from: that is the
/// back-pressure. Nothing that was accepted is ever dropped.
pub const QUEUE: QueueLimits = QueueLimits { count: 4096, bytes: 2 << 20 };

/// What became of something that was submitted, with the tag `T` that its
/// sender gave it.
#[derive(Debug)]
pub enum Event<M, T> {
    /// It is in the database: send it on.
    Stored(M, T),
    /// It is not, and will be in no history: tell its sender.
    Refused(M, T),
    /// It needed no database, and this is its place in the order.
    Transient(T),
}

impl<M, T> Event<M, T> {
    /// The message, if it is in the database, and the tag.
    pub fn into_stored(self) -> (Option<M>, T) {
        match self {
            Event::Stored(message, tag) => (Some(message), tag),
            Event::Refused(_, tag) | Event::Transient(tag) => (None, tag),
        }
    }
}

/// The committer has been stopped, or its thread has died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the committer has stopped")]
pub struct Stopped;

impl From<QueueClosed> for Stopped {
    fn from(_: QueueClosed) -> Self {
        Stopped
    }
}

/// What waits in the queue.
pub struct Submission<M, T> {
    /// To be stored; `None` for an event that only has its place in the order.
    pub message: Option<M>,
    /// The sender's.
    pub tag: T,
}

/// The queue and the thread behind it, which ends when this is dropped.
pub struct Committer<M, T> {
    queue: Arc<BoundedQueue<Submission<M, T>>>,
    /// Nothing is sent here. The thread drops the other end when it has ended.
    ended: Mutex<Receiver<Infallible>>,
}

impl<M: MessageRow, T: Send + 'static> Committer<M, T> {
    /// Starts the thread. Its `work` takes from the queue until that is closed and
    /// empty: [`commit_all`], or what several servers do in its place.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        limits: QueueLimits,
        work: impl FnOnce(&BoundedQueue<Submission<M, T>>) + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(BoundedQueue::new(limits));
        let (ends, ended) = channel();
        critical_thread::spawn("committer", {
            let queue = queue.clone();
            move || {
                let _ends = ends;
                let _close = CloseOnDrop(&*queue);
                work(&queue);
            }
        })?;
        Ok(Committer { queue, ended: Mutex::new(ended) })
    }

    /// Queues a message; waits while the queue is full. `Ok` means that an
    /// event for it will come, not that it is stored.
    ///
    /// # Errors
    /// [`Stopped`]: it was not queued and no event will come.
    pub fn submit(&self, message: M, tag: T) -> Result<(), Stopped> {
        let size = message.size();
        Ok(self.queue.push(Submission { message: Some(message), tag }, size)?)
    }

    /// Queues an event that needs no database but has its place in the order.
    /// It comes through even while the database is down.
    ///
    /// # Errors
    /// [`Stopped`], as for [`Committer::submit`].
    pub fn submit_transient(&self, tag: T) -> Result<(), Stopped> {
        Ok(self.queue.push(Submission { message: None, tag }, 0)?)
    }

    /// Queues the last event, at once, however full the queue is, and takes
    /// nothing more.
    pub fn close_with(&self, tag: T) {
        self.queue.close_with(Some(Submission { message: None, tag }));
    }

    /// Returns `true` if it takes nothing more.
    pub fn is_stopped(&self) -> bool {
        self.queue.is_closed()
    }

    /// Takes nothing more, and commits and hands on what is queued. Returns `true` if
    /// that was done within `limit`: a database that hangs must not keep the server alive.
    pub fn stop(&self, limit: Duration) -> bool {
        self.queue.close();
        self.ended.lock().ignore_poison().recv_timeout(limit) == Err(RecvTimeoutError::Disconnected)
    }
}

impl<M, T> Drop for Committer<M, T> {
    fn drop(&mut self) {
        self.queue.close();
        let _ = self.ended.get_mut().ignore_poison().recv();
    }
}

/// What the committer thread does, until the queue is closed and empty.
///
/// `append` makes a batch durable ([`crate::store::Store::append`]). `on_committed`
/// gets each batch's events in the order of submission, with the error when the
/// batch was refused; while it runs, the next batch gathers. It must not block for
/// long, and must not submit.
pub fn commit_all<M: MessageRow, T>(
    queue: &BoundedQueue<Submission<M, T>>,
    mut append: impl FnMut(&[M]) -> Result<Vec<usize>, StoreError>,
    mut on_committed: impl FnMut(Vec<Event<M, T>>, Option<StoreError>),
) {
    let mut breaker = CircuitBreaker::default();
    // Drawn at random, not counted: there is nowhere to keep a count, and servers
    // that share a database must not draw the same one.
    let mut id = MessageId { run: rand::random::<i64>() & i64::MAX, number: 0 };
    while let Some(batch) = queue.take_all() {
        let (mut messages, mut tags) = (Vec::new(), Vec::with_capacity(batch.len()));
        for Submission { message, tag } in batch {
            tags.push((tag, message.is_some()));
            if let Some(mut message) = message {
                id.number += 1;
                message.stamp(id, now());
                messages.push(message);
            }
        }
        let (refused, failure) = match messages.is_empty() {
            true => (Vec::new(), None),
            false => match breaker.attempt(|| append(&messages)) {
                Ok(refused) => (refused, None),
                Err(error) => (Vec::new(), Some(error)),
            },
        };
        let mut messages = messages.into_iter().enumerate();
        let event = |(tag, has_message): (T, bool)| match has_message.then(|| messages.next()).flatten() {
            None => Event::Transient(tag),
            Some((index, message)) if failure.is_some() || refused.contains(&index) => {
                Event::Refused(message, tag)
            }
            Some((_, message)) => Event::Stored(message, tag),
        };
        let events = tags.into_iter().map(event).collect();
        on_committed(events, failure);
    }
    // The last chance to retract what is in doubt; see `crate::store`.
    let _ = append(&[]);
}

/// A circuit breaker: a database that is down must not hold up all users. For a
/// while after a failure no attempt is made, and messages are refused at once.
#[derive(Default)]
struct CircuitBreaker(Option<(Instant, StoreError)>);

impl CircuitBreaker {
    const SHORTEST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(2);

    fn attempt<R>(&mut self, append: impl FnOnce() -> Result<R, StoreError>) -> Result<R, StoreError> {
        if let Some((until, error)) = &self.0
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        let started = Instant::now();
        self.0 = None;
        append().inspect_err(|error| {
            // The pause grows with what the attempt cost: one that is refused at
            // once can be repeated soon, one that hangs for seconds may not
            // take up all the time.
            let pause = (started.elapsed() * 2).clamp(Self::SHORTEST, Self::LONGEST);
            self.0 = Some((Instant::now() + pause, error.clone()));
        })
    }
}

#[cfg(test)]
mod tests;
