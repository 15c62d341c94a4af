//! Messages into the file, batch by batch, and out of it again.

use super::super::in_doubt::Range;
use super::super::{Cell, Message, MessageId, Row, StoreError, now, sql};
use super::{SqliteStore, begin};
use rusqlite::{Transaction, params, params_from_iter};

impl SqliteStore {
    /// [`Store::append`], for messages with whatever columns.
    ///
    /// # Errors
    /// What SQLite says; then nothing is stored.
    pub fn append_rows<M: Row>(&self, batch: &[M]) -> Result<Vec<usize>, StoreError> {
        let retract = self.in_doubt.get();
        if batch.is_empty() && retract.is_empty() {
            return Ok(Vec::new());
        }
        let mut commits = false;
        let appended = self.with_writer(|conn| {
            let tx = begin(conn)?;
            add_rows(&tx, &retract, batch)?;
            commits = true;
            tx.commit()
        });
        // Not stored as far as this process sees, but the log may hold the whole batch:
        // had its flush failed and the machine then lost power, recovery could find it.
        // Or it is stored, in a file that has been moved away and may be put back.
        if commits && appended.is_err() {
            self.in_doubt.add(batch);
        }
        appended?;
        self.in_doubt.resolved(&retract);
        // SQLite's columns take any text.
        Ok(Vec::new())
    }

    /// The messages that `query` finds, newest first, in the columns of
    /// [`sql::RECENT`]; turned round, so that the oldest comes first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn history(&self, query: &str, params: &[Cell<'_>]) -> Result<Vec<Message>, StoreError> {
        self.append_rows::<Message>(&[])?;
        let mut messages: Vec<Message> = self.read(|conn| {
            conn.prepare_cached(query)?.query_map(params_from_iter(params), message)?.collect()
        })?;
        messages.reverse();
        Ok(messages)
    }
}

fn add_rows<M: Row>(tx: &Transaction, retract: &[Range], batch: &[M]) -> rusqlite::Result<()> {
    for range in retract {
        tx.prepare_cached(sql::RETRACT)?.execute(params![range.run, range.first, range.last, now()])?;
    }
    // Nobody else can write until this transaction ends, so the next id is free.
    let last: i64 = tx.prepare_cached(sql::LAST_ID)?.query_row([], |row| row.get(0))?;
    let mut add = tx.prepare_cached(M::ADD)?;
    for (id, m) in (last + 1..).zip(batch) {
        add.execute(params_from_iter(m.cells(id)))?;
    }
    Ok(())
}

fn message(row: &rusqlite::Row) -> rusqlite::Result<Message> {
    let id = MessageId { run: row.get(0)?, number: row.get(1)? };
    Ok(Message { id, sent: row.get(2)?, name: row.get(3)?, text: row.get(4)? })
}
