//! In MySQL or MariaDB.

use super::{MessageStore, sql};
use crate::addressed_message::AddressedMessage;
use mysql::prelude::Queryable;
use stage6_auth::store::mysql::MySqlStore;
use stage6_auth::store::{Cell, Message, StoreError, name_key, now};
use std::sync::Arc;

impl MessageStore for MySqlStore {
    fn append(&self, batch: &[AddressedMessage]) -> Result<Vec<usize>, StoreError> {
        self.append_rows(batch)
    }

    fn history(&self, room: &str, limit: usize) -> Result<Vec<Message>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        MySqlStore::history(self, sql::HISTORY, &[Cell::Text(room), Cell::Int(limit)])
    }

    fn is_subscribed(&self, subscriber: i64, publisher: i64) -> Result<bool, StoreError> {
        let begins = self.with(|conn| conn.exec_first(sql::IS_SUBSCRIBED, (subscriber, publisher)))?;
        Ok(begins.unwrap_or(false))
    }

    fn subscription_changes(&self, subscriber: i64) -> Result<u32, StoreError> {
        Ok(self.with(|conn| conn.exec_first(sql::CHANGES, (subscriber,)))?.unwrap_or(0))
    }

    fn subscribe(&self, subscriber: i64, publisher: i64, begins: bool) -> Result<(), StoreError> {
        self.with(|conn| conn.exec_drop(sql::SUBSCRIBE, (subscriber, publisher, begins, now())))
    }

    fn subscriptions(&self, subscriber: &str) -> Result<Vec<Arc<str>>, StoreError> {
        let names: Vec<String> = self.with(|conn| conn.exec(sql::SUBSCRIPTIONS, (name_key(subscriber),)))?;
        Ok(names.into_iter().map(Arc::from).collect())
    }
}
