//! A message as a row of its table, for either database.

use super::{Message, MessageId, Millis, Value, sql};

/// A message as a row. Stage 7's messages have more columns than this stage's.
pub trait MessageRow: Send + 'static {
    /// Takes over the id and the time that the committer gives.
    fn stamp(&mut self, id: MessageId, sent: Millis);

    /// What it counts for against the bytes of the committer's queue.
    fn size(&self) -> usize;

    /// The INSERT of one row, its `VALUES (?, …)` at the end.
    fn insert(&self) -> &'static str;

    /// What the committer gave: by this a retraction names the message.
    fn id(&self) -> MessageId;

    /// The parameters of that INSERT. `row_id` is for the column `id`, the place of the row
    /// in the history, which the store gives.
    fn params(&self, row_id: i64) -> Vec<Value>;
}

/// A batch of messages, as [`Store::append`](super::Store::append) takes it.
pub fn rows<M: MessageRow>(batch: &[M]) -> Vec<&dyn MessageRow> {
    batch.iter().map(|message| message as &dyn MessageRow).collect()
}

impl MessageRow for Message {
    fn stamp(&mut self, id: MessageId, sent: Millis) {
        self.id = id;
        self.sent = sent;
    }

    fn size(&self) -> usize {
        self.text.len()
    }

    fn insert(&self) -> &'static str {
        sql::ADD_MESSAGE
    }

    fn id(&self) -> MessageId {
        self.id
    }

    fn params(&self, row_id: i64) -> Vec<Value> {
        let MessageId { run, number } = self.id;
        let numbers = [row_id, run, number, self.sent].map(Value::Integer);
        let texts = [&*self.name, &self.text].map(|text| Value::Text(text.to_owned()));
        numbers.into_iter().chain(texts).collect()
    }
}
