//! The server's error numbers, in our words.

use super::super::StoreError;
use super::super::error::{disk_full, init_command, locked, other};
use mysql::{DriverError, Error};
use std::io::ErrorKind;

/// ER_DUP_ENTRY.
pub const ALREADY_THERE: u16 = 1062;

/// ER_LOCK_DEADLOCK.
const DEADLOCK: u16 = 1213;

/// ER_DUP_FIELDNAME and ER_DUP_KEYNAME: a column or an index is there already.
/// ER_BAD_FIELD_ERROR: a column has its new name already.
pub const DONE_ALREADY: [u16; 3] = [1060, 1061, 1054];

/// Returns `true` if the table cannot take a row, now or ever: wrong characters for
/// its character set, too long, out of range, against a CHECK.
pub fn is_unstorable(error: &Error) -> bool {
    code(error).is_some_and(|code| [1366, 1406, 1264, 4025].contains(&code))
}

/// The server's number for the error, if it came from there.
pub fn code(error: &Error) -> Option<u16> {
    match error {
        Error::MySqlError(error) => Some(error.code),
        _ => None,
    }
}

/// Returns `true` if two transactions wanted the same rows and this one was not
/// the first. The server has undone its statement, or the whole of it, so nothing
/// is in doubt: a Galera cluster answers a COMMIT like that when another node's
/// transaction came first (MySQL manual, `ER_LOCK_DEADLOCK`; Galera's
/// documentation, "certification-based replication").
pub fn lost_race(error: &Error) -> bool {
    code(error).is_some_and(|code| code == ALREADY_THERE || code == DEADLOCK)
}

/// Returns `true` if it was found out by waiting.
pub fn is_timeout(error: &Error) -> bool {
    match error {
        // A socket's time-out shows as "would block" on Linux.
        Error::IoError(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        Error::DriverError(DriverError::ConnectTimeout | DriverError::Timeout) => true,
        Error::CodecError(error) => error.to_string().contains("temporarily unavailable"),
        _ => false,
    }
}

/// The error's text without the library's names of types around it.
fn cause(error: &Error) -> String {
    match error {
        Error::IoError(error) => error.to_string(),
        Error::DriverError(DriverError::CouldNotConnect(Some((_, cause, _)))) => cause.clone(),
        Error::DriverError(error) => error.to_string(),
        Error::MySqlError(error) => error.message.clone(),
        Error::CodecError(_) => {
            "the connection was lost, or what came was no answer of a database".to_owned()
        }
        _ => "an answer that this program does not understand".to_owned(),
    }
}

/// The database or its tables do not exist.
pub fn no_tables(db: &str, program: &str) -> StoreError {
    let init = init_command(program, db);
    StoreError::Unusable(format!(
        "{db} has no chat tables yet; run `{init}` first, with the administrator's account"
    ))
}

/// What happened, with what to do about it. The numbers are those of the MySQL
/// and MariaDB manuals ("Server Error Codes").
pub fn explain(db: &str, program: &str, error: &Error) -> StoreError {
    let cause = cause(error);
    let text = match code(error) {
        // Unknown database, no such table.
        Some(1049 | 1146) => return no_tables(db, program),
        Some(1021 | 1114) => return disk_full(db),
        // Lock wait timeout, deadlock.
        Some(1205 | 1213) => return locked(db),
        // No access for this user, to this database, from this host, without a
        // password, with a locked account.
        Some(1044 | 1045 | 1130 | 1698 | 4151) => {
            format!("{db} refuses the account: {cause}; check user and password in --db or CHAT_DB")
        }
        // This command, on this column, on this routine, without that privilege.
        Some(1142 | 1143 | 1370 | 1227) => {
            format!("{db} does not allow this account to do that: {cause}; use the administrator's URL")
        }
        Some(1290 | 1792 | 1836) => format!(
            "{db} is read-only: {cause}; let it take changes (SET GLOBAL read_only = OFF), or name the primary server"
        ),
        None if is_timeout(error) => unreachable(db, "no answer in time"),
        // Too many connections, shutting down, killed.
        Some(1040 | 1053 | 1317 | 1927) => unreachable(db, &cause),
        None if error.is_connectivity_error() => unreachable(db, &cause),
        _ => return other(db, cause),
    };
    StoreError::Unusable(text)
}

/// No connection, or it was lost, or no answer in time.
fn unreachable(db: &str, cause: &str) -> String {
    format!("database server {db} cannot be reached: {cause}; is it running there?")
}

#[test]
fn only_an_answer_of_the_server_tells_that_a_race_was_lost() {
    let answer = |code, state: &str| {
        Error::MySqlError(mysql::MySqlError { state: state.into(), message: String::new(), code })
    };
    // The second is Galera's answer to a COMMIT, too.
    assert!(lost_race(&answer(1062, "23000")) && lost_race(&answer(1213, "40001")));
    assert!(!lost_race(&answer(1205, "HY000")), "a lock that was waited for in vain");
    assert!(!lost_race(&answer(1053, "08S01")), "a server that shuts down may have stored it");
    assert!(!lost_race(&Error::IoError(ErrorKind::ConnectionReset.into())));
}
