//! What stage 7 keeps beyond stage 6: the recipients of each message, and the
//! subscriptions.
//!
//! Both stores of stage 6 stay in use: here they get one more trait, and the tables
//! one more step.

mod mysql;
mod schema;
mod sql;
mod sqlite;

pub use schema::{SCHEMA, STEP_2};

use crate::addressed_message::AddressedMessage;
use stage6_auth::store::mysql::MySqlStore;
use stage6_auth::store::sqlite::SqliteStore;
use stage6_auth::store::{DbUrl, Message, Schema, Store, StoreError};
use std::sync::Arc;

/// The most changes of subscriptions that one user can make, all in all. Each is a row
/// that the server cannot remove, so without a bound one user could fill the disk.
pub const MAX_CHANGES: u32 = 2000;

/// What the chat asks of the database besides accounts and sessions. The bounds and
/// the threads are those of [`Store`].
pub trait MessageStore: Send + Sync {
    /// As [`Store::append`], with the recipients.
    fn append(&self, batch: &[AddressedMessage]) -> Result<Vec<usize>, StoreError>;

    /// The last `limit` messages of the room with this key that are not
    /// retracted, oldest first.
    fn history(&self, room: &str, limit: usize) -> Result<Vec<Message>, StoreError>;

    /// Returns `true` if the user with the id `subscriber` has subscribed to the one
    /// with the id `publisher`. Takes the same time however many subscriptions there are.
    fn is_subscribed(&self, subscriber: i64, publisher: i64) -> Result<bool, StoreError>;

    /// How many rows [`subscribe`](MessageStore::subscribe) has added for this user;
    /// see [`MAX_CHANGES`].
    fn subscription_changes(&self, subscriber: i64) -> Result<u32, StoreError>;

    /// Notes that the user with the id `subscriber` hears the one with the id
    /// `publisher` from now on, or no longer.
    fn subscribe(&self, subscriber: i64, publisher: i64, begins: bool) -> Result<(), StoreError>;

    /// The names of the users to whom the user of this name has subscribed.
    fn subscriptions(&self, subscriber: &str) -> Result<Vec<Arc<str>>, StoreError>;
}

/// One open database.
#[derive(Clone)]
pub struct Database {
    /// Accounts and sessions.
    pub users: Arc<dyn Store>,
    /// Messages and subscriptions.
    pub messages: Arc<dyn MessageStore>,
}

impl Database {
    /// Opens what `url` names; see [`stage6_auth::store::open`].
    ///
    /// # Errors
    /// Whatever keeps the database from being used, with what to do about it.
    pub fn open(url: &DbUrl, schema: &Schema) -> Result<Database, StoreError> {
        Ok(match url {
            DbUrl::Sqlite(path) => Self::of(&Arc::new(SqliteStore::open(path, schema)?)),
            DbUrl::MySql(server) => Self::of(&Arc::new(MySqlStore::open(server, schema)?)),
        })
    }

    /// The same store for both.
    pub fn of<S: Store + MessageStore + 'static>(store: &Arc<S>) -> Database {
        Database { users: store.clone(), messages: store.clone() }
    }
}
