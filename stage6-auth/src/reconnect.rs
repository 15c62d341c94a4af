//! Reconnecting after a lost connection: exponential back-off, with jitter.

use crate::send_queue::SendQueue;
use std::time::Duration;

/// The first pause before an attempt, and the longest. Each is about twice as
/// long as the one before, so that a server that has trouble gets less of it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A new connection, after one attempt or many; `None` when it is no longer wanted.
/// `attempts` counts those since the last login. `connect` returns `None` when
/// another attempt may do better.
///
/// # Errors
/// What `connect` returns: then no attempt will do better.
pub fn reconnect<C>(
    connect: impl Fn() -> anyhow::Result<Option<C>>,
    attempts: &mut u32,
    queue: &SendQueue,
) -> anyhow::Result<Option<C>> {
    loop {
        let pause = LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.saturating_pow((*attempts).min(16)));
        *attempts += 1;
        // Not all clients of a server that was started again at the same moment.
        let jitter = rand::random_range(0.75..1.0);
        if !queue.pause(pause.mul_f64(jitter)) {
            return Ok(None);
        }
        if let Some(connection) = connect()? {
            return Ok(Some(connection));
        }
    }
}
