//! An SQLite file: how it is made, opened and checked, and what can be wrong with it.

use super::super::error::init_command;
use super::super::schema::{Change, Schema};
use super::super::{StoreError, now, sql};
use common::private_file::{open_or_make, reject_foreign_link};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_millis(1500);

/// Makes the file, if it is missing, with mode 0600: SQLite would make it readable
/// by every user. The log and the index beside it get the file's mode. A symbolic
/// link of another user is refused.
pub fn create_private(path: &Path) -> Result<(), StoreError> {
    let db = || path.display().to_string();
    reject_foreign_link(path).map_err(|e| StoreError::Open { db: db(), cause: e.to_string() })?;
    if path.exists() {
        return Ok(());
    }
    match open_or_make(path, OpenOptions::new().write(true)) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied) => {
            Err(StoreError::ReadOnly { db: db() })
        }
        Err(error) => Err(StoreError::Open { db: db(), cause: error.to_string() }),
    }
}

pub fn connect(path: &Path) -> Result<Connection, StoreError> {
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
pub fn check_schema(
    path: &Path,
    conn: &mut Connection,
    schema: &Schema,
    migrate: bool,
) -> Result<(), StoreError> {
    let db = || path.display().to_string();
    let known = schema.version();
    let explain = |error| explain(path, error);
    // In one transaction, since two programs may open a new file at once.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explain)?;
    let mut version = version(&tx).map_err(explain)?.ok_or_else(|| StoreError::Foreign { db: db() })?;
    let found = version;
    loop {
        let (statements, next) = match schema.next(version, |step| step.sqlite) {
            Change::None => return tx.commit().map_err(explain),
            Change::TooNew(_) if has_gaps(&tx, known, found).map_err(explain)? => {
                return Err(StoreError::Damaged { db: db(), cause: format!("tables of a version {found}") });
            }
            Change::TooNew(found) => return Err(StoreError::TooNew { db: db(), found, known }),
            Change::Run(..) if found > 0 && !migrate => {
                let init = init_command(schema.program, &db());
                return Err(StoreError::TooOld { db: db(), found, known, init });
            }
            Change::Run(statements, next) => (statements, next),
        };
        for statement in statements {
            tx.execute_batch(statement).map_err(explain)?;
        }
        tx.execute(sql::ADD_VERSION, params![next, now()]).map_err(explain)?;
        version = next;
    }
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

/// Returns `true` if no program has made a version `found`: every step notes its
/// own version, so one that a newer program made has all those before it.
fn has_gaps(tx: &Transaction, known: u32, found: u32) -> rusqlite::Result<bool> {
    let newer = "SELECT COUNT(*) FROM schema_version WHERE version > ?";
    let steps: u32 = tx.query_row(newer, [known], |row| row.get(0))?;
    Ok(found > known && steps != found - known)
}

/// Which file a path leads to: the device and the number of its inode; `None` for no file.
pub type FileId = Option<(u64, u64)>;

/// The database's file and its write-ahead log, which is as much a part of it.
pub fn file_ids(path: &Path) -> [FileId; 2] {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    [path, Path::new(&log)].map(|path| fs::metadata(path).ok().map(|data| (data.dev(), data.ino())))
}

pub fn explain(path: &Path, error: rusqlite::Error) -> StoreError {
    let db = path.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotADatabase { db },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { db },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked { db },
        Some(ErrorCode::DiskFull) => StoreError::DiskFull { db },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { db, cause: error.to_string() },
        Some(ErrorCode::SystemIoFailure) => StoreError::Io { db, cause: error.to_string() },
        Some(ErrorCode::CannotOpen) => StoreError::Open { db, cause: error.to_string() },
        // No error of SQLite's, but a row that cannot be read.
        None if !matches!(error, rusqlite::Error::QueryReturnedNoRows) => {
            StoreError::Damaged { db, cause: "a table holds what this program has not written".to_owned() }
        }
        _ => StoreError::Other { db, cause: error.to_string() },
    }
}
