//! Messages into the database, batch by batch.

use super::super::database::AppendError;
use super::super::in_doubt::NumberRange;
use super::super::{MessageRow, now, sql};
use super::errors::{is_timeout, is_unstorable, lost_race};
use super::{MySqlDatabase, to_mysql};
use mysql::Conn;
use mysql::prelude::Queryable;
use std::time::Duration;

/// Rows in one INSERT at most. Full statements of 4 KiB lines stay far below
/// the server's `max_allowed_packet` (16 MiB).
const MOST_ROWS: usize = 256;

/// How long a batch is tried again while other servers take the ids it was to get.
pub(super) const RACE_LIMIT: Duration = Duration::from_millis(1500);

/// A writer that lost a race pauses for a random time up to this. Without it, two
/// writers in step with each other could have the same winner each time.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// The committer's connection.
#[derive(Default)]
pub(super) struct Writer {
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

impl MySqlDatabase {
    /// Tries once to append the batch.
    pub(super) fn transaction(
        &self,
        writer: &mut Writer,
        retract: &[NumberRange],
        batch: &[&dyn MessageRow],
    ) -> Result<Vec<usize>, AppendError<mysql::Error>> {
        let mut conn = self.begin(writer).map_err(AppendError::NotStored)?;
        writer.unfinished = Some(conn.connection_id());
        let refused = match add_rows(&mut conn, retract, batch) {
            Ok(refused) => refused,
            Err(error) => {
                // Known not to be stored: a server undoes a transaction whose
                // connection ends without a COMMIT.
                if !error.is_connectivity_error() && conn.query_drop("ROLLBACK").is_ok() {
                    writer.keep(conn);
                }
                return Err(AppendError::NotStored(error));
            }
        };
        match conn.query_drop("COMMIT") {
            Ok(()) => {
                writer.keep(conn);
                Ok(refused)
            }
            // A cluster that refuses a COMMIT has undone it.
            Err(error) if lost_race(&error) => Err(AppendError::NotStored(error)),
            // A query afterwards would not tell; see `crate::store`.
            Err(error) => Err(AppendError::InDoubt(error)),
        }
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

/// Adds the rows under the next free ids, and returns the indices of those that
/// the table cannot take. A row for each round trip would take as long as a
/// hundred rows in one.
fn add_rows(
    conn: &mut Conn,
    retract: &[NumberRange],
    batch: &[&dyn MessageRow],
) -> mysql::Result<Vec<usize>> {
    for range in retract {
        conn.exec_drop(sql::RETRACT, (range.run, range.first, range.last, now()))?;
    }
    let last: Option<i64> = conn.query_first(sql::LAST_ID)?;
    let mut id = 1 + last.unwrap_or(0);
    let (mut done, mut most, mut refused) = (0, MOST_ROWS, Vec::new());
    while done < batch.len() {
        // Powers of two, so that few different statements have to be prepared
        // and each connection keeps them all.
        let rows = 1 << (batch.len() - done).min(most).ilog2();
        match insert(conn, id, &batch[done..done + rows]) {
            Ok(()) => (id, done, most) = (id + rows as i64, done + rows, MOST_ROWS),
            // The server has undone this statement alone. Half of its rows may do.
            Err(error) if is_unstorable(&error) => {
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

/// Adds all of `rows` in one statement, under the ids from `first` on: all of them,
/// or none.
///
/// # Errors
/// What the server or the network says. After a failure of the network they may be
/// stored or not.
pub fn insert(conn: &mut Conn, first: i64, rows: &[&dyn MessageRow]) -> mysql::Result<()> {
    let Some(row) = rows.first() else { return Ok(()) };
    let params: Vec<_> = (first..).zip(rows).flat_map(|(row_id, row)| row.params(row_id)).collect();
    let more = format!(", ({})", vec!["?"; params.len() / rows.len()].join(", "));
    conn.exec_drop(format!("{}{}", row.insert(), more.repeat(rows.len() - 1)), to_mysql(&params))
}
