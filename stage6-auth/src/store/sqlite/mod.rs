//! The store in a file: SQLite.
//!
//! The journal is a write-ahead log (WAL): a commit appends to `chat.db-wal`
//! and readers go on meanwhile. `synchronous=FULL` flushes that log to the disk
//! before a commit returns, so that a commit survives a power cut. The faster
//! NORMAL survives only the death of the process.

mod file;

use super::database::{AppendError, Database};
use super::error::locked;
use super::in_doubt::NumberRange;
use super::{MessageRow, Schema, StoreError, Value, now, sql};
use crate::semaphore::Semaphore;
use common::poison::IgnorePoison;
use file::{
    FileId, OlderTables, cannot_open, check_schema, connect, create_private, damaged, explain, file_ids,
    read_only,
};
use rusqlite::{Connection, Transaction, TransactionBehavior, ffi, params, params_from_iter};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// How long to wait for our own threads that write.
const WAIT_FOR_PERMIT: Duration = Duration::from_millis(1500);

/// An open SQLite file.
///
/// SQLite allows one writer at a time. Our own threads queue for it at a semaphore,
/// for a bounded time. Without it SQLite would make
/// them sleep and try again; and when another process has locked the file, each
/// would wait until those before it have given up. Unlike other locks of the course
/// these are held across I/O: they stand for the file.
pub(super) struct SqliteDatabase {
    path: PathBuf,
    /// One permit, for the committer and for logins that store a session or an account.
    permits: Semaphore,
    /// Locked by the thread that has the permit.
    writer: Mutex<Connection>,
    /// For look-ups, which never wait for a commit.
    reader: Mutex<Connection>,
    /// The files that these connections read and write. When they are deleted or
    /// replaced, SQLite goes on with files that have no name any longer.
    files: [FileId; 2],
}

/// Makes the file as [`open`](super::open) does, and brings the tables of an earlier
/// stage up to date.
///
/// # Errors
/// Whatever keeps the file from being used.
pub fn init(path: &Path, schema: &Schema) -> Result<(), StoreError> {
    create_private(path)?;
    let mut conn = connect(path)?;
    check_schema(path, &mut conn, schema, OlderTables::Migrate)?;
    SqliteDatabase::open(path, schema).map(drop)
}

impl SqliteDatabase {
    /// Opens the file; makes it, for its owner alone, when it is missing.
    pub fn open(path: &Path, schema: &Schema) -> Result<Self, StoreError> {
        // `:memory:` and `` mean something else to SQLite; a path with a folder never does.
        let path = if path.is_relative() { Path::new(".").join(path) } else { path.to_owned() };
        create_private(&path)?;
        let mut writer = connect(&path)?;
        if writer.is_readonly("main").map_err(|e| explain(&path, e))? {
            return Err(read_only(&path));
        }
        // Sticks to the file, unlike the other settings. Must come before the
        // reader opens it: changing the journal needs the file for oneself.
        let journal: String = writer
            .query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))
            .map_err(|e| explain(&path, e))?;
        if journal != "wal" {
            let cause = format!("this file system allows no write-ahead log (journal mode {journal})");
            return Err(cannot_open(&path, cause));
        }
        check_schema(&path, &mut writer, schema, OlderTables::Refuse)?;
        let reader = Mutex::new(connect(&path)?);
        let (permits, writer, files) = (Semaphore::new(1), Mutex::new(writer), file_ids(&path));
        Ok(SqliteDatabase { path, permits, writer, reader, files })
    }

    fn with_writer<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let permit = self.permits.acquire_for(WAIT_FOR_PERMIT);
        let _permit = permit.ok_or_else(|| locked(self.path.display()))?;
        // Poisoned: a transaction that was open is undone when it is dropped,
        // so the connection is as good as before. So it is with the reader.
        let mut conn = self.writer.lock().ignore_poison();
        self.is_still_there()?;
        let result = work(&mut conn).map_err(|e| explain(&self.path, e))?;
        self.is_still_there()?;
        Ok(result)
    }

    fn is_still_there(&self) -> Result<(), StoreError> {
        if file_ids(&self.path) == self.files {
            return Ok(());
        }
        Err(StoreError::Unusable(format!(
            "{} was deleted, moved or replaced while it was open; put the file back where it was, or start the server again",
            self.path.display()
        )))
    }
}

impl Database for SqliteDatabase {
    fn query(&self, query: &str, params: &[Value]) -> Result<Vec<Vec<Value>>, StoreError> {
        let conn = self.reader.lock().ignore_poison();
        let rows = || {
            let mut query = conn.prepare_cached(query)?;
            let columns = query.column_count();
            let rows = query
                .query_map(params_from_iter(params), |row| (0..columns).map(|at| row.get(at)).collect())?;
            rows.collect::<rusqlite::Result<_>>()
        };
        let rows = rows().map_err(|e| explain(&self.path, e))?;
        // A token is found in a file that is gone, too.
        self.is_still_there()?;
        Ok(rows)
    }

    fn execute(&self, statement: &str, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        let duplicate = self.with_writer(|conn| {
            let tx = begin(conn)?;
            for (at, row) in rows.iter().enumerate() {
                match tx.prepare_cached(statement)?.execute(params_from_iter(row)) {
                    Err(error) if is_duplicate(&error) => return Ok(Some(at)),
                    result => result?,
                };
            }
            tx.commit()?;
            Ok(None)
        })?;
        duplicate.map_or(Ok(()), |row| Err(StoreError::Duplicate(row)))
    }

    fn append(
        &self,
        retract: &[NumberRange],
        batch: &[&dyn MessageRow],
    ) -> Result<Vec<usize>, AppendError<StoreError>> {
        let mut commits = false;
        let appended = self.with_writer(|conn| {
            let tx = begin(conn)?;
            add_rows(&tx, retract, batch)?;
            commits = true;
            tx.commit()
        });
        match appended {
            // SQLite's columns take any text.
            Ok(()) => Ok(Vec::new()),
            // Not stored as far as this process sees, but the log may hold the whole batch:
            // had its flush failed and the machine then lost power, recovery could find it.
            // Or it is stored, in a file that has been moved away and may be put back.
            Err(error) if commits => Err(AppendError::InDoubt(error)),
            Err(error) => Err(AppendError::NotStored(error)),
        }
    }

    fn unreadable(&self) -> StoreError {
        damaged(&self.path, "a table holds what this program has not written")
    }
}

/// IMMEDIATE asks for the write lock at once. A transaction that starts by
/// reading and then wants to write is refused, in spite of the busy timeout,
/// when another wrote in between.
fn begin(conn: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    conn.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn add_rows(tx: &Transaction, retract: &[NumberRange], batch: &[&dyn MessageRow]) -> rusqlite::Result<()> {
    for range in retract {
        tx.prepare_cached(sql::RETRACT)?.execute(params![range.run, range.first, range.last, now()])?;
    }
    // No other connection can write until this transaction ends, so the next row id is free.
    let last: i64 = tx.prepare_cached(sql::LAST_ID)?.query_row([], |row| row.get(0))?;
    for (row_id, message) in (last + 1..).zip(batch) {
        tx.prepare_cached(message.insert())?.execute(params_from_iter(message.params(row_id)))?;
    }
    Ok(())
}

fn is_duplicate(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code.is_some_and(|code| {
        [ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_CONSTRAINT_PRIMARYKEY].contains(&code)
    })
}

#[cfg(test)]
mod tests;
