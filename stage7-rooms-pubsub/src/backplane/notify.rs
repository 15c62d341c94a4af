//! Redis tells the servers that the log has grown: each publishes the id of its last
//! entry, in a channel that all have subscribed to, after each batch and once a second.
//!
//! A server also receives what it publishes itself. When that does not come for
//! [`SILENCE`], Redis is away for it, whatever the reason: ended, frozen, cut off,
//! restarted, or not allowed any longer.

use super::redis_server::{RedisServer, TIMEOUT};
use super::{ChatQueue, Status, submit, wake_committer};
use crate::room_event::RoomEvent;
use common::critical_thread;
use common::log::Log;
use redis::Connection;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// Longer than three heartbeats, so that one lost one is nothing.
const SILENCE: Duration = Duration::from_millis(3500);

/// Pauses before a connection is tried again: each is about twice as long as the one
/// before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What users are told.
const LATE: &str = "[SERVER] Redis is away: what users of other servers say may come late";
const ON_TIME: &str = "[SERVER] Redis is back: what users of other servers say comes at once again";

/// Starts the two threads that speak with Redis: one publishes, when it is `woken` and each
/// second, and one has subscribed.
pub(super) fn start(
    redis: RedisServer,
    status: &Arc<Status>,
    woken: Receiver<()>,
    queue: &Arc<ChatQueue>,
    log: &Log,
) -> io::Result<()> {
    critical_thread::spawn("publish", {
        let (redis, status, queue) = (redis.clone(), status.clone(), queue.clone());
        move || publish(&redis, &status, &woken, &queue)
    })?;
    let (status, queue, log) = (status.clone(), queue.clone(), log.clone());
    let subscriber = Subscriber { redis, status, log, queue, last_own: Instant::now() };
    critical_thread::spawn("subscribe", move || subscriber.run())?;
    Ok(())
}

/// The thread that publishes. It may hang: the committer thread does not wait for it.
fn publish(redis: &RedisServer, status: &Status, woken: &Receiver<()>, queue: &ChatQueue) {
    let mut conn = None;
    loop {
        // After the end there is a last entry to announce, and nothing after that.
        let stopped = queue.is_closed();
        if conn.is_none() {
            conn = redis.connect(TIMEOUT).ok();
        }
        // After any error the connection is of no use: it could give the answer to one
        // question for that to the next.
        if conn.as_mut().is_some_and(|conn| redis.publish(conn, status).is_err()) {
            conn = None;
        }
        if stopped {
            return;
        }
        if woken.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// The thread that has subscribed.
struct Subscriber {
    redis: RedisServer,
    status: Arc<Status>,
    log: Log,
    queue: Arc<ChatQueue>,
    /// When a message of this server itself came last.
    last_own: Instant,
}

impl Subscriber {
    fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while !self.queue.is_closed() {
            let before = self.last_own;
            // After any error the connection is thrown away. One that broke off is
            // not logged, if the next one works.
            match self.redis.connect(SILENCE) {
                Err(error) => self.is_away(&error),
                Ok(conn) => {
                    let error = self.receive(conn);
                    if self.last_own.elapsed() > SILENCE {
                        self.is_away(&error);
                    }
                }
            }
            pause = if self.last_own > before { FIRST_PAUSE } else { LONGEST_PAUSE.min(pause * 2) };
            thread::sleep(pause.mul_f64(rand::random_range(0.5..1.0)));
        }
    }

    /// Wakes the committer thread at each number that is greater than its own, until
    /// the connection fails.
    fn receive(&mut self, mut conn: Connection) -> redis::RedisError {
        let subscribed = Instant::now();
        let mut channel = conn.as_pubsub();
        if let Err(error) = channel.subscribe(&self.redis.channel) {
            return error;
        }
        while !self.queue.is_closed() {
            match channel.get_message() {
                // Others may publish here what they like: it is a reason to look, at most.
                Ok(message) => self.take(&message.get_payload::<String>().unwrap_or_default()),
                Err(error) => return error,
            }
            if self.last_own.max(subscribed).elapsed() > SILENCE {
                break;
            }
        }
        redis::RedisError::from(io::Error::new(
            io::ErrorKind::TimedOut,
            "what is published does not come back",
        ))
    }

    fn take(&mut self, text: &str) {
        let Some((run, tail)) = text.split_once(' ') else { return };
        if run.parse() == Ok(self.status.run()) {
            self.last_own = Instant::now();
            if self.status.set_redis_away(false) {
                self.log.warn(format_args!("Redis at {} is back", self.redis.url));
                submit(&self.queue, None, RoomEvent::Notice(ON_TIME));
            }
        } else if tail.parse().is_ok_and(|tail| self.status.note_announced(tail)) {
            wake_committer(&self.queue);
        }
    }

    fn is_away(&self, error: &redis::RedisError) {
        if !self.queue.is_closed() && !self.status.set_redis_away(true) {
            let why = self.redis.explain(error);
            self.log.warn(format_args!("{why}; until it is back, the log is read every 250 ms"));
            submit(&self.queue, None, RoomEvent::Notice(LATE));
        }
    }
}
