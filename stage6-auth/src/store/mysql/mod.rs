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

use super::database::{AppendError, Database};
use super::error::{init_command, other, too_new, too_old};
use super::in_doubt::NumberRange;
use super::schema::{Change, Schema};
use super::url::MySqlUrl;
use super::{MessageRow, StoreError, Value, sql};
pub use append::insert;
use append::{LONGEST_PAUSE, RACE_LIMIT, Writer};
use common::poison::IgnorePoison;
use errors::{ALREADY_THERE, code, explain, no_tables};
pub use errors::{is_unstorable, lost_race};
use mysql::prelude::Queryable;
use mysql::{Conn, Row};
use pool::Pool;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// A database on a MySQL or MariaDB server.
pub struct MySqlDatabase {
    db: String,
    program: &'static str,
    /// For all threads but the committer's.
    pool: Pool,
    /// The committer's own connection, so that many logins at once do not delay a
    /// message. The lock is held across I/O: it stands for the connection.
    writer: Mutex<Writer>,
}

impl MySqlDatabase {
    /// Connects, and checks that the tables are there.
    ///
    /// # Errors
    /// [`StoreError`]: refused, wrong password, no tables, another version.
    pub fn open(url: &MySqlUrl, schema: &Schema) -> Result<Self, StoreError> {
        let database = MySqlDatabase {
            db: url.to_string(),
            program: schema.program,
            pool: Pool::new(url),
            writer: Mutex::default(),
        };
        let found: Option<Option<u32>> = database.with(|conn| conn.query_first(sql::VERSION))?;
        let found = found.flatten().unwrap_or(0);
        let (db, known) = (&database.db, schema.version());
        match schema.next(found, |step| step.mysql) {
            Change::None => Ok(database),
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

impl Database for MySqlDatabase {
    fn query(&self, query: &str, params: &[Value]) -> Result<Vec<Vec<Value>>, StoreError> {
        let rows: Vec<Row> = self.with(|conn| conn.exec(query, to_mysql(params)))?;
        // No column was taken out of a row, so this `unwrap` of the library gives all of them.
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(from_mysql).collect()).collect())
    }

    fn execute(&self, statement: &str, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        let duplicate = self.with(|conn| {
            conn.query_drop("BEGIN")?;
            for (at, row) in rows.iter().enumerate() {
                if let Err(error) = conn.exec_drop(statement, to_mysql(row)) {
                    conn.query_drop("ROLLBACK")?;
                    return if code(&error) == Some(ALREADY_THERE) { Ok(Some(at)) } else { Err(error) };
                }
            }
            conn.query_drop("COMMIT")?;
            Ok(None)
        })?;
        duplicate.map_or(Ok(()), |row| Err(StoreError::Duplicate(row)))
    }

    fn append(
        &self,
        retract: &[NumberRange],
        batch: &[&dyn MessageRow],
    ) -> Result<Vec<usize>, AppendError<StoreError>> {
        let mut writer = self.writer.lock().ignore_poison();
        let started = Instant::now();
        loop {
            match self.transaction(&mut writer, retract, batch) {
                // Another server has taken the ids that these messages were to get.
                Err(AppendError::NotStored(error)) if lost_race(&error) && started.elapsed() < RACE_LIMIT => {
                    thread::sleep(LONGEST_PAUSE.mul_f64(rand::random()));
                }
                Err(AppendError::NotStored(error)) => {
                    return Err(AppendError::NotStored(self.explain(error)));
                }
                Err(AppendError::InDoubt(error)) => return Err(AppendError::InDoubt(self.explain(error))),
                Ok(refused) => return Ok(refused),
            }
        }
    }

    fn unreadable(&self) -> StoreError {
        other(&self.db, "a table holds what this program has not written")
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

fn to_mysql(params: &[Value]) -> Vec<mysql::Value> {
    let to_mysql = |param: &Value| match param {
        Value::Integer(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Blob(bytes) => bytes.into(),
        // No parameter of ours.
        Value::Real(_) | Value::Null => mysql::Value::NULL,
    };
    params.iter().map(to_mysql).collect()
}

/// All columns that we read are numbers or texts.
fn from_mysql(column: mysql::Value) -> Value {
    match column {
        mysql::Value::Int(number) => Value::Integer(number),
        mysql::Value::Bytes(text) => String::from_utf8(text).map_or(Value::Null, Value::Text),
        _ => Value::Null,
    }
}
