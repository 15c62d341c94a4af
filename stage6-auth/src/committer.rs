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
//! message, goes through the same queue.

use crate::pipeline::{Batch, Queue, RoomSender};
use crate::store::{MessageId, MessageRow, StoreError, now};
use std::time::{Duration, Instant};

/// What the committer thread does, until the queue is closed and empty.
///
/// `append` makes a batch durable and returns the indices, in that batch, of messages that the
/// database cannot take, now or ever. While the room thread delivers a batch, the next one
/// gathers and is committed.
pub(crate) fn commit_all<M: MessageRow, E>(
    queue: &Queue<M, E>,
    mut append: impl FnMut(&[&dyn MessageRow]) -> Result<Vec<usize>, StoreError>,
    room: &RoomSender<M, E>,
) {
    let mut breaker = CircuitBreaker::default();
    // Drawn at random, not counted: there is nowhere to keep a count, and servers
    // that share a database must not draw the same one.
    let mut id = MessageId { run: rand::random::<i64>() & i64::MAX, number: 0 };
    while let Some(mut submissions) = queue.take_all() {
        // `rows[i]` is the message of `submissions[positions[i]]`.
        let (mut rows, mut positions): (Vec<&dyn MessageRow>, _) = (Vec::new(), Vec::new());
        for (position, submission) in submissions.iter_mut().enumerate() {
            let Some(message) = &mut submission.message else { continue };
            id.number += 1;
            message.stamp(id, now());
            rows.push(message);
            positions.push(position);
        }
        let stored = if rows.is_empty() { Ok(Vec::new()) } else { breaker.attempt(|| append(&rows)) };
        let (refused, failure) = match stored {
            Ok(refused) => (refused, None),
            Err(error) => ((0..rows.len()).collect(), Some(error)),
        };
        for &row in &refused {
            submissions[positions[row]].message = None;
        }
        let batch = Batch { submissions, refused: refused.len(), failure };
        room.send(batch).expect("this thread ends with the room thread, if that panics");
    }
    // The last chance to retract what is in doubt; see `crate::store`. No user waits for
    // it any longer, and a server that ends waits only as long as `Pipeline::shutdown` does.
    let _ = append(&[]);
}

/// A circuit breaker: a database that is down must not hold up all users. For a
/// while after a failure no attempt is made, and messages are refused at once.
#[derive(Default)]
pub struct CircuitBreaker(Option<(Instant, StoreError)>);

impl CircuitBreaker {
    const SHORTEST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(2);

    /// Uses the database by `attempt`.
    ///
    /// # Errors
    /// Why the attempt failed; or why the last one did, if that was a moment ago.
    pub fn attempt<R>(&mut self, attempt: impl FnOnce() -> Result<R, StoreError>) -> Result<R, StoreError> {
        if let Some((until, error)) = &self.0
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        let started = Instant::now();
        self.0 = None;
        attempt().inspect_err(|error| {
            // The pause grows with what the attempt cost: one that is refused at
            // once can be repeated soon, one that hangs for seconds may not
            // take up all the time.
            let pause = (started.elapsed() * 2).clamp(Self::SHORTEST, Self::LONGEST);
            self.0 = Some((Instant::now() + pause, error.clone()));
        })
    }
}
