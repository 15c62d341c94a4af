//! The options that the servers of stages 6 to 8 have in common.

use crate::auth::AuthArgs;
use crate::store::{DbArgs, Schema, Store, StoreError, open};
use common::cli::LogFileArgs;
use common::log::Log;
use stage4_multichat::drainer::PollDrainer;
use stage4_multichat::limits::LimitArgs;
use stage4_multichat::line_codec::LineCodec;
use stage4_multichat::outbox::OutboxConfig;
use std::io;
use std::sync::Arc;

/// Limits, database, login, history and log.
#[derive(clap::Args, Clone, Debug)]
pub struct ServerArgs {
    /// How many clients, how fast, and how much may wait for each.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Where users and messages are stored.
    #[command(flatten)]
    pub db: DbArgs,

    /// How users log in.
    #[command(flatten)]
    pub auth: AuthArgs,

    /// Number of earlier messages that a new client gets
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(..=10_000))]
    pub history: u16,

    /// Where the log goes.
    #[command(flatten)]
    pub log: LogFileArgs,
}

impl ServerArgs {
    /// What the outboxes of all clients have in common. Starts the drainer thread.
    ///
    /// # Errors
    /// When there is no file or no thread left for it.
    pub fn outboxes(&self, codec: Arc<dyn LineCodec>) -> io::Result<Arc<OutboxConfig>> {
        let (limit, drainer) = (self.limits.outbox_bytes, PollDrainer::start()?);
        Ok(Arc::new(OutboxConfig { limit, drainer, codec }))
    }

    /// Opens the database, with the tables of `schema`. Logs a warning if it is configured
    /// so that it can lose messages.
    ///
    /// # Errors
    /// Whatever keeps the database from being used, with what to do about it.
    pub fn open_store(&self, schema: &Schema, log: &Log) -> Result<Arc<Store>, StoreError> {
        let store = open(&self.db.db, schema)?;
        if let Some(warning) = store.durability_warning()? {
            log.warn(warning);
        }
        Ok(store)
    }
}
