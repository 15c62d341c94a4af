//! The server's error numbers, in our words.

use super::super::StoreError;
use super::super::error::init_command;
use mysql::{DriverError, Error};
use std::io::ErrorKind;

/// ER_DUP_ENTRY.
pub const ALREADY_THERE: u16 = 1062;

/// Two transactions wanted the same rows, and this one was not the first:
/// ER_DUP_ENTRY, ER_LOCK_DEADLOCK.
pub const LOST_RACE: [u16; 2] = [ALREADY_THERE, 1213];

/// ER_DUP_FIELDNAME and ER_DUP_KEYNAME: a column or an index is there already.
/// ER_BAD_FIELD_ERROR: a column has its new name already.
pub const DONE_ALREADY: [u16; 3] = [1060, 1061, 1054];

/// The table cannot take this row, now or ever: wrong characters for its
/// character set, too long, out of range, against a CHECK.
pub const UNSTORABLE: [u16; 4] = [1366, 1406, 1264, 4025];

/// The server's number for the error, if it came from there.
pub fn code(error: &Error) -> Option<u16> {
    match error {
        Error::MySqlError(error) => Some(error.code),
        _ => None,
    }
}

/// Whether it was found out by waiting.
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

/// What happened, with what to do about it. The numbers are those of the MySQL
/// and MariaDB manuals ("Server Error Codes").
pub fn explain(db: &str, program: &str, error: Error) -> StoreError {
    let timeout = is_timeout(&error);
    let (db, cause) = (db.to_owned(), cause(&error));
    let Some(code) = code(&error) else {
        if timeout {
            return StoreError::Unreachable { db, cause: "no answer in time".to_owned() };
        }
        return match error.is_connectivity_error() {
            true => StoreError::Unreachable { db, cause },
            false => StoreError::Other { db, cause },
        };
    };
    match code {
        // Unknown database, no such table.
        1049 | 1146 => StoreError::NoSchema { init: init_command(program, &db), db },
        // No access for this user, to this database, from this host, without a
        // password, with a locked account.
        1044 | 1045 | 1130 | 1698 | 4151 => StoreError::Denied { db, cause },
        // This command, on this column, on this routine, without that privilege.
        1142 | 1143 | 1370 | 1227 => StoreError::NotAllowed { db, cause },
        1290 | 1792 | 1836 => StoreError::ReadOnlyServer { db, cause },
        1021 | 1114 => StoreError::DiskFull { db },
        // Lock wait timeout, deadlock.
        1205 | 1213 => StoreError::Locked { db },
        // Too many connections, shutting down, killed.
        1040 | 1053 | 1317 | 1927 => StoreError::Unreachable { db, cause },
        _ => StoreError::Other { db, cause },
    }
}
