//! The history: the last messages, for those who come later.

use crate::store::{Message, rfc3339};
use stage4_multichat::outbox::Outbox;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// The last messages, a bounded number of them, oldest first.
pub struct History {
    messages: VecDeque<Message>,
    most: usize,
}

impl History {
    /// The history goes on after these `messages`; it keeps the last `most`.
    pub fn new(messages: Vec<Message>, most: usize) -> Self {
        History { messages: messages.into(), most }
    }

    /// One message more.
    pub fn push(&mut self, message: Message) {
        if self.most == 0 {
            return;
        }
        if self.messages.len() == self.most {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
    }

    /// The lines that show as many of the last messages as fit into an outbox that
    /// holds `bound` bytes: a long history of long messages would disconnect a client
    /// that had no chance to read yet.
    pub fn lines(&self, bound: usize) -> String {
        // This is less than half of what may wait.
        let fitting = fitting(self.messages.iter().rev(), bound / 4);
        self.messages.range(self.messages.len() - fitting..).map(line).collect()
    }
}

/// The line that shows `message`.
fn line(Message { sent, name, text, .. }: &Message) -> String {
    format!("[HISTORY] {} {name}: {text}\n", rfc3339(*sent))
}

/// How many of these messages fit into so many bytes of an outbox, or into twice as
/// many: sealed, a line is longer by a third and some 80 bytes.
fn fitting<'a>(messages: impl Iterator<Item = &'a Message>, bytes: usize) -> usize {
    let ends = messages.scan(0, |end, message| {
        *end += message.name.len() + message.text.len() + 100;
        Some(*end)
    });
    ends.take_while(|&end| end <= bytes).count()
}

/// Sends the lines that show `messages`, however many, piece by piece as the client
/// reads. Its thread waits meanwhile, and other threads do not: what waits in the
/// outbox stays below the half at which senders are held back.
///
/// Returns how many messages were left out, since the client did not read them by
/// `deadline`.
pub fn stream(messages: &[Message], outbox: &Arc<Outbox>, deadline: Instant) -> usize {
    let mut rest = messages;
    while !rest.is_empty() {
        if !outbox.wait_drained(deadline) {
            return rest.len();
        }
        // One at least, even if the outbox is a very small one.
        let count = fitting(rest.iter(), outbox.limit() / 16).max(1);
        let piece: String = rest[..count].iter().map(line).collect();
        outbox.send_lines(&piece);
        rest = &rest[count..];
    }
    0
}
