//! An SQLite file: how it is made, opened and checked, and what can be wrong with it.

use super::super::error::{disk_full, init_command, locked, other, too_new, too_old};
use super::super::schema::{Change, Schema};
use super::super::{StoreError, now, sql};
use common::private_file::{open_or_make, reject_foreign_link};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};
use std::fmt::Display;
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
    reject_foreign_link(path).map_err(|e| cannot_open(path, e))?;
    if path.exists() {
        return Ok(());
    }
    match open_or_make(path, OpenOptions::new().write(true)) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied) => {
            Err(read_only(path))
        }
        Err(error) => Err(cannot_open(path, error)),
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

/// What to do about tables of an earlier version.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OlderTables {
    /// Say that `init` brings them up to date.
    Refuse,
    /// Bring them up to date.
    Migrate,
}

/// Makes the tables in an empty file, and checks the version of others.
pub fn check_schema(
    path: &Path,
    conn: &mut Connection,
    schema: &Schema,
    older: OlderTables,
) -> Result<(), StoreError> {
    let (db, known) = (&path.display().to_string(), schema.version());
    let explain = |error| explain(path, error);
    // In one transaction, since two programs may open a new file at once.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explain)?;
    let mut version = version(&tx).map_err(explain)?.ok_or_else(|| {
        StoreError::Unusable(format!("{db} is a database of another program; name another with --db"))
    })?;
    let is_new = version == 0;
    loop {
        let (statements, next) = match schema.next(version, |step| step.sqlite) {
            Change::None => return tx.commit().map_err(explain),
            Change::TooNew(found) => return Err(too_new(db, found, known)),
            Change::Run(..) if !is_new && older == OlderTables::Refuse => {
                return Err(too_old(db, version, known, &init_command(schema.program, db)));
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

/// Which file a path leads to: the device and the number of its inode; `None` for no file.
pub type FileId = Option<(u64, u64)>;

/// The database's file and its write-ahead log, which is as much a part of it.
pub fn file_ids(path: &Path) -> [FileId; 2] {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    [path, Path::new(&log)].map(|path| fs::metadata(path).ok().map(|data| (data.dev(), data.ino())))
}

/// The file or its folder cannot be opened or made.
pub fn cannot_open(path: &Path, cause: impl Display) -> StoreError {
    StoreError::Unusable(format!(
        "cannot open {}: {cause}; check the path given with --db sqlite:PATH and the folder's permissions",
        path.display()
    ))
}

/// The file, its folder or the whole file system cannot be written.
pub fn read_only(path: &Path) -> StoreError {
    StoreError::Unusable(format!(
        "{} is read-only; give this user write permission for the file and its folder, and see with lsattr that neither is immutable",
        path.display()
    ))
}

/// The content is none that this program, or the database, has written.
pub fn damaged(path: &Path, cause: impl Display) -> StoreError {
    let db = path.display();
    StoreError::Unusable(format!(
        "{db} is damaged: {cause}; stop the server, keep a copy, and restore a backup, or save what `sqlite3 {db} .recover` can read"
    ))
}

/// What the error means, with what to do about it.
pub fn explain(path: &Path, error: rusqlite::Error) -> StoreError {
    let db = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::Unusable(format!(
            "{db} is not a database file; name another file with --db sqlite:PATH, or move this one away"
        )),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => read_only(path),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => locked(db),
        Some(ErrorCode::DiskFull) => disk_full(db),
        Some(ErrorCode::DatabaseCorrupt) => damaged(path, error),
        Some(ErrorCode::SystemIoFailure) => StoreError::Unusable(format!(
            "{db}: {error}; look for a failing disk (dmesg) and for immutable files (lsattr)"
        )),
        Some(ErrorCode::CannotOpen) => cannot_open(path, error),
        // No error of SQLite's, but a row that cannot be read.
        None if !matches!(error, rusqlite::Error::QueryReturnedNoRows) => {
            damaged(path, "a table holds what this program has not written")
        }
        _ => other(db, error),
    }
}
