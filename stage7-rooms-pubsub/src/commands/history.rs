//! `/history`: earlier messages, sent as fast as the client reads them.

use super::{CommandResult, Commands};
use crate::message_store;
use stage4_multichat::outbox::Outbox;
use stage6_auth::room::{fitting, history_line};
use stage6_auth::store::Message;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a client may take to read the history that it asks for.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

impl Commands<'_> {
    pub(super) fn show_history(&self, limit: usize) -> CommandResult {
        // This waits: what the client has just said belongs to the history.
        let room_name = self.room_name_when_stored()?;
        let messages = message_store::room_history(&self.chat.store, &self.room, limit)?;
        if messages.is_empty() {
            self.session.send_to(&format!("[SERVER] no earlier messages in {room_name}"));
        }
        match send_slowly(&messages, &self.session.outbox, Instant::now() + READ_TIMEOUT) {
            0 => Ok(()),
            left => {
                Err(format!("you read too slowly; /history {left} shows the messages that are left out")
                    .into())
            }
        }
    }
}

/// Sends the lines that show `messages`, however many, piece by piece as the client
/// reads. Its thread waits meanwhile, and other threads do not: what waits in the
/// outbox stays below the half at which senders are held back.
///
/// Returns how many messages were left out, since the client did not read them by
/// `deadline`.
fn send_slowly(messages: &[Message], outbox: &Arc<Outbox>, deadline: Instant) -> usize {
    let mut rest = messages;
    while !rest.is_empty() {
        if !outbox.wait_drained(deadline) {
            return rest.len();
        }
        // One at least, even if the outbox is a very small one.
        let count = fitting(rest.iter(), outbox.config.limit / 16).max(1);
        let piece: String = rest[..count].iter().map(history_line).collect();
        outbox.send_lines(&piece);
        rest = &rest[count..];
    }
    0
}
