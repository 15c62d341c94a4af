//! Redis tells the servers that the log has grown: each publishes the id of its last
//! entry, in a channel that all have subscribed to, after each batch and once a second.
//!
//! What a server publishes it hears itself. When it does not hear itself for
//! [`SILENCE`], Redis is away for it, whatever the reason: ended, frozen, cut off,
//! restarted, or not allowed any longer.

use super::{ChatQueue, Status, submit};
use crate::room_event::RoomEvent;
use common::critical_thread;
use common::log::Log;
use redis::{Client, Connection, ConnectionInfo, IntoConnectionInfo, ServerErrorKind};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// Longer than three heartbeats, so that one lost one is nothing.
const SILENCE: Duration = Duration::from_millis(3500);
const TIMEOUT: Duration = Duration::from_secs(2);

/// Pauses before a connection is tried again: each is about twice as long as the one
/// before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What users are told.
const LATE: &str = "[SERVER] Redis is away: what users of other servers say may come late";
const ON_TIME: &str = "[SERVER] Redis is back: what users of other servers say comes at once again";

/// `redis://[user:password@]host:port`, as given. Neither `{}` nor `{:?}` shows the password.
#[derive(Clone)]
pub struct RedisUrl(pub(super) String);

impl RedisUrl {
    fn parse(&self) -> Result<ConnectionInfo, RedisError> {
        if !self.0.starts_with("redis://") {
            return Err(RedisError::Url);
        }
        self.0.as_str().into_connection_info().map_err(|_| RedisError::Url)
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parse() {
            Ok(info) => write!(f, "{}", info.addr()),
            Err(_) => f.write_str("redis://…"),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

/// Why Redis is of no use. No text repeats the URL, which may hold a password.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RedisError {
    /// Not of the form.
    #[error("--backplane needs the form redis://host:port or redis://user:password@host:port")]
    Url,
    /// Wrong or missing password.
    #[error(
        "Redis at {0} does not let this account in; check user and password in --backplane or CHAT_BACKPLANE"
    )]
    Denied(RedisUrl),
    /// The account may not use the channel.
    #[error(
        "Redis at {0} does not allow this account to publish or subscribe: ACL SETUSER … &chat:* +publish +subscribe"
    )]
    NotAllowed(RedisUrl),
    /// Not there, or something else is.
    #[error("Redis at {0} cannot be used: {1}; is it running there, and is it a Redis?")]
    Unusable(RedisUrl, String),
    /// It answers, but nothing comes through.
    #[error("Redis at {0} answers, but what is published there does not come back; is it a Redis?")]
    Deaf(RedisUrl),
}

/// See the [module](self).
pub struct Notifier {
    redis: Redis,
    status: Arc<Status>,
    /// Wakes the thread that publishes.
    told: Receiver<()>,
    log: Log,
    publisher: Connection,
    subscriber: Connection,
}

/// Where, and which channel.
#[derive(Clone)]
struct Redis {
    url: RedisUrl,
    client: Client,
    channel: String,
}

impl Redis {
    /// A connection whose every wait is bounded.
    fn connect(&self, read_timeout: Duration) -> redis::RedisResult<Connection> {
        let conn = self.client.get_connection_with_timeout(TIMEOUT)?;
        conn.set_read_timeout(Some(read_timeout))?;
        conn.set_write_timeout(Some(TIMEOUT))?;
        Ok(conn)
    }

    fn explain(&self, error: &redis::RedisError) -> RedisError {
        match error.kind() {
            redis::ErrorKind::AuthenticationFailed => RedisError::Denied(self.url.clone()),
            redis::ErrorKind::Server(ServerErrorKind::NoPerm) => RedisError::NotAllowed(self.url.clone()),
            _ if error.code() == Some("NOAUTH") || error.code() == Some("WRONGPASS") => {
                RedisError::Denied(self.url.clone())
            }
            // The library's own text is several lines of what it had expected.
            redis::ErrorKind::Parse | redis::ErrorKind::UnexpectedReturnType => RedisError::Unusable(
                self.url.clone(),
                "what answers there speaks another protocol".to_owned(),
            ),
            _ => RedisError::Unusable(self.url.clone(), error.to_string()),
        }
    }

    fn publish(&self, conn: &mut Connection, status: &Status) -> redis::RedisResult<()> {
        let text = format!("{} {}", status.run(), status.tail());
        redis::cmd("PUBLISH").arg(&self.channel).arg(text).exec(conn)
    }
}

impl Notifier {
    /// Connects, and tries whether what is published comes back. `chat` names the
    /// database, so that two chats on one Redis do not disturb each other.
    ///
    /// # Errors
    /// [`RedisError`].
    pub(super) fn connect(
        url: &RedisUrl,
        chat: &str,
        status: &Arc<Status>,
        told: Receiver<()>,
        log: &Log,
    ) -> Result<Self, RedisError> {
        let client = Client::open(url.parse()?).map_err(|_| RedisError::Url)?;
        let redis = Redis { url: url.clone(), client, channel: format!("chat:{chat}") };
        let connect = || -> redis::RedisResult<_> {
            let mut publisher = redis.connect(TIMEOUT)?;
            let mut subscriber = redis.connect(SILENCE)?;
            let mut channel = subscriber.as_pubsub();
            channel.subscribe(&redis.channel)?;
            redis.publish(&mut publisher, status)?;
            let own = status.run().to_string();
            let deadline = Instant::now() + TIMEOUT;
            let mut heard = false;
            while !heard && Instant::now() < deadline {
                heard = channel.get_message()?.get_payload::<String>()?.starts_with(&own);
            }
            drop(channel);
            // Dropping that has unsubscribed.
            drop(subscriber);
            Ok((publisher, redis.connect(SILENCE)?, heard))
        };
        let (publisher, subscriber, heard) = connect().map_err(|error| redis.explain(&error))?;
        if !heard {
            return Err(RedisError::Deaf(url.clone()));
        }
        Ok(Notifier { redis, status: status.clone(), told, log: log.clone(), publisher, subscriber })
    }

    /// Starts the two threads: one that publishes, one that listens.
    pub(super) fn start(self, queue: &Arc<ChatQueue>) -> io::Result<()> {
        let Notifier { redis, status, told, log, publisher, subscriber } = self;
        critical_thread::spawn("publish", {
            let (redis, status, queue) = (redis.clone(), status.clone(), queue.clone());
            move || publish(&redis, &status, &told, publisher, &queue)
        })?;
        let listener = Listener { redis, status, log, queue: queue.clone(), heard_self: Instant::now() };
        critical_thread::spawn("subscribe", move || listener.listen(subscriber))?;
        Ok(())
    }
}

/// The thread that publishes. It is of no matter when it hangs: the committer does
/// not wait for it.
fn publish(redis: &Redis, status: &Status, told: &Receiver<()>, conn: Connection, queue: &ChatQueue) {
    let mut conn = Some(conn);
    loop {
        // After the end there is a last entry to tell of, and then no more.
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
        let wait = if conn.is_some() { HEARTBEAT } else { HEARTBEAT.mul_f64(rand::random_range(0.5..1.0)) };
        if told.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// The thread that listens.
struct Listener {
    redis: Redis,
    status: Arc<Status>,
    log: Log,
    queue: Arc<ChatQueue>,
    heard_self: Instant,
}

impl Listener {
    fn listen(mut self, conn: Connection) {
        let mut next = Ok(conn);
        let mut pause = FIRST_PAUSE;
        while !self.queue.is_closed() {
            let before = self.heard_self;
            // After any error the connection is thrown away. That one broke off is
            // nothing to tell, if the next one works.
            match next {
                Err(error) => self.is_away(&error),
                Ok(conn) => {
                    let error = self.hear(conn);
                    if self.heard_self.elapsed() > SILENCE {
                        self.is_away(&error);
                    }
                }
            }
            pause = if self.heard_self > before { FIRST_PAUSE } else { LONGEST_PAUSE.min(pause * 2) };
            thread::sleep(pause.mul_f64(rand::random_range(0.5..1.0)));
            next = self.redis.connect(SILENCE);
        }
    }

    /// Wakes the committer thread at each number that is greater than its own, until
    /// the connection fails.
    fn hear(&mut self, mut conn: Connection) -> redis::RedisError {
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
            if self.heard_self.max(subscribed).elapsed() > SILENCE {
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
            self.heard_self = Instant::now();
            if self.status.set_redis_away(false) {
                self.log.warn(format_args!("Redis at {} is back", self.redis.url));
                submit(&self.queue, None, RoomEvent::Notice(ON_TIME));
            }
        } else if tail.parse().is_ok_and(|tail| self.status.hear(tail)) {
            self.status.wake(&self.queue);
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
