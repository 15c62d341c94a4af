//! A message as a row of its table, for either database.

use super::{Message, MessageId, sql};
use mysql::Value;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

/// A message as a row. Stage 7's messages have more columns than this stage's.
pub trait Row {
    /// The INSERT of one row, its `VALUES (?, …)` at the end. Its first parameter
    /// is the id, which the store gives.
    const ADD: &'static str;
    /// How many parameters that has besides the id.
    const COLUMNS: usize;

    /// The number by which a retraction names the message.
    fn id(&self) -> MessageId;

    /// The parameter number `column`, from 0 to below [`Row::COLUMNS`].
    fn cell(&self, column: usize) -> Cell<'_>;

    /// All parameters of the row with this id.
    fn cells(&self, id: i64) -> impl Iterator<Item = Cell<'_>> {
        std::iter::once(Cell::Int(id)).chain((0..Self::COLUMNS).map(|column| self.cell(column)))
    }
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    /// A number.
    Int(i64),
    /// A text.
    Text(&'a str),
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Int(number) => (*number).into(),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

impl From<Cell<'_>> for Value {
    fn from(cell: Cell<'_>) -> Value {
        match cell {
            Cell::Int(number) => number.into(),
            Cell::Text(text) => text.into(),
        }
    }
}

impl Row for Message {
    const ADD: &'static str = sql::ADD_MESSAGE;
    const COLUMNS: usize = 5;

    fn id(&self) -> MessageId {
        self.id
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        match column {
            0 => Cell::Int(self.id.run),
            1 => Cell::Int(self.id.number),
            2 => Cell::Int(self.sent),
            3 => Cell::Text(&self.name),
            _ => Cell::Text(&self.text),
        }
    }
}
