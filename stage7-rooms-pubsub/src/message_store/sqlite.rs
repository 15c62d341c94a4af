//! In SQLite.

use super::{MessageStore, sql};
use crate::addressed_message::AddressedMessage;
use rusqlite::{OptionalExtension, params};
use stage6_auth::store::sqlite::SqliteStore;
use stage6_auth::store::{Cell, Message, StoreError, name_key, now};
use std::sync::Arc;

impl MessageStore for SqliteStore {
    fn append(&self, batch: &[AddressedMessage]) -> Result<Vec<usize>, StoreError> {
        self.append_rows(batch)
    }

    fn history(&self, room: &str, limit: usize) -> Result<Vec<Message>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        SqliteStore::history(self, sql::HISTORY, &[Cell::Text(room), Cell::Int(limit)])
    }

    fn is_subscribed(&self, subscriber: i64, publisher: i64) -> Result<bool, StoreError> {
        let begins = self.read(|conn| {
            let mut query = conn.prepare_cached(sql::IS_SUBSCRIBED)?;
            query.query_row([subscriber, publisher], |row| row.get(0)).optional()
        })?;
        Ok(begins.unwrap_or(false))
    }

    fn subscription_changes(&self, subscriber: i64) -> Result<u32, StoreError> {
        self.read(|conn| conn.prepare_cached(sql::CHANGES)?.query_row([subscriber], |row| row.get(0)))
    }

    fn subscribe(&self, subscriber: i64, publisher: i64, begins: bool) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.prepare_cached(sql::SUBSCRIBE)?.execute(params![subscriber, publisher, begins, now()])
        })?;
        Ok(())
    }

    fn subscriptions(&self, subscriber: &str) -> Result<Vec<Arc<str>>, StoreError> {
        self.read(|conn| {
            conn.prepare_cached(sql::SUBSCRIPTIONS)?
                .query_map([name_key(subscriber)], |row| row.get(0))?
                .collect()
        })
    }
}
