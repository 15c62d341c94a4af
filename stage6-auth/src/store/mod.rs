//! The database: users, messages, sessions.
//!
//! Two databases stand behind one trait, [`Store`], so that nothing above this
//! module knows which one it is. SQLite ([`sqlite`]) needs no set-up and lives
//! in one file; MySQL or MariaDB ([`mysql`]) is a server of its own, which
//! several chat servers can share.
//!
//! # What is promised
//! **A message that a client has received is in the database.** [`Store::append`]
//! returns `Ok` only when the batch would survive a power cut, and only then does
//! [`crate::committer`] hand it on.
//!
//! **A message whose sender was told that it is not stored is in no history.**
//! A connection can be lost while a COMMIT is on its way. Then its outcome is
//! unknown: the transaction is *in doubt* ([`in_doubt`]). A query afterwards does
//! not settle it, since a server that stalled can finish the COMMIT after the
//! query. So the sender is told at once that the message is not stored, and the
//! numbers of the batch go into the table `retractions`, in the same transaction
//! as the next batch and before any history is read. The history leaves out what
//! stands there, whether or not the rows exist. This needs INSERT alone.
//!
//! One gap remains. If the server process is killed after such a loss and before
//! it reaches the database again, its note is lost with it. If the COMMIT had
//! taken place, those messages are in the history.

mod error;
mod in_doubt;
pub mod mysql;
mod row;
mod schema;
pub mod sql;
pub mod sqlite;
mod url;

pub use common::utc::{Millis, now, rfc3339};
pub use error::StoreError;
pub use row::{MessageRow, Param, rows};
pub use schema::{SCHEMA, STEP_1, Schema, Step};
pub use url::{DbArgs, DbUrl, DbUrlError, MySqlUrl};

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

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
    fn append(&self, batch: &[Message]) -> Result<Vec<usize>, StoreError> {
        self.append_rows(&rows(batch))
    }

    /// [`Store::append`], for messages with whatever columns: stage 7's have more.
    fn append_rows(&self, batch: &[&dyn MessageRow]) -> Result<Vec<usize>, StoreError>;

    /// The last `limit` messages that are not retracted, oldest first.
    fn recent(&self, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.history(sql::RECENT, &[limit.into()])
    }

    /// The messages that `query` finds, newest first and in the columns of
    /// [`sql::RECENT`]; turned round, so that the oldest comes first. What is in
    /// doubt is retracted before.
    fn history(&self, query: &str, params: &[Param<'_>]) -> Result<Vec<Message>, StoreError>;

    /// The number that `query` finds, if it finds a row. For the tables that later
    /// stages add, as are the next two.
    fn number(&self, query: &str, params: &[Param<'_>]) -> Result<Option<i64>, StoreError>;

    /// The texts that `query` finds, one in each row.
    fn texts(&self, query: &str, params: &[Param<'_>]) -> Result<Vec<String>, StoreError>;

    /// Adds a row, durably.
    fn insert(&self, statement: &str, row: &[Param<'_>]) -> Result<(), StoreError>;

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

    /// A warning for the administrator, if the database is configured so that it
    /// keeps less than [`Store::append`] promises.
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

/// The number that the server gives a message before the database has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// A random number that the server chose when it started.
    pub run: i64,
    /// 1, 2, 3, … within the run, in the order in which messages were accepted.
    pub number: i64,
}

/// A message, as the database keeps it.
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
    /// A message without a number and a time; the committer gives both.
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

/// A bcrypt hash as text, `$2b$12$…`. `{:?}` does not print it: a reader of the
/// log could guess the password.
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
    /// As it will be shown; must satisfy [`crate::accounts::check_new_name`].
    pub name: String,
    /// The password's hash.
    pub password: PasswordHash,
}

/// SHA-256 of a session's token, which the database keeps in place of the token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenHash(pub [u8; 32]);

/// A session to be stored.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The hash by which the token is found.
    pub token: TokenHash,
    /// [`User::id`].
    pub user_id: i64,
    /// When it was made.
    pub created: Millis,
    /// When it ends.
    pub expires: Millis,
}

/// The form under which a name is unique. It is computed here and not by the
/// database's collation, since the two databases would disagree: MariaDB's default
/// takes `alice`, `Alice` and `alicé` for one name.
pub fn name_key(name: &str) -> String {
    name.to_ascii_lowercase()
}
