//! A bounded queue that is emptied all at once.
//!
//! Many threads put items in, one thread takes them out. When the queue is full,
//! a thread that puts something in waits. If it is a thread that reads from a
//! client, it reads nothing meanwhile, the client's socket fills up, and TCP
//! makes the client wait: that is back-pressure (RFC 9293, 3.8.6: the window).
//!
//! Why not `std::sync::mpsc::sync_channel`: it counts items and not bytes, and
//! gives them out one by one. What comes out here at once is sent in one write.

// `super::sync` is the standard library's, or, in a test that tries thousands of
// interleavings, a model of it.
use super::sync::{Condvar, Mutex, MutexGuard};
use common::poison::IgnorePoison;

/// How much may wait in a [`BoundedQueue`].
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// Items.
    pub count: usize,
    /// Bytes, as each [`push`](BoundedQueue::push) says.
    pub bytes: usize,
}

/// The queue is closed: it takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the thread that empties the queue has ended")]
pub struct QueueClosed;

/// See the [module](self).
pub struct BoundedQueue<T> {
    limits: QueueLimits,
    state: Mutex<State<T>>,
    /// Waited for by the thread that takes.
    filled: Condvar,
    /// Waited for by threads that found the queue full.
    emptied: Condvar,
}

struct State<T> {
    items: Vec<T>,
    bytes: usize,
    closed: bool,
}

impl<T> BoundedQueue<T> {
    /// An empty queue.
    pub fn new(limits: QueueLimits) -> Self {
        let state = State { items: Vec::new(), bytes: 0, closed: false };
        BoundedQueue { limits, state: Mutex::new(state), filled: Condvar::new(), emptied: Condvar::new() }
    }

    /// Puts in an item of so many `bytes`. Waits while the queue is full. An
    /// empty queue takes an item of any size.
    ///
    /// # Errors
    /// [`QueueClosed`]: the item was not put in.
    pub fn push(&self, item: T, bytes: usize) -> Result<(), QueueClosed> {
        let mut state = self.lock();
        while !state.closed && state.is_full(self.limits, bytes) {
            state = self.emptied.wait(state).ignore_poison();
        }
        if state.closed {
            return Err(QueueClosed);
        }
        state.items.push(item);
        state.bytes += bytes;
        // The taking thread sleeps only while the queue is empty.
        if state.items.len() == 1 {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// From stage 7 on, where the taking thread has another source too: puts in an item that
    /// only wakes it, unless there is something in the queue already. Never waits.
    pub fn push_if_empty(&self, item: T) {
        let mut state = self.lock();
        if state.items.is_empty() && !state.closed {
            state.items.push(item);
            self.filled.notify_one();
        }
    }

    /// Takes everything, as soon as there is something. `None`: the queue is closed and
    /// empty.
    pub fn take_all(&self) -> Option<Vec<T>> {
        let mut state = self.lock();
        while state.items.is_empty() {
            if state.closed {
                return None;
            }
            state = self.filled.wait(state).ignore_poison();
        }
        state.bytes = 0;
        let items = std::mem::take(&mut state.items);
        self.emptied.notify_all();
        Some(items)
    }

    /// Returns `true` if the queue takes nothing more.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes nothing more from now on. What is in the queue can still be taken, and
    /// after it the `last` item, which is put in at once, however full the queue is.
    /// Without effect if the queue is closed.
    pub fn close(&self, last: Option<T>) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.closed, true) {
            state.items.extend(last);
        }
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().ignore_poison()
    }
}

impl<T> State<T> {
    fn is_full(&self, limits: QueueLimits, more: usize) -> bool {
        !self.items.is_empty() && (self.items.len() >= limits.count || self.bytes + more > limits.bytes)
    }
}

/// Closes the queue when the taking thread ends, by a panic too, so that no
/// thread waits for room for ever.
pub struct CloseOnDrop<'a, T>(pub &'a BoundedQueue<T>);

impl<T> Drop for CloseOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.close(None);
        // What is left is dropped here, and with it what it owns.
        drop(self.0.take_all());
    }
}
