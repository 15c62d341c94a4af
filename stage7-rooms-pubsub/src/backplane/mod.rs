//! Several servers as one chat: `--backplane redis://… --db mysql://…`.
//!
//! ```text
//!   server A                      MySQL: the log                    server B
//!   readers ─► committer thread ──── append ───► 1 2 3 4 … ◄─── read ── committer thread ─► room thread
//!                    └───── "the log has 4 entries" ──► Redis ──► "…" ──┘ wakes it
//! ```
//!
//! **MySQL orders, Redis tells.** What users say, and who comes, moves and goes, are
//! entries of one [`log`], the table of messages. Each server reads it from its
//! beginning to its end and applies entry by entry to the state of its room thread,
//! so all servers have the same state at the same place of the log: a *replicated
//! state machine* (Schneider, 1990). What the log says last about a name counts
//! everywhere, so no lock is needed.
//!
//! Redis carries nothing but the number of the last entry that cannot be lost (see
//! [`log`]). It may lose that, double it, come back empty or with old data: then an
//! entry comes up to 250 ms later, by the poll, and that is all. It cannot invent a
//! message either. Carrying the entries themselves would save one indexed query for each
//! batch; each of them would have to be checked against the database all the same.
//!
//! Which servers live, the database says too ([`liveness`]).
//!
//! Beside the committer thread ([`writer`]) there are four: *publish* and *subscribe*
//! ([`notify`]) speak with Redis, *poll* ([`poll`]) has the log read in any case, and
//! *liveness*. They end when the queue is closed.

mod change;
mod liveness;
mod local_clients;
mod log;
mod notify;
mod pending;
mod redis_server;
mod status;
mod unconfirmed;
mod writer;

pub use change::{Change, Login};
pub use status::Status;
pub(crate) use writer::LogWriter;

use crate::addressed_message::{AddressedMessage, PrivateKind};
use crate::room_event::RoomEvent;
use anyhow::bail;
use clap::builder::{StringValueParser, TypedValueParser};
use common::critical_thread;
use common::log::Log;
use liveness::Liveness;
use log::{SharedLog, Snapshot};
use mysql::prelude::Queryable;
use redis_server::{RedisServer, RedisUrl};
use stage6_auth::pipeline::{Pipeline, Queue, Submission};
use stage6_auth::store::{DbUrl, MessageId, MessageRow, Schema, Store, now};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How often the log is read without a reason: each second, and more often while
/// Redis is away.
const POLL: Duration = Duration::from_secs(1);
const POLL_WITHOUT_REDIS: Duration = Duration::from_millis(250);

/// `--backplane`.
#[derive(clap::Args, Clone, Debug)]
pub struct BackplaneArgs {
    /// A Redis, through which servers that share a MySQL database are one chat:
    /// redis://[user:password@]host:port
    ///
    /// Everyone on this machine can read a program's arguments (ps), so a URL
    /// with a password is better given in the environment variable CHAT_BACKPLANE.
    // Any text is taken here: clap's own error message would repeat it, password and all.
    #[arg(long, env = "CHAT_BACKPLANE", hide_env_values = true, value_name = "URL")]
    #[arg(value_parser = StringValueParser::new().map(RedisUrl))]
    pub backplane: Option<RedisUrl>,
}

/// The queue to the committer thread of a chat, and what is in it.
pub type ChatQueue = Queue<AddressedMessage, RoomEvent>;
type ChatSubmission = Submission<AddressedMessage, RoomEvent>;

/// One of several servers, whose committer thread does not run yet.
pub struct Backplane {
    /// What several threads know.
    pub(crate) status: Arc<Status>,
    pub(crate) queue: Arc<ChatQueue>,
    /// For the committer thread.
    pub(crate) writer: LogWriter,
    /// What has happened before.
    pub(crate) snapshot: Snapshot,
}

impl BackplaneArgs {
    /// Becomes one of the servers; `None` without the option. Connects to the database and
    /// to Redis, appends to the log that this server has started, reads what had happened
    /// before, with the last `history` messages of the lobby from `store`, and starts the
    /// threads beside the committer thread. They end when the queue is closed. `private` are
    /// the kinds of private messages, all of this stage.
    ///
    /// # Errors
    /// When the database or Redis cannot be used for that, or no thread started.
    pub fn start(
        &self,
        db: &DbUrl,
        store: &Store,
        schema: &Schema,
        private: &'static [&'static PrivateKind],
        history: usize,
        log: &Log,
    ) -> anyhow::Result<Option<Backplane>> {
        let Some(redis) = &self.backplane else { return Ok(None) };
        let DbUrl::MySql(mysql) = db else {
            bail!(
                "several servers need a database server: give --db mysql://user:password@host:port/database too"
            )
        };
        let mut shared = SharedLog::open(mysql, schema, private, log)?;
        // The database's own name for itself: the servers may call it by different ones.
        let chat_name = "SELECT CONCAT(@@hostname, ':', @@port, '/', DATABASE())";
        let chat: Option<String> = shared.database().with(|conn| conn.query_first(chat_name))?;
        let (status, woken) = Status::new();
        let status = Arc::new(status);
        let server = RedisServer::new(redis, &chat.unwrap_or_default())?;
        server.check(&status)?;
        let liveness = Liveness::start(shared.database(), &status, log)?;
        log.info(format_args!("one of several servers of {db}, through Redis at {redis}"));

        let mut start = Change::Start.entry("");
        start.stamp(MessageId { run: status.run(), number: 1 }, now());
        let snapshot = shared.start(&start, store, history)?;
        snapshot.presence.iter().for_each(|entry| status.note(entry));

        let queue = Pipeline::queue();
        notify::start(server, &status, woken, &queue, log)?;
        liveness.watch(&queue)?;
        poll(&status, &queue)?;
        let writer = LogWriter::new(shared, &status, log);
        Ok(Some(Backplane { status, queue, writer, snapshot }))
    }
}

/// Starts the thread that has the log read now and then.
fn poll(status: &Arc<Status>, queue: &Arc<ChatQueue>) -> io::Result<()> {
    let (status, queue) = (status.clone(), queue.clone());
    critical_thread::spawn("poll", move || {
        while !queue.is_closed() {
            wake_committer(&queue);
            thread::sleep(if status.redis_is_away() { POLL_WITHOUT_REDIS } else { POLL });
        }
    })?;
    Ok(())
}

/// Has the committer thread read the log.
fn wake_committer(queue: &ChatQueue) {
    queue.push_if_empty(Submission { message: None, event: RoomEvent::Replicated });
}

/// Submits something that is not a client's.
fn submit(queue: &ChatQueue, message: Option<AddressedMessage>, event: RoomEvent) {
    // If the queue is closed, the server ends, and nothing of this matters any longer.
    let _ = queue.push(Submission { message, event }, 0);
}
