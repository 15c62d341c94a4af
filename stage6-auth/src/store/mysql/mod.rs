//! The store on a server: MySQL or MariaDB.
//!
//! The account that the chat server uses can read and add rows and nothing
//! else. Whoever breaks into the chat server cannot change or delete what was
//! said, and what changes in our data is a new row: the end of a session, a
//! retraction.

mod errors;
mod pool;
pub mod setup;

use super::error::init_command;
use super::in_doubt::{InDoubt, Range};
use super::schema::{Change, Schema};
use super::url::MySqlUrl;
use super::{
    Cell, Message, MessageId, Millis, NewSession, NewUser, PasswordHash, Role, Row, Store, StoreError,
    TokenHash, User, name_key, now, sql,
};
use common::poison::IgnorePoison;
use errors::{ALREADY_THERE, LOST_RACE, UNSTORABLE, code, explain, is_timeout};
use mysql::prelude::Queryable;
use mysql::{Conn, Value};
use pool::Pool;
use std::sync::Mutex;

/// Rows in one INSERT at most. Full statements of 4 KiB lines stay far below
/// the server's `max_allowed_packet` (16 MiB).
const MOST_ROWS: usize = 256;

/// How often a batch is tried when other servers take the ids it was to get.
const TRIES: usize = 8;

/// A database on a MySQL or MariaDB server.
pub struct MySqlStore {
    db: String,
    program: &'static str,
    /// For logins and whatever else is not the committer.
    pool: Pool,
    /// The committer's own connection, so that no crowd at the pool delays a
    /// message. The lock is held across I/O: it stands for the connection.
    writer: Mutex<Writer>,
    in_doubt: InDoubt,
}

#[derive(Default)]
struct Writer {
    /// `None` before the first use and after every failure.
    conn: Option<Conn>,
    /// The connection whose transaction did not come to a known end.
    unfinished: Option<u32>,
}

impl Writer {
    /// The connection has no transaction, and can be used again.
    fn keep(&mut self, conn: Conn) {
        (self.conn, self.unfinished) = (Some(conn), None);
    }
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
        let (db, known, init) = (store.db.clone(), schema.version(), init_command(schema.program, None));
        let found = found.flatten().unwrap_or(0);
        match schema.next(found, |step| step.mysql) {
            Change::None => Ok(store),
            Change::TooNew => Err(StoreError::TooNew { db, found, known }),
            Change::Run(..) if found == 0 => Err(StoreError::NoSchema { db, init }),
            Change::Run(..) => Err(StoreError::TooOld { db, found, known, init }),
        }
    }

    /// Runs `work` on a connection of the pool; for the tables that later stages add.
    ///
    /// # Errors
    /// What the server or the network says.
    pub fn with<T>(&self, work: impl FnOnce(&mut Conn) -> mysql::Result<T>) -> Result<T, StoreError> {
        self.pool.with(work).map_err(|e| self.explain(e))
    }

    /// [`Store::append`], for messages with whatever columns.
    ///
    /// # Errors
    /// What the server or the network says; then nothing is stored, or in no history.
    pub fn append_rows<M: Row>(&self, batch: &[M]) -> Result<Vec<usize>, StoreError> {
        let retract = self.in_doubt.get();
        if batch.is_empty() && retract.is_empty() {
            return Ok(Vec::new());
        }
        let mut writer = self.writer.lock().ignore_poison();
        let mut tries = 1..TRIES;
        loop {
            match self.transaction(&mut writer, &retract, batch) {
                // Another server has taken the ids that these messages were to get.
                Err(error)
                    if code(&error).is_some_and(|code| LOST_RACE.contains(&code))
                        && tries.next().is_some() => {}
                result => return result.map_err(|e| self.explain(e)),
            }
        }
    }

    fn transaction<M: Row>(
        &self,
        writer: &mut Writer,
        retract: &[Range],
        batch: &[M],
    ) -> mysql::Result<Vec<usize>> {
        let mut conn = self.begin(writer)?;
        writer.unfinished = Some(conn.connection_id());
        let refused = match add_rows(&mut conn, retract, batch) {
            Ok(refused) => refused,
            Err(error) => {
                // Known not to be stored: a server undoes a transaction whose
                // connection ends without a COMMIT.
                if !error.is_connectivity_error() && conn.query_drop("ROLLBACK").is_ok() {
                    writer.keep(conn);
                }
                return Err(error);
            }
        };
        // When this fails, nobody knows whether it took place. Even a server that
        // is asked later may only then be about to finish it; see `crate::store`.
        conn.query_drop("COMMIT").inspect_err(|_| self.in_doubt.add(batch))?;
        self.in_doubt.resolved(retract);
        writer.keep(conn);
        Ok(refused)
    }

    /// The messages that `query` finds, newest first, in the columns of
    /// [`sql::RECENT`]; turned round, so that the oldest comes first.
    ///
    /// # Errors
    /// What the server or the network says.
    pub fn history(&self, query: &str, params: &[Cell<'_>]) -> Result<Vec<Message>, StoreError> {
        self.append_rows::<Message>(&[])?;
        let message = |(run, number, sent, name, text): (i64, i64, i64, String, String)| Message {
            id: MessageId { run, number },
            sent,
            name: name.into(),
            text,
        };
        let params: Vec<Value> = params.iter().map(|&cell| cell.into()).collect();
        let mut messages = self.with(|conn| conn.exec_map(query, params, message))?;
        messages.reverse();
        Ok(messages)
    }

    fn explain(&self, error: mysql::Error) -> StoreError {
        explain(&self.db, self.program, error)
    }

    /// A connection with a transaction begun.
    fn begin(&self, writer: &mut Writer) -> mysql::Result<Conn> {
        if let Some(mut conn) = writer.conn.take() {
            match conn.query_drop("BEGIN") {
                Ok(()) => return Ok(conn),
                // Nothing was asked of it yet, so trying again on a new one is
                // safe; but not after a time-out, which has cost enough time.
                Err(error) if is_timeout(&error) => return Err(error),
                Err(_) => drop(conn),
            }
        }
        let mut conn = self.pool.connect()?;
        if let Some(id) = writer.unfinished.take() {
            // The server may not have noticed that this connection was lost. Until
            // it does, the transaction there holds the ids that come next. Every
            // account may end its own connections.
            let _ = conn.query_drop(format!("KILL {id}"));
        }
        conn.query_drop("BEGIN")?;
        Ok(conn)
    }
}

impl Store for MySqlStore {
    fn append(&self, batch: &[Message]) -> Result<Vec<usize>, StoreError> {
        self.append_rows(batch)
    }

    fn recent(&self, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.history(sql::RECENT, &[Cell::Int(i64::try_from(limit).unwrap_or(i64::MAX))])
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

/// Adds the rows under the next free ids, and returns the indices of those that
/// the table cannot take. A row for each round trip would take as long as a
/// hundred rows in one.
fn add_rows<M: Row>(conn: &mut Conn, retract: &[Range], batch: &[M]) -> mysql::Result<Vec<usize>> {
    for range in retract {
        conn.exec_drop(sql::RETRACT, (range.run, range.first, range.last, now()))?;
    }
    let last: Option<i64> = conn.query_first(sql::LAST_ID)?;
    let mut id = 1 + last.unwrap_or(0);
    let more = format!(", ({})", vec!["?"; M::COLUMNS + 1].join(", "));
    let (mut done, mut most, mut refused) = (0, MOST_ROWS, Vec::new());
    while done < batch.len() {
        // Powers of two, so that few different statements have to be prepared
        // and each connection keeps them all.
        let rows = 1 << (batch.len() - done).min(most).ilog2();
        let cells = (id..).zip(&batch[done..done + rows]).flat_map(|(id, row)| row.cells(id));
        let values: Vec<Value> = cells.map(Value::from).collect();
        match conn.exec_drop(format!("{}{}", M::ADD, more.repeat(rows - 1)), values) {
            Ok(()) => (id, done, most) = (id + rows as i64, done + rows, MOST_ROWS),
            // The server has undone this statement alone. Half of its rows may do.
            Err(error) if code(&error).is_some_and(|code| UNSTORABLE.contains(&code)) => {
                if rows == 1 {
                    refused.push(done);
                    done += 1;
                }
                most = (rows / 2).max(1);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

fn user((id, name, password, role, created): (i64, String, String, String, i64)) -> User {
    // The table's CHECK lets no other role in.
    let role = role.parse().unwrap_or(Role::Member);
    User { id, name, password: PasswordHash(password), role, created }
}
