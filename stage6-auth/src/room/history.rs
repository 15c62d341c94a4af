//! The history: the last messages, for those who come later.

use crate::store::{Message, rfc3339};
use std::collections::VecDeque;

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

    /// The lines for somebody whose outbox holds `bound` bytes.
    pub fn lines(&self, bound: usize) -> String {
        lines(self.messages.iter(), bound)
    }
}

/// The lines that show as many of the last `messages` as fit: with a long history
/// of long messages, an outbox of `bound` bytes would throw somebody out who had
/// no chance to read yet.
pub fn lines<'a>(
    messages: impl DoubleEndedIterator<Item = &'a Message> + ExactSizeIterator + Clone,
    bound: usize,
) -> String {
    // Sealed, a line is longer by a third and some 80 bytes: so this is less
    // than half of what may wait.
    let mut left = bound / 4;
    let fits = |message: &&Message| {
        let size = message.name.len() + message.text.len() + 100;
        left.checked_sub(size).inspect(|&rest| left = rest).is_some()
    };
    let skipped = messages.len() - messages.clone().rev().take_while(fits).count();
    let mut lines = String::new();
    for Message { sent, name, text, .. } in messages.skip(skipped) {
        lines.extend(["[HISTORY] ", &rfc3339(*sent), " ", name, ": ", text, "\n"]);
    }
    lines
}
