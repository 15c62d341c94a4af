//! The store on a server: MySQL or MariaDB.
//!
//! The account of the chat server can SELECT and INSERT and nothing else. An
//! attacker who takes over the chat server can neither change nor delete what was
//! said. So whatever changes in our data is a new row: the end of a session, a
//! retraction.

mod append;
mod errors;
mod pool;
pub mod setup;

use super::error::{init_command, too_new, too_old};
use super::in_doubt::InDoubt;
use super::schema::{Change, Schema};
use super::url::MySqlUrl;
use super::{
    Message, MessageId, MessageRow, Millis, NewSession, NewUser, Param, PasswordHash, Role, Store,
    StoreError, TokenHash, User, name_key, now, sql,
};
use append::Writer;
pub use append::insert;
use errors::{ALREADY_THERE, code, explain, no_tables};
pub use errors::{is_unstorable, lost_race};
use mysql::prelude::Queryable;
use mysql::{Conn, Value};
use pool::Pool;
use std::sync::Mutex;

/// A database on a MySQL or MariaDB server.
pub struct MySqlStore {
    db: String,
    program: &'static str,
    /// For all threads but the committer's.
    pool: Pool,
    /// The committer's own connection, so that many logins at once do not delay a
    /// message. The lock is held across I/O: it stands for the connection.
    writer: Mutex<Writer>,
    in_doubt: InDoubt,
}

impl MySqlStore {
    /// Connects, and checks that the tables are there.
    ///
    /// # Errors
    /// [`StoreError`]: refused, wrong password, no tables, another version.
    pub fn open(url: &MySqlUrl, schema: &Schema) -> Result<Self, StoreError> {
        let store = MySqlStore {
            db: url.to_string(),
            program: schema.program,
            pool: Pool::new(url),
            writer: Mutex::default(),
            in_doubt: InDoubt::default(),
        };
        let found: Option<Option<u32>> = store.with(|conn| conn.query_first(sql::VERSION))?;
        let found = found.flatten().unwrap_or(0);
        let (db, known) = (&store.db, schema.version());
        match schema.next(found, |step| step.mysql) {
            Change::None => Ok(store),
            Change::TooNew(found) => Err(too_new(db, found, known)),
            Change::Run(..) if found == 0 => Err(no_tables(db, schema.program)),
            Change::Run(..) => Err(too_old(db, found, known, &init_command(schema.program, db))),
        }
    }

    /// Runs `work` on a connection of the pool.
    ///
    /// # Errors
    /// What the server or the network says.
    pub fn with<T>(&self, work: impl FnOnce(&mut Conn) -> mysql::Result<T>) -> Result<T, StoreError> {
        self.pool.with(work).map_err(|e| self.explain(e))
    }

    /// A connection of the caller's own, outside the pool.
    ///
    /// # Errors
    /// What the server or the network says.
    pub fn connect(&self) -> mysql::Result<Conn> {
        self.pool.connect()
    }

    /// What the error means, with what to do about it.
    pub fn explain(&self, error: mysql::Error) -> StoreError {
        explain(&self.db, self.program, &error)
    }
}

impl Store for MySqlStore {
    fn append_rows(&self, batch: &[&dyn MessageRow]) -> Result<Vec<usize>, StoreError> {
        self.append_batch(batch)
    }

    fn history(&self, query: &str, params: &[Param<'_>]) -> Result<Vec<Message>, StoreError> {
        self.append_batch(&[])?;
        let mut messages = self.with(|conn| conn.exec_map(query, values(params), message))?;
        messages.reverse();
        Ok(messages)
    }

    fn number(&self, query: &str, params: &[Param<'_>]) -> Result<Option<i64>, StoreError> {
        self.with(|conn| conn.exec_first(query, values(params)))
    }

    fn texts(&self, query: &str, params: &[Param<'_>]) -> Result<Vec<String>, StoreError> {
        self.with(|conn| conn.exec(query, values(params)))
    }

    fn insert(&self, statement: &str, row: &[Param<'_>]) -> Result<(), StoreError> {
        self.with(|conn| conn.exec_drop(statement, values(row)))
    }

    fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        Ok(self.with(|conn| conn.exec_first(sql::USER, (name_key(name),)))?.map(user))
    }

    fn users(&self) -> Result<Vec<User>, StoreError> {
        self.with(|conn| conn.exec_map(sql::USERS, (), user))
    }

    fn add_users(&self, new: &[NewUser]) -> Result<(), StoreError> {
        let mut failed = None;
        let result = self.pool.with(|conn| {
            conn.query_drop("BEGIN")?;
            let added = new.iter().try_for_each(|user| {
                failed = Some(&user.name);
                conn.exec_drop(sql::ADD_USER, (&user.name, name_key(&user.name), &user.password.0, now()))
            });
            if added.is_err() {
                conn.query_drop("ROLLBACK")?;
                return added;
            }
            conn.query_drop("COMMIT")
        });
        match (result, failed) {
            (Err(error), Some(name)) if code(&error) == Some(ALREADY_THERE) => {
                Err(StoreError::NameTaken(name.clone()))
            }
            (result, _) => result.map_err(|e| self.explain(e)),
        }
    }

    fn set_role(&self, name: &str, role: Role) -> Result<(), StoreError> {
        // Asked first, since an UPDATE that changes nothing reports no row.
        self.user(name)?.ok_or_else(|| StoreError::NoSuchUser(name.to_owned()))?;
        self.with(|conn| conn.exec_drop(sql::SET_ROLE, (role.as_str(), name_key(name))))
    }

    fn save_session(&self, s: &NewSession) -> Result<(), StoreError> {
        self.with(|conn| conn.exec_drop(sql::ADD_SESSION, (s.token.0, s.user_id, s.created, s.expires)))
    }

    fn session_user(&self, token: &TokenHash, now: Millis) -> Result<Option<User>, StoreError> {
        Ok(self.with(|conn| conn.exec_first(sql::SESSION_USER, (token.0, now)))?.map(user))
    }

    fn end_session(&self, token: &TokenHash, now: Millis) -> Result<(), StoreError> {
        self.with(|conn| match conn.exec_drop(sql::END_SESSION, (token.0, now)) {
            Err(error) if code(&error) == Some(ALREADY_THERE) => Ok(()),
            result => result,
        })
    }

    fn durability_warning(&self) -> Result<Option<String>, StoreError> {
        let flush: Option<u32> =
            self.with(|conn| conn.query_first("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit"))?;
        Ok(match flush {
            Some(1) => None,
            _ => Some(format!(
                "{} does not flush each commit to its disk and may forget messages that were seen; \
                 set innodb_flush_log_at_trx_commit=1 there",
                self.db
            )),
        })
    }
}

fn values(params: &[Param<'_>]) -> Vec<Value> {
    params.iter().map(|&param| param.into()).collect()
}

fn message((run, number, sent, name, text): (i64, i64, i64, String, String)) -> Message {
    Message { id: MessageId { run, number }, sent, name: name.into(), text }
}

fn user((id, name, password, role, created): (i64, String, String, String, i64)) -> User {
    // The table's CHECK lets no other role in.
    let role = role.parse().unwrap_or(Role::Member);
    User { id, name, password: PasswordHash(password), role, created }
}
