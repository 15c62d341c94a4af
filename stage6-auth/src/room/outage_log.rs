//! What is said about a database that cannot be reached: to the log, and to the
//! authors of messages that were not stored.

use crate::committer::Event;
use crate::store::StoreError;
use common::log::Log;

/// What a user is told whose message is not in the database.
pub const NOT_STORED: &str = "[SERVER] error: message not stored, try again";

/// An outage is logged when it begins and when it is over, not message by message.
pub struct OutageLog {
    log: Log,
    /// How many messages the present outage has cost; 0 when there is none.
    refused: usize,
}

impl OutageLog {
    /// No outage so far.
    pub fn new(log: &Log) -> Self {
        OutageLog { log: log.clone(), refused: 0 }
    }

    /// Takes note of a batch.
    pub fn note<M, T>(&mut self, events: &[Event<M, T>], failure: Option<&StoreError>) {
        let refused = events.iter().filter(|event| matches!(event, Event::Refused(..))).count();
        let stored = events.iter().any(|event| matches!(event, Event::Stored(..)));
        match failure {
            Some(error) => {
                if self.refused == 0 {
                    self.log.error(format_args!("messages are not stored, and reach nobody: {error}"));
                }
                self.refused += refused;
            }
            None if refused > 0 => self.log.warn(format_args!(
                "{refused} messages were refused alone: the database cannot hold their text"
            )),
            None => {}
        }
        if failure.is_none() && stored && self.refused > 0 {
            self.log.warn(format_args!("messages are stored again; {} were not", self.refused));
            self.refused = 0;
        }
    }
}
