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
//! message either. Carrying the entries
//! themselves would save one indexed query for each batch; each of them would then
//! have to be checked against the database all the same.
//!
//! Which servers live, the database says too ([`liveness`]).

mod liveness;
mod local_clients;
pub mod log;
mod notify;
mod status;
mod unconfirmed;
mod writer;

pub use liveness::Liveness;
pub use notify::Notifier;
pub use status::Status;

use crate::addressed_message::{AddressedMessage, Change, PrivateKind};
use crate::room_state::RoomEvent;
use clap::builder::{StringValueParser, TypedValueParser};
use common::log::Log;
use log::{SharedLog, Snapshot, entry};
use notify::RedisUrl;
use stage6_auth::committer::Committer;
use stage6_auth::sessions::name_registry::OnDuplicate;
pub use stage6_auth::store::Schema;
use stage6_auth::store::{DbUrl, Store, StoreError};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use writer::LogWriter;

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

/// Why the servers cannot be one chat.
#[derive(Debug, thiserror::Error)]
pub enum BackplaneError {
    /// `--backplane` and SQLite.
    #[error("several servers need a database server: give --db mysql://user:password@host:port/database too")]
    NeedsMySql,
    /// Redis does not do what is needed.
    #[error(transparent)]
    Redis(#[from] notify::RedisError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No thread can be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

impl BackplaneArgs {
    /// Connects to the database and to Redis; `None` without the option. `private` are
    /// the ways of saying something in private, all of this stage.
    ///
    /// # Errors
    /// [`BackplaneError`].
    pub fn connect(
        &self,
        db: &DbUrl,
        schema: &Schema,
        private: &'static [&'static PrivateKind],
        on_duplicate: OnDuplicate,
        log: &Log,
    ) -> Result<Option<Backplane>, BackplaneError> {
        let Some(redis) = &self.backplane else { return Ok(None) };
        let DbUrl::MySql(mysql) = db else { return Err(BackplaneError::NeedsMySql) };
        let shared = SharedLog::open(mysql, schema, private, log)?;
        // The database's own name for itself: the servers may call it by different ones.
        let chat: Option<String> = shared.database().with(|conn| {
            mysql::prelude::Queryable::query_first(
                conn,
                "SELECT CONCAT(@@hostname, ':', @@port, '/', DATABASE())",
            )
        })?;
        let (status, told) = Status::new();
        let status = Arc::new(status);
        let notifier = Notifier::connect(redis, &chat.unwrap_or_default(), &status, told, log)?;
        let liveness = Liveness::start(shared.database(), &status, log)?;
        log.info(format_args!("one of several servers of {db}, through Redis at {redis}"));
        Ok(Some(Backplane { shared, status, notifier, liveness, on_duplicate, log: log.clone() }))
    }
}

/// Connected, and not yet in use.
pub struct Backplane {
    shared: SharedLog,
    /// What several threads know.
    pub status: Arc<Status>,
    notifier: Notifier,
    liveness: Liveness,
    /// What happens when a user logs in on this server who is online already.
    pub on_duplicate: OnDuplicate,
    log: Log,
}

/// The committer of a chat that has several servers.
pub type ChatCommitter = Committer<AddressedMessage, RoomEvent>;

impl Backplane {
    /// Becomes one of the servers: appends to the log that this one has started, and
    /// reads what had happened before, with the last `history` messages of the lobby from `store`.
    /// Then splits into what the committer thread does and what the other threads do.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) fn start(
        mut self,
        store: &Store,
        history: usize,
    ) -> Result<(LogWriter, BackplaneThreads, Snapshot), StoreError> {
        let start = entry(self.status.run(), 1, &"".into(), Change::Start, String::new());
        let snapshot = self.shared.start(&start, store, history)?;
        snapshot.presence.iter().for_each(|entry| self.status.note(entry));
        let writer = LogWriter::new(self.shared, &self.status, &self.log);
        let threads =
            BackplaneThreads { status: self.status, notifier: self.notifier, liveness: self.liveness };
        Ok((writer, threads, snapshot))
    }
}

/// The threads beside the committer thread. They end when it has stopped.
pub(crate) struct BackplaneThreads {
    status: Arc<Status>,
    notifier: Notifier,
    liveness: Liveness,
}

impl BackplaneThreads {
    /// Starts them.
    pub fn start(self, committer: &Arc<ChatCommitter>) -> io::Result<()> {
        let (status, poller) = (self.status, committer.clone());
        self.notifier.start(committer)?;
        self.liveness.watch(committer)?;
        thread::Builder::new().name("poll".into()).spawn(move || {
            while status.wake(&poller) {
                thread::sleep(if status.redis_is_away() { POLL_WITHOUT_REDIS } else { POLL });
            }
        })?;
        Ok(())
    }
}
