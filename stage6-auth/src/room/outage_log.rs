//! What is said about a database that cannot be reached: to the log, and to the
//! authors of messages that were not stored.

use crate::pipeline::Batch;
use common::log::Log;

/// What a user is told whose message is not in the database.
pub const NOT_STORED: &str = "[SERVER] error: message not stored, try again";

/// An outage is logged when it begins and when it is over, not message by message.
pub struct OutageLog {
    log: Log,
    /// How many messages the present outage has cost so far; `None` when there is no
    /// outage.
    outage: Option<usize>,
}

impl OutageLog {
    /// No outage so far.
    pub fn new(log: &Log) -> Self {
        OutageLog { log: log.clone(), outage: None }
    }

    /// Takes note of a batch.
    pub fn note<M, E>(&mut self, batch: &Batch<M, E>) {
        let refused = batch.refused;
        if let Some(error) = &batch.failure {
            if self.outage.is_none() {
                self.log.error(format_args!("messages are not stored, and reach nobody: {error}"));
            }
            *self.outage.get_or_insert(0) += refused;
            return;
        }
        if refused > 0 {
            self.log.warn(format_args!(
                "{refused} messages were refused alone: the database cannot hold their text"
            ));
        }
        if batch.submissions.iter().any(|submission| submission.message.is_some())
            && let Some(lost) = self.outage.take()
        {
            self.log.warn(format_args!("messages are stored again; {lost} were not"));
        }
    }
}
