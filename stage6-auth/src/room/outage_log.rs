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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Submission;
    use crate::store::{Message, StoreError};
    use common::log::Level;

    fn batch(stored: bool, refused: usize, failure: bool) -> Batch<Message, ()> {
        let message = stored.then(|| Message::new("alice".into(), "text".into()));
        let failure = failure.then(|| StoreError::Unusable("test".into()));
        Batch { submissions: vec![Submission { message, event: () }], refused, failure }
    }

    #[test]
    fn an_outage_is_logged_when_it_begins_and_when_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.txt");
        let (log, guard) = Log::start(Level::Info, Some(&file)).unwrap();
        let mut outage_log = OutageLog::new(&log);
        // An outage that has cost no message yet is one, too.
        for (stored, refused, failure) in [
            (true, 0, false),
            (false, 0, true),
            (false, 2, true),
            (false, 0, true),
            (false, 1, true),
            (false, 0, false),
            (true, 0, false),
            (true, 1, false),
        ] {
            outage_log.note(&batch(stored, refused, failure));
        }
        drop(guard);
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| &line["2026-11-21T05:55:04.001Z ".len()..]).collect();
        assert_eq!(
            lines,
            [
                "ERROR messages are not stored, and reach nobody: test",
                "WARN  messages are stored again; 3 were not",
                "WARN  1 messages were refused alone: the database cannot hold their text",
            ]
        );
    }
}
