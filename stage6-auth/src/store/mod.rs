//! The database: users, messages, sessions.
//!
//! Two databases stand behind one [`Store`], so that nothing above this module
//! knows which one it is. SQLite ([`sqlite`]) needs no set-up and lives in one
//! file; MySQL or MariaDB ([`mysql`]) is a server of its own, which several chat
//! servers can share. Every query stands here once; the two modules only run it.
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

mod database;
mod error;
mod in_doubt;
pub mod mysql;
mod records;
mod row;
mod schema;
pub mod sql;
pub mod sqlite;
mod url;

pub use common::utc::{Millis, now, rfc3339};
pub use error::StoreError;
pub use records::{Message, MessageId, NewUser, PasswordHash, Role, TokenHash, User, name_key};
pub use row::{MessageRow, rows};
/// A parameter of a statement, or a column of a row, for either database.
pub use rusqlite::types::Value;
pub use schema::{SCHEMA, STEP_1, Schema, Step};
pub use url::{DbArgs, DbUrl, DbUrlError, MySqlUrl};

use database::{AppendError, Database};
use in_doubt::InDoubt;
use std::sync::Arc;

/// Everything that the server, and `stage6-admin`, ask of a database. All of it may be
/// called from any thread.
///
/// An error says why the database did not do it. One that is locked, or has stopped to
/// answer, is given up within four seconds, and by [`Store::append`] within three. One
/// that answers, but slowly, is waited for: MySQL has 1.5 s for each statement.
pub struct Store {
    database: Box<dyn Database>,
    in_doubt: InDoubt,
}

/// Opens the store that `url` names.
///
/// An SQLite file that is missing or empty is made and gets its tables; a
/// MySQL database must have been prepared (`init` of the stage's admin
/// program), since the server's account may not create tables.
///
/// # Errors
/// Whatever keeps the store from being used, with what to do about it.
pub fn open(url: &DbUrl, schema: &Schema) -> Result<Arc<Store>, StoreError> {
    let database: Box<dyn Database> = match url {
        DbUrl::Sqlite(path) => Box::new(sqlite::SqliteDatabase::open(path, schema)?),
        DbUrl::MySql(server) => Box::new(mysql::MySqlDatabase::open(server, schema)?),
    };
    Ok(Arc::new(Store { database, in_doubt: InDoubt::default() }))
}

impl Store {
    /// Stores `batch` in order: all of it, or nothing when there is an error.
    /// `Ok` means durable. It has the indices of messages that the database
    /// cannot take, now or ever; these alone are not stored.
    ///
    /// The store gives each message the next id: 1, 2, 3, … without a gap, which
    /// is the order of the history. Servers that share a database compete for it
    /// here, and the primary key decides which of them was first.
    ///
    /// An empty batch stores nothing but retracts what is in doubt.
    pub fn append(&self, batch: &[&dyn MessageRow]) -> Result<Vec<usize>, StoreError> {
        let retract = self.in_doubt.get();
        if batch.is_empty() && retract.is_empty() {
            return Ok(Vec::new());
        }
        match self.database.append(&retract, batch) {
            Ok(refused) => {
                self.in_doubt.resolved(&retract);
                Ok(refused)
            }
            Err(AppendError::InDoubt(error)) => {
                self.in_doubt.add(batch);
                Err(error)
            }
            Err(AppendError::NotStored(error)) => Err(error),
        }
    }

    /// The last `limit` messages that are not retracted, oldest first.
    pub fn recent(&self, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.history(sql::RECENT, &[Value::Integer(limit as i64)])
    }

    /// The messages that `query` finds, newest first and in the columns of
    /// [`sql::RECENT`]; turned round, so that the oldest comes first. What is in
    /// doubt is retracted before.
    pub fn history(&self, query: &str, params: &[Value]) -> Result<Vec<Message>, StoreError> {
        self.append(&[])?;
        let mut messages = self.find(query, params, message)?;
        messages.reverse();
        Ok(messages)
    }

    /// The user of this name, in whatever case it is written.
    pub fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        Ok(self.find(sql::USER, &[name_key(name).into()], user)?.pop())
    }

    /// All users, sorted by name regardless of case.
    pub fn users(&self) -> Result<Vec<User>, StoreError> {
        self.find(sql::USERS, &[], user)
    }

    /// Adds all of `new` or none.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] for the first whose name exists in any case.
    pub fn add_users(&self, new: &[NewUser]) -> Result<(), StoreError> {
        let row = |NewUser { name, password }: &NewUser| {
            vec![name.clone().into(), name_key(name).into(), password.0.clone().into(), now().into()]
        };
        let rows: Vec<_> = new.iter().map(row).collect();
        self.database.execute(sql::ADD_USER, &rows).map_err(|error| match error {
            StoreError::Duplicate(row) => StoreError::NameTaken(new[row].name.clone()),
            error => error,
        })
    }

    /// Gives the user another role. The server's account on MySQL may not.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`].
    pub fn set_role(&self, name: &str, role: Role) -> Result<(), StoreError> {
        // Asked first, since MySQL counts no row for an UPDATE that changes nothing.
        self.user(name)?.ok_or_else(|| StoreError::NoSuchUser(name.to_owned()))?;
        self.execute(sql::SET_ROLE, vec![role.as_str().to_owned().into(), name_key(name).into()])
    }

    /// Stores a session of `user`, that begins now and ends when it `expires`.
    pub fn save_session(&self, token: &TokenHash, user: &User, expires: Millis) -> Result<(), StoreError> {
        self.execute(
            sql::ADD_SESSION,
            vec![token.to_vec().into(), user.id.into(), now().into(), expires.into()],
        )
    }

    /// Whose session it is, if it is known, not over at `now` and not ended.
    pub fn session_user(&self, token: &TokenHash, now: Millis) -> Result<Option<User>, StoreError> {
        Ok(self.find(sql::SESSION_USER, &[token.to_vec().into(), now.into()], user)?.pop())
    }

    /// Ends a session; one that is unknown or over already is left as it is.
    pub fn end_session(&self, token: &TokenHash, now: Millis) -> Result<(), StoreError> {
        match self.execute(sql::END_SESSION, vec![token.to_vec().into(), now.into()]) {
            Err(StoreError::Duplicate(_)) => Ok(()),
            result => result,
        }
    }

    /// Runs a statement that changes something, durably.
    pub fn execute(&self, statement: &str, params: Vec<Value>) -> Result<(), StoreError> {
        self.database.execute(statement, &[params])
    }

    /// A warning for the administrator, if the database is configured so that it
    /// keeps less than [`Store::append`] promises.
    pub fn durability_warning(&self) -> Result<Option<String>, StoreError> {
        self.database.durability_warning()
    }

    /// What `read` makes of each row that `query` finds; `None` is for a row that no program
    /// of ours has written.
    pub fn find<T>(
        &self,
        query: &str,
        params: &[Value],
        read: impl Fn(&[Value]) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.database.query(query, params)?;
        rows.iter().map(|row| read(row)).collect::<Option<_>>().ok_or_else(|| self.database.unreadable())
    }
}

fn message(row: &[Value]) -> Option<Message> {
    use Value::{Integer, Text};
    let &[Integer(run), Integer(number), Integer(sent), Text(ref name), Text(ref text)] = row else {
        return None;
    };
    Some(Message { id: MessageId { run, number }, sent, name: name.as_str().into(), text: text.clone() })
}

fn user(row: &[Value]) -> Option<User> {
    use Value::{Integer, Text};
    let &[Integer(id), Text(ref name), Text(ref password), Text(ref role), Integer(created)] = row else {
        return None;
    };
    // The table's CHECK lets no other role in.
    let role = if role == Role::Admin.as_str() { Role::Admin } else { Role::Member };
    Some(User { id, name: name.clone(), password: PasswordHash(password.clone()), role, created })
}
