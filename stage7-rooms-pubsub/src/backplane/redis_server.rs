//! The Redis of a chat: where it is, the connections to it, and what can be wrong with it.

use super::Status;
use redis::{Client, Connection, ConnectionInfo, ErrorKind, IntoConnectionInfo, ServerErrorKind};
use std::fmt;
use std::time::{Duration, Instant};

/// How long a connection, a write or an answer may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);

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
    /// Where it is, what is wrong with it, and what to do about it.
    #[error("Redis at {0} {1}")]
    Unusable(RedisUrl, String),
}

const DENIED: &str = "does not let this account in; check user and password in --backplane or CHAT_BACKPLANE";
const NOT_ALLOWED: &str =
    "does not allow this account to publish or subscribe: ACL SETUSER … &chat:* +publish +subscribe";

/// Where Redis is, and which channel the servers of this chat use.
#[derive(Clone)]
pub(super) struct RedisServer {
    pub url: RedisUrl,
    client: Client,
    pub channel: String,
}

impl RedisServer {
    /// `chat` names the database, so that two chats on one Redis do not disturb each other.
    pub fn new(url: &RedisUrl, chat: &str) -> Result<Self, RedisError> {
        let client = Client::open(url.parse()?).map_err(|_| RedisError::Url)?;
        Ok(RedisServer { url: url.clone(), client, channel: format!("chat:{chat}") })
    }

    /// A connection whose every wait is bounded.
    pub fn connect(&self, read_timeout: Duration) -> redis::RedisResult<Connection> {
        let conn = self.client.get_connection_with_timeout(TIMEOUT)?;
        conn.set_read_timeout(Some(read_timeout))?;
        conn.set_write_timeout(Some(TIMEOUT))?;
        Ok(conn)
    }

    pub fn publish(&self, conn: &mut Connection, status: &Status) -> redis::RedisResult<()> {
        let text = format!("{} {}", status.run(), status.tail());
        redis::cmd("PUBLISH").arg(&self.channel).arg(text).exec(conn)
    }

    /// Tries whether what is published comes back.
    pub fn check(&self, status: &Status) -> Result<(), RedisError> {
        let comes_back = || -> redis::RedisResult<bool> {
            let mut subscriber = self.connect(TIMEOUT)?;
            let mut channel = subscriber.as_pubsub();
            channel.subscribe(&self.channel)?;
            self.publish(&mut self.connect(TIMEOUT)?, status)?;
            let (own, deadline) = (status.run().to_string(), Instant::now() + TIMEOUT);
            let mut heard = false;
            while !heard && Instant::now() < deadline {
                heard = channel.get_message()?.get_payload::<String>()?.starts_with(&own);
            }
            Ok(heard)
        };
        match comes_back().map_err(|error| self.explain(&error))? {
            true => Ok(()),
            false => {
                Err(self.unusable("answers, but what is published there does not come back; is it a Redis?"))
            }
        }
    }

    /// What is wrong, with what to do about it.
    pub fn explain(&self, error: &redis::RedisError) -> RedisError {
        let is_denied = error.kind() == ErrorKind::AuthenticationFailed
            || error.code().is_some_and(|code| ["NOAUTH", "WRONGPASS"].contains(&code));
        let cause = match error.kind() {
            // The library's own text is several lines of what it had expected.
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
                "what answers there speaks another protocol"
            }
            _ => &error.to_string(),
        };
        let not_running = format!("cannot be used: {cause}; is it running there, and is it a Redis?");
        self.unusable(match error.kind() {
            _ if is_denied => DENIED,
            ErrorKind::Server(ServerErrorKind::NoPerm) => NOT_ALLOWED,
            _ => &not_running,
        })
    }

    fn unusable(&self, why: &str) -> RedisError {
        RedisError::Unusable(self.url.clone(), why.to_owned())
    }
}
