//! The two databases, as far as they differ: how a statement is run.

use super::in_doubt::NumberRange;
use super::{MessageRow, StoreError, Value};

/// What a [`Store`](super::Store) needs of its database. All of it may be called from
/// any thread.
pub trait Database: Send + Sync {
    /// The rows that `query` finds.
    fn query(&self, query: &str, params: &[Value]) -> Result<Vec<Vec<Value>>, StoreError>;

    /// Runs `statement` once for each of `rows`, which have its parameters: all of it
    /// in one transaction, durably, or nothing.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] with the index of the first row whose key exists.
    fn execute(&self, statement: &str, rows: &[Vec<Value>]) -> Result<(), StoreError>;

    /// Adds retractions and messages in one transaction, durably. Returns the indices
    /// of messages that the database cannot take, now or ever.
    fn append(
        &self,
        retract: &[NumberRange],
        batch: &[&dyn MessageRow],
    ) -> Result<Vec<usize>, AppendError<StoreError>>;

    /// The error for a row that no program of ours has written.
    fn unreadable(&self) -> StoreError;

    /// See [`Store::durability_warning`](super::Store::durability_warning).
    fn durability_warning(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }
}

/// Why a batch was not appended.
pub enum AppendError<E> {
    /// It is not stored.
    NotStored(E),
    /// The COMMIT failed: the batch may be stored or not.
    InDoubt(E),
}
