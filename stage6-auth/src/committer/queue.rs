//! What waits for the next commit.

use super::{Limits, Record, Stopped};
use crate::store::{MessageId, now};
use common::poison::IgnorePoison;
use std::sync::{Condvar, Mutex, MutexGuard};

/// Senders put in at one end, the committer takes everything at the other.
pub struct Queue<M, T> {
    limits: Limits,
    state: Mutex<State<M, T>>,
    /// Waited for by the committer alone.
    filled: Condvar,
    /// Waited for by senders that found the queue full.
    emptied: Condvar,
}

struct State<M, T> {
    batch: Batch<M, T>,
    run: i64,
    last_number: i64,
    closed: bool,
}

/// What is queued, or taken.
pub struct Batch<M, T> {
    /// Apart from the tags because the store wants them in one piece.
    pub messages: Vec<M>,
    /// In order; true when the next of `messages` belongs to it.
    pub tags: Vec<(T, bool)>,
    bytes: usize,
}

impl<M, T> Default for Batch<M, T> {
    fn default() -> Self {
        Batch { messages: Vec::new(), tags: Vec::new(), bytes: 0 }
    }
}

impl<M, T> Queue<M, T> {
    pub fn new(limits: Limits) -> Self {
        // Drawn at random, not counted: there is nowhere to keep a count, and
        // servers that share a database must not draw the same one.
        let run = rand::random::<i64>() & i64::MAX;
        let state = State { batch: Batch::default(), run, last_number: 0, closed: false };
        Queue { limits, state: Mutex::new(state), filled: Condvar::new(), emptied: Condvar::new() }
    }

    pub fn put(&self, message: Option<M>, tag: T) -> Result<(), Stopped>
    where
        M: Record,
    {
        let size = message.as_ref().map_or(0, Record::size);
        let mut state = self.lock();
        while !state.closed && state.batch.is_full(self.limits, size) {
            state = self.emptied.wait(state).ignore_poison();
        }
        if state.closed {
            return Err(Stopped);
        }
        let has_message = message.is_some();
        if let Some(mut message) = message {
            // Numbered in here, so that the numbers are in the queue's order.
            state.last_number += 1;
            message.stamp(MessageId { run: state.run, number: state.last_number }, now());
            state.batch.messages.push(message);
            state.batch.bytes += size;
        }
        state.batch.tags.push((tag, has_message));
        // Only the first one can find the committer asleep.
        if state.batch.tags.len() == 1 {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Everything that is queued, as soon as there is something; `None` when
    /// there will be no more.
    pub fn take(&self) -> Option<Batch<M, T>> {
        let mut state = self.lock();
        while state.batch.tags.is_empty() {
            if state.closed {
                return None;
            }
            state = self.filled.wait(state).ignore_poison();
        }
        let batch = std::mem::take(&mut state.batch);
        self.emptied.notify_all();
        Some(batch)
    }

    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    /// Pushing to vectors is all that happens under the lock; should memory run
    /// out in between, the process ends.
    fn lock(&self) -> MutexGuard<'_, State<M, T>> {
        self.state.lock().ignore_poison()
    }
}

impl<M, T> Batch<M, T> {
    /// An empty queue takes anything, or a message larger than the bound would wait for ever.
    fn is_full(&self, limits: Limits, more: usize) -> bool {
        let fits = self.tags.len() < limits.count && self.bytes + more <= limits.bytes;
        !fits && !self.tags.is_empty()
    }
}

/// However the committer's thread ends, by a panic too: nobody may wait for it for ever.
pub struct CloseOnDrop<'a, M, T>(pub &'a Queue<M, T>);

impl<M, T> Drop for CloseOnDrop<'_, M, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}
