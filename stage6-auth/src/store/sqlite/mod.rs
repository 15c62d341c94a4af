//! The store in a file: SQLite.
//!
//! The journal is a write-ahead log (WAL): a commit appends to `chat.db-wal`
//! and readers go on meanwhile. `synchronous=FULL` flushes that log to the disk
//! before a commit returns, so that a commit survives a power cut. The faster
//! NORMAL survives only the death of the process.

mod append;
mod file;

use super::error::locked;
use super::in_doubt::InDoubt;
use super::{
    Message, MessageId, Millis, NewSession, NewUser, Param, PasswordHash, Role, Schema, Store, StoreError,
    TokenHash, User, name_key, now, sql,
};
use crate::semaphore::Semaphore;
use common::poison::IgnorePoison;
use file::{FileId, cannot_open, check_schema, connect, create_private, explain, file_ids, read_only};
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Row, Transaction, TransactionBehavior, params, params_from_iter,
};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// How long to wait for those of our own threads that came first.
const WAIT_FOR_TURN: Duration = Duration::from_millis(1500);

/// An open SQLite file.
///
/// SQLite allows one writer at a time. Our own threads queue for it at a semaphore,
/// in the order of arrival and for a bounded time. Without it SQLite would make
/// them sleep and try again; and when another process has locked the file, each
/// would wait until those before it have given up. Unlike other locks of the course
/// these are held across I/O: they stand for the file.
pub struct SqliteStore {
    path: PathBuf,
    /// The committer, and logins that store a session or an account.
    turns: Semaphore,
    /// Locked by the thread that has the permit.
    writer: Mutex<Connection>,
    /// For look-ups, which never wait for a commit.
    reader: Mutex<Connection>,
    /// The files that these connections write. When they are deleted or replaced,
    /// SQLite goes on writing to files that have no name any longer.
    files: [FileId; 2],
    in_doubt: InDoubt,
}

impl SqliteStore {
    /// Opens the file; makes it, for its owner alone, when it is missing.
    ///
    /// # Errors
    /// [`StoreError`] says which of the many ways a file can be unusable.
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
        check_schema(&path, &mut writer, schema, false)?;
        let reader = Mutex::new(connect(&path)?);
        let (turns, writer, files) = (Semaphore::new(1), Mutex::new(writer), file_ids(&path));
        Ok(SqliteStore { path, turns, writer, reader, files, in_doubt: InDoubt::default() })
    }

    /// Opens the file as [`SqliteStore::open`] does, and brings the tables of an
    /// earlier stage up to date.
    ///
    /// # Errors
    /// Those of [`SqliteStore::open`].
    pub fn init(path: &Path, schema: &Schema) -> Result<(), StoreError> {
        create_private(path)?;
        let mut conn = connect(path)?;
        check_schema(path, &mut conn, schema, true)?;
        Self::open(path, schema).map(drop)
    }

    /// Bounds the file to so many pages of 4 KiB; what is more finds the disk full.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        self.with_writer(|conn| conn.query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(())))
    }

    /// Runs `work` in one transaction of the writing connection.
    ///
    /// # Errors
    /// What SQLite says; the transaction is then undone.
    pub fn write<T>(&self, work: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.with_writer(|conn| {
            let tx = begin(conn)?;
            let result = work(&tx)?;
            tx.commit()?;
            Ok(result)
        })
    }

    /// Runs `work` on the reading connection.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        // Poisoned: a transaction that was open is undone when it is dropped,
        // so the connection is as good as before.
        let conn = self.reader.lock().ignore_poison();
        work(&conn).map_err(|e| self.explain(e))
    }

    fn with_writer<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let turn = self.turns.acquire_for(WAIT_FOR_TURN);
        let _turn = turn.ok_or_else(|| locked(self.path.display()))?;
        let mut conn = self.writer.lock().ignore_poison();
        self.is_still_there()?;
        let result = work(&mut conn).map_err(|e| self.explain(e))?;
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

    fn explain(&self, error: rusqlite::Error) -> StoreError {
        explain(&self.path, error)
    }
}

impl Store for SqliteStore {
    fn append_rows(&self, batch: &[&dyn super::MessageRow]) -> Result<Vec<usize>, StoreError> {
        self.append_batch(batch)
    }

    fn history(&self, query: &str, params: &[Param<'_>]) -> Result<Vec<Message>, StoreError> {
        self.append_batch(&[])?;
        let mut messages: Vec<Message> = self.read(|conn| {
            conn.prepare_cached(query)?.query_map(params_from_iter(params), message)?.collect()
        })?;
        messages.reverse();
        Ok(messages)
    }

    fn number(&self, query: &str, params: &[Param<'_>]) -> Result<Option<i64>, StoreError> {
        self.read(|conn| {
            let mut query = conn.prepare_cached(query)?;
            query.query_row(params_from_iter(params), |row| row.get(0)).optional()
        })
    }

    fn texts(&self, query: &str, params: &[Param<'_>]) -> Result<Vec<String>, StoreError> {
        self.read(|conn| {
            conn.prepare_cached(query)?.query_map(params_from_iter(params), |row| row.get(0))?.collect()
        })
    }

    fn insert(&self, statement: &str, row: &[Param<'_>]) -> Result<(), StoreError> {
        self.write(|tx| tx.prepare_cached(statement)?.execute(params_from_iter(row))).map(drop)
    }

    fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        self.read(|conn| conn.prepare_cached(sql::USER)?.query_row([name_key(name)], user).optional())
    }

    fn users(&self) -> Result<Vec<User>, StoreError> {
        self.read(|conn| conn.prepare_cached(sql::USERS)?.query_map([], user)?.collect())
    }

    fn add_users(&self, new: &[NewUser]) -> Result<(), StoreError> {
        let mut failed = None;
        let result = self.write(|tx| {
            let mut add = tx.prepare_cached(sql::ADD_USER)?;
            for user in new {
                failed = Some(&user.name);
                add.execute(params![user.name, name_key(&user.name), user.password.0, now()])?;
            }
            failed = None;
            Ok(())
        });
        match (result, failed) {
            (Err(_), Some(name)) if self.user(name)?.is_some() => Err(StoreError::NameTaken(name.clone())),
            (result, _) => result,
        }
    }

    fn set_role(&self, name: &str, role: Role) -> Result<(), StoreError> {
        let changed = self.write(|tx| tx.execute(sql::SET_ROLE, params![role.as_str(), name_key(name)]))?;
        if changed == 0 { Err(StoreError::NoSuchUser(name.to_owned())) } else { Ok(()) }
    }

    fn save_session(&self, s: &NewSession) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.prepare_cached(sql::ADD_SESSION)?.execute(params![s.token.0, s.user_id, s.created, s.expires])
        })?;
        Ok(())
    }

    fn session_user(&self, token: &TokenHash, now: Millis) -> Result<Option<User>, StoreError> {
        self.read(|conn| {
            conn.prepare_cached(sql::SESSION_USER)?.query_row(params![token.0, now], user).optional()
        })
    }

    fn end_session(&self, token: &TokenHash, now: Millis) -> Result<(), StoreError> {
        let end = |conn: &Transaction| match conn
            .prepare_cached(sql::END_SESSION)?
            .execute(params![token.0, now])
        {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(0),
            result => result,
        };
        self.write(end).map(drop)
    }
}

/// IMMEDIATE asks for the write lock at once. A transaction that starts by
/// reading and then wants to write is refused, in spite of the busy timeout,
/// when another wrote in between.
fn begin(conn: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    conn.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn message(row: &Row) -> rusqlite::Result<Message> {
    let id = MessageId { run: row.get(0)?, number: row.get(1)? };
    Ok(Message { id, sent: row.get(2)?, name: row.get(3)?, text: row.get(4)? })
}

fn user(row: &Row) -> rusqlite::Result<User> {
    let role: String = row.get(3)?;
    Ok(User {
        id: row.get(0)?,
        name: row.get(1)?,
        password: PasswordHash(row.get(2)?),
        // The table's CHECK allows nothing else.
        role: role.parse().unwrap_or(Role::Member),
        created: row.get(4)?,
    })
}
