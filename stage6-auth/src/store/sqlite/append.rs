//! Messages into the file, batch by batch.

use super::super::in_doubt::NumberRange;
use super::super::{MessageRow, StoreError, now, sql};
use super::{SqliteStore, begin};
use rusqlite::{Transaction, params, params_from_iter};

impl SqliteStore {
    pub(super) fn append_batch(&self, batch: &[&dyn MessageRow]) -> Result<Vec<usize>, StoreError> {
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
}

fn add_rows(tx: &Transaction, retract: &[NumberRange], batch: &[&dyn MessageRow]) -> rusqlite::Result<()> {
    for range in retract {
        tx.prepare_cached(sql::RETRACT)?.execute(params![range.run, range.first, range.last, now()])?;
    }
    // No other connection can write until this transaction ends, so the next id is free.
    let last: i64 = tx.prepare_cached(sql::LAST_ID)?.query_row([], |row| row.get(0))?;
    for (id, message) in (last + 1..).zip(batch) {
        tx.prepare_cached(message.insert())?.execute(params_from_iter(message.params(id)))?;
    }
    Ok(())
}
