//! A message as a row of its table, for either database.

use super::{Message, MessageId, Millis, sql};
use mysql::Value;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

/// A message as a row. Stage 7's messages have more columns than this stage's.
pub trait MessageRow: Send + 'static {
    /// Takes over the number and the time that the committer gives.
    fn stamp(&mut self, id: MessageId, sent: Millis);

    /// What it counts for against the bytes of the committer's queue.
    fn size(&self) -> usize;

    /// The INSERT of one row, its `VALUES (?, …)` at the end.
    fn insert(&self) -> &'static str;

    /// The number by which a retraction names the message.
    fn id(&self) -> MessageId;

    /// The parameters of that INSERT, for the row with this id, which the store gives.
    fn params(&self, id: i64) -> Vec<Param<'_>>;
}

/// A batch of messages, as [`Store::append_rows`](super::Store::append_rows) takes it.
pub fn rows<M: MessageRow>(batch: &[M]) -> Vec<&dyn MessageRow> {
    batch.iter().map(|message| message as &dyn MessageRow).collect()
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub enum Param<'a> {
    /// A number.
    Int(i64),
    /// A text.
    Text(&'a str),
}

/// A limit: as many as the database can count, at most.
impl From<usize> for Param<'_> {
    fn from(limit: usize) -> Self {
        Param::Int(i64::try_from(limit).unwrap_or(i64::MAX))
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Param::Int(number) => (*number).into(),
            Param::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

impl From<Param<'_>> for Value {
    fn from(param: Param<'_>) -> Value {
        match param {
            Param::Int(number) => number.into(),
            Param::Text(text) => text.into(),
        }
    }
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

    fn params(&self, id: i64) -> Vec<Param<'_>> {
        let MessageId { run, number } = self.id;
        let numbers = [id, run, number, self.sent].map(Param::Int);
        numbers.into_iter().chain([Param::Text(&self.name), Param::Text(&self.text)]).collect()
    }
}
