//! What the server keeps for ever: users, messages, sessions.
//!
//! Two databases stand behind one trait, [`Store`], so that nothing above this
//! module knows which one it is. SQLite ([`sqlite`]) needs no set-up and lives
//! in one file; MySQL or MariaDB ([`mysql`]) is a server of its own, which
//! several chat servers can share.
//!
//! # What is promised
//! **A message that anyone has seen is in the database.** [`Store::append`]
//! returns `Ok` only when the batch would outlive a power cut, and only then
//! may the server send it on ([`crate::committer`] is what calls it).
//!
//! **A message whose sender was told that it is not stored is in no history.**
//! That is harder than it looks. When the connection is lost while the COMMIT
//! is on its way, nobody can know what became of it: the rows may be there, may
//! not be, or may appear in a second, when a stalled server wakes up. Asking
//! after reconnecting does not settle it, since the answer can change after
//! the question. So an unknown outcome is made certain: the sender is told at
//! once that the message was not stored, and the batch's numbers are noted as
//! *unsettled*. They go into the table `retractions` in the same transaction
//! as the next batch, and before any history is read; the history leaves out
//! what is retracted, whether the rows are there already, appear later, or never.
//! Every message has a number that this server made ([`MessageId`]), without
//! which there would be nothing to name in a retraction.
//! An INSERT suffices, so the server's account needs neither DELETE nor UPDATE.
//!
//! What remains: a server process that is killed after an unknown outcome and
//! before it reached the database again takes its note along. If that COMMIT
//! had succeeded, the message appears in the history after all.

mod error;
mod in_doubt;
pub mod mysql;
mod row;
mod schema;
pub mod sql;
pub mod sqlite;
mod url;

pub use error::StoreError;
pub use row::{Cell, Row};
pub use schema::{SCHEMA, STEP_1, Schema, Step};
pub use url::{DbArgs, DbUrl, DbUrlError, MySqlUrl};

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Everything that the server, and `stage6-admin`, ask of a database.
///
/// A database that is locked or hangs is given up within four seconds, and
/// [`Store::append`] within three; all may be called from any thread.
pub trait Store: Send + Sync {
    /// Stores `batch` in order: all of it, or nothing when there is an error.
    /// `Ok` means durable. It has the indices of messages that the database
    /// cannot take, now or ever; these alone are not stored.
    ///
    /// The store gives each message the next id: 1, 2, 3, … without a gap, which
    /// is the order of the history. Servers that share a database compete for it
    /// here, and the primary key decides which of them was first.
    ///
    /// An empty batch stores nothing but retracts what is in doubt.
    fn append(&self, batch: &[Message]) -> Result<Vec<usize>, StoreError>;

    /// The last `limit` messages that are not retracted, oldest first.
    fn recent(&self, limit: usize) -> Result<Vec<Message>, StoreError>;

    /// The user of this name, in whatever case it is written.
    fn user(&self, name: &str) -> Result<Option<User>, StoreError>;

    /// All users, sorted by name regardless of case.
    fn users(&self) -> Result<Vec<User>, StoreError>;

    /// Adds all of `new` or none.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] for the first whose name exists in any case.
    fn add_users(&self, new: &[NewUser]) -> Result<(), StoreError>;

    /// Gives the user another role. The server's account on MySQL may not.
    fn set_role(&self, name: &str, role: Role) -> Result<(), StoreError>;

    /// Stores a session until `expires`.
    fn save_session(&self, session: &NewSession) -> Result<(), StoreError>;

    /// Whose session it is, if it is known, not over at `now` and not ended.
    fn session_user(&self, token: &TokenHash, now: Millis) -> Result<Option<User>, StoreError>;

    /// Ends a session; one that is unknown or over already is left as it is.
    fn end_session(&self, token: &TokenHash, now: Millis) -> Result<(), StoreError>;

    /// What an administrator should be told when the server starts, if the
    /// database is set up so that it keeps less than [`Store::append`] promises.
    fn durability_warning(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }
}

/// Opens the store that `url` names.
///
/// An SQLite file that is missing or empty is made and gets its tables; a
/// MySQL database must have been prepared (`init` of the stage's admin
/// program), since the server's account may not create tables.
///
/// # Errors
/// Whatever keeps the store from being used, with what to do about it.
pub fn open(url: &DbUrl, schema: &Schema) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match url {
        DbUrl::Sqlite(path) => Arc::new(sqlite::SqliteStore::open(path, schema)?),
        DbUrl::MySql(server) => Arc::new(mysql::MySqlStore::open(server, schema)?),
    })
}

/// A point in time: milliseconds since 1970-01-01 UTC. Both databases store it
/// as an integer; their own date types differ in precision and time zone.
pub type Millis = i64;

/// The present.
pub fn now() -> Millis {
    (OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000) as Millis
}

/// A time as RFC 3339 in UTC, to the millisecond: `2026-01-31T09:30:00.25Z`.
pub fn rfc3339(at: Millis) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        // Only for a year beyond 9999, which no clock here has written.
        .unwrap_or_else(|| "0000-00-00T00:00:00Z".to_owned())
}

/// Which message it is, known before the database has seen it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// A random number that this run of the server drew when it started.
    pub run: i64,
    /// 1, 2, 3, … within the run, in the order in which messages were accepted.
    pub number: i64,
}

/// What somebody said, as the database keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Given by the committer.
    pub id: MessageId,
    /// When the server accepted it; given by the committer.
    pub sent: Millis,
    /// The sender, as registered.
    pub name: Arc<str>,
    /// The line, without its end.
    pub text: String,
}

impl Message {
    /// A message that has no number and no time yet.
    pub fn new(name: Arc<str>, text: String) -> Self {
        Message { id: MessageId::default(), sent: 0, name, text }
    }
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everyone, to begin with.
    Member,
    /// By `stage6-admin role NAME admin`.
    Admin,
}

impl Role {
    /// The word on the command line and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "member" => Ok(Role::Member),
            "admin" => Ok(Role::Admin),
            _ => Err("a role is admin or member"),
        }
    }
}

/// A bcrypt hash as text, `$2b$12$…`. Not printed by `{:?}`: a hash in a log
/// could be guessed at by whoever reads the log.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A user as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The database's number for it.
    pub id: i64,
    /// As registered.
    pub name: String,
    /// What the password is verified against.
    pub password: PasswordHash,
    /// What this user may do.
    pub role: Role,
    /// When the account was made.
    pub created: Millis,
}

/// An account to be made, with the role `member`.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// As it is to be shown; must satisfy [`crate::accounts::check_name`].
    pub name: String,
    /// The password's hash.
    pub password: PasswordHash,
}

/// SHA-256 of a session's token: what the database keeps in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenHash(pub [u8; 32]);

/// A session to be stored.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// What the token is found by.
    pub token: TokenHash,
    /// [`User::id`].
    pub user_id: i64,
    /// When it was made.
    pub created: Millis,
    /// From when on it is over.
    pub expires: Millis,
}

/// The form of a name under which it is unique. Names are ASCII, so lower case
/// needs no language; doing it here and not by a collation is what makes both
/// databases agree (MariaDB's default takes `alice`, `Alice` and `alicé` for one).
pub fn name_key(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[test]
fn time_is_rfc_3339_in_utc() {
    assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
    assert_eq!(rfc3339(1_700_000_000_250), "2023-11-14T22:13:20.25Z");
    assert!(rfc3339(now()).ends_with('Z'));
}
