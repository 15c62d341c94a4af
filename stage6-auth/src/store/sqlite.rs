//! The store in a file: SQLite.
//!
//! The journal is a write-ahead log (WAL): a commit appends to `chat.db-wal`
//! and readers go on meanwhile. `synchronous=FULL` flushes that log to the disk
//! before a commit returns, so that a commit outlives a power cut; the cheaper
//! NORMAL outlives only the death of the process.

use super::unsettled::{Range, Unsettled};
use super::{
    Message, MessageId, Millis, NewSession, NewUser, PasswordHash, Role, Schema, Store, StoreError,
    TokenHash, User, name_key, now, sql,
};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior,
    params,
};
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a statement waits for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_millis(1500);

/// An open SQLite file.
///
/// SQLite allows one writer at a time. Our own threads queue for the writing
/// connection here, at a lock that wakes them; left to SQLite they would find
/// each other by sleeping and trying again. Unlike all other locks of the
/// course these two are held across I/O: they stand for the file.
pub struct SqliteStore {
    path: PathBuf,
    /// The committer, and logins that store a session or an account.
    writer: Mutex<Connection>,
    /// Logins that look something up; never waits for a commit.
    reader: Mutex<Connection>,
    unsettled: Unsettled,
}

impl SqliteStore {
    /// Opens the file; makes it, for its owner alone, when it is missing.
    ///
    /// # Errors
    /// [`StoreError`] says which of the many ways a file can be unusable.
    pub fn open(path: &Path, schema: &Schema) -> Result<Self, StoreError> {
        // `:memory:` and `` mean something else to SQLite; a path with a folder never does.
        let path = if path.is_relative() {
            Path::new(".").join(path)
        } else {
            path.to_owned()
        };
        create_private(&path)?;
        let mut writer = connect(&path)?;
        if writer.is_readonly("main").map_err(|e| explain(&path, e))? {
            return Err(StoreError::ReadOnly {
                db: path.display().to_string(),
            });
        }
        // Sticks to the file, unlike the other settings. Must come before the
        // reader opens it: changing the journal needs the file for oneself.
        let journal: String = writer
            .query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))
            .map_err(|e| explain(&path, e))?;
        if journal != "wal" {
            let cause =
                format!("this file system allows no write-ahead log (journal mode {journal})");
            return Err(StoreError::Open {
                db: path.display().to_string(),
                cause,
            });
        }
        check_schema(&path, &mut writer, schema, false)?;
        let reader = Mutex::new(connect(&path)?);
        Ok(SqliteStore {
            path,
            writer: Mutex::new(writer),
            reader,
            unsettled: Unsettled::default(),
        })
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
        let result = self
            .writer()
            .query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(()));
        result.map_err(|e| self.explain(e))
    }

    /// Runs `work` in one transaction of the writing connection; for the tables
    /// that later stages add.
    ///
    /// # Errors
    /// What SQLite says; the transaction is then undone.
    pub fn write<T>(
        &self,
        work: impl FnOnce(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut conn = self.writer();
        // IMMEDIATE asks for the write lock at once. A transaction that starts
        // by reading and then wants to write is refused, in spite of the busy
        // timeout, when another wrote in between.
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate);
        let tx = tx.map_err(|e| self.explain(e))?;
        let result = work(&tx).map_err(|e| self.explain(e))?;
        tx.commit().map_err(|e| self.explain(e))?;
        Ok(result)
    }

    /// Runs `work` on the reading connection.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        // Poisoned: a transaction that was open is undone when it is dropped,
        // so the connection is as good as before.
        let conn = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        work(&conn).map_err(|e| self.explain(e))
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn explain(&self, error: rusqlite::Error) -> StoreError {
        explain(&self.path, error)
    }
}

impl Store for SqliteStore {
    fn append(&self, batch: &[Message]) -> Result<(), StoreError> {
        let retract = self.unsettled.get();
        if batch.is_empty() && retract.is_empty() {
            return Ok(());
        }
        let mut conn = self.writer();
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate);
        let tx = tx.map_err(|e| self.explain(e))?;
        add_rows(&tx, &retract, batch).map_err(|e| self.explain(e))?;
        if let Err(error) = tx.commit() {
            // Not stored as far as this process sees, but the log may hold the
            // whole batch: had its flush failed and the machine then lost power,
            // recovery could find it.
            self.unsettled.add(batch);
            return Err(self.explain(error));
        }
        self.unsettled.settled(&retract);
        Ok(())
    }

    fn recent(&self, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.append(&[])?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut messages: Vec<Message> = self.read(|conn| {
            conn.prepare_cached(sql::RECENT)?
                .query_map([limit], message)?
                .collect()
        })?;
        messages.reverse();
        Ok(messages)
    }

    fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        self.read(|conn| {
            conn.prepare_cached(sql::USER)?
                .query_row([name_key(name)], user)
                .optional()
        })
    }

    fn users(&self) -> Result<Vec<User>, StoreError> {
        self.read(|conn| {
            conn.prepare_cached(sql::USERS)?
                .query_map([], user)?
                .collect()
        })
    }

    fn add_users(&self, new: &[NewUser]) -> Result<(), StoreError> {
        let mut failed = None;
        let result = self.write(|tx| {
            let mut add = tx.prepare_cached(sql::ADD_USER)?;
            for user in new {
                failed = Some(&user.name);
                add.execute(params![
                    user.name,
                    name_key(&user.name),
                    user.password.0,
                    now()
                ])?;
            }
            failed = None;
            Ok(())
        });
        match (result, failed) {
            (Err(StoreError::Other { .. }), Some(name)) if self.user(name)?.is_some() => {
                Err(StoreError::NameTaken(name.clone()))
            }
            (result, _) => result,
        }
    }

    fn set_role(&self, name: &str, role: Role) -> Result<(), StoreError> {
        let changed =
            self.write(|tx| tx.execute(sql::SET_ROLE, params![role.as_str(), name_key(name)]))?;
        if changed == 0 {
            Err(StoreError::NoSuchUser(name.to_owned()))
        } else {
            Ok(())
        }
    }

    fn save_session(&self, s: &NewSession) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.prepare_cached(sql::ADD_SESSION)?
                .execute(params![s.token.0, s.user_id, s.created, s.expires])
        })?;
        Ok(())
    }

    fn session_user(&self, token: &TokenHash, now: Millis) -> Result<Option<User>, StoreError> {
        self.read(|conn| {
            conn.prepare_cached(sql::SESSION_USER)?
                .query_row(params![token.0, now], user)
                .optional()
        })
    }

    fn end_session(&self, token: &TokenHash, now: Millis) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.prepare_cached(sql::END_SESSION)?
                .execute(params![now, token.0])
        })?;
        Ok(())
    }
}

fn add_rows(tx: &Transaction, retract: &[Range], batch: &[Message]) -> rusqlite::Result<()> {
    for range in retract {
        tx.prepare_cached(sql::RETRACT)?.execute(params![
            range.run,
            range.first,
            range.last,
            now()
        ])?;
    }
    let mut add = tx.prepare_cached(sql::ADD_MESSAGE)?;
    for m in batch {
        add.execute(params![m.id.run, m.id.number, m.sent, m.name, m.text])?;
    }
    Ok(())
}

fn message(row: &Row) -> rusqlite::Result<Message> {
    let id = MessageId {
        run: row.get(0)?,
        number: row.get(1)?,
    };
    Ok(Message {
        id,
        sent: row.get(2)?,
        name: row.get(3)?,
        text: row.get(4)?,
    })
}

fn user(row: &Row) -> rusqlite::Result<User> {
    let role: String = row.get(3)?;
    Ok(User {
        id: row.get(0)?,
        name: row.get(1)?,
        password: PasswordHash(row.get(2)?),
        // The table's CHECK lets nothing else in.
        role: role.parse().unwrap_or(Role::Member),
        created: row.get(4)?,
    })
}

/// SQLite would make the file readable by everyone; the log and the index that
/// it puts beside it take over the file's mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            let db = path.display().to_string();
            if matches!(
                error.kind(),
                ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
            ) {
                return Err(StoreError::ReadOnly { db });
            }
            Err(StoreError::Open {
                db,
                cause: error.to_string(),
            })
        }
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(BUSY_TIMEOUT)?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "foreign_keys", true)?;
        Ok(conn)
    };
    open().map_err(|e| explain(path, e))
}

/// Makes the tables in an empty file, and checks the version of others;
/// `migrate` brings older ones up to date.
fn check_schema(
    path: &Path,
    conn: &mut Connection,
    schema: &Schema,
    migrate: bool,
) -> Result<(), StoreError> {
    let db = || path.display().to_string();
    let known = schema.version();
    // In one transaction, since two programs may open a new file at once.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate);
    let tx = tx.map_err(|e| explain(path, e))?;
    let found = version(&tx)
        .map_err(|e| explain(path, e))?
        .ok_or_else(|| StoreError::Foreign { db: db() })?;
    if found == known {
        return Ok(());
    }
    if found > known {
        return Err(StoreError::TooNew {
            db: db(),
            found,
            known,
        });
    }
    if found > 0 && !migrate {
        return Err(StoreError::TooOld {
            db: db(),
            found,
            known,
            program: schema.program,
        });
    }
    let steps = || {
        for (version, step) in (1..=known).zip(schema.steps).skip(found as usize) {
            step.sqlite
                .iter()
                .try_for_each(|statement| tx.execute_batch(statement))?;
            tx.execute(sql::ADD_VERSION, params![version, now()])?;
        }
        Ok(())
    };
    steps().map_err(|e| explain(path, e))?;
    tx.commit().map_err(|e| explain(path, e))
}

/// The version of the tables; 0 when there are none, `None` when none are ours.
fn version(tx: &Transaction) -> rusqlite::Result<Option<u32>> {
    let count = |filter| {
        let query = format!("SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' {filter}");
        tx.query_row(&query, [], |row| row.get::<_, u32>(0))
    };
    if count("AND name = 'schema_version'")? == 1 {
        return tx
            .query_row(sql::VERSION, [], |row| row.get::<_, Option<u32>>(0))
            .map(|v| Some(v.unwrap_or(0)));
    }
    Ok(if count("")? == 0 { Some(0) } else { None })
}

fn explain(path: &Path, error: rusqlite::Error) -> StoreError {
    let db = path.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotADatabase { db },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { db },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked { db },
        Some(ErrorCode::DiskFull) => StoreError::DiskFull { db },
        Some(ErrorCode::CannotOpen) => StoreError::Open {
            db,
            cause: error.to_string(),
        },
        _ => StoreError::Other {
            db,
            cause: error.to_string(),
        },
    }
}
