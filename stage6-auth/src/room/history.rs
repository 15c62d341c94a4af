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
        self.messages.push_back(message);
        if self.messages.len() > self.most {
            self.messages.pop_front();
        }
    }

    /// The lines that show as many of the last messages as fit into an outbox that
    /// holds `bound` bytes: a long history of long messages would disconnect a client
    /// that had no chance to read yet.
    pub fn lines(&self, bound: usize) -> String {
        // This is less than half of what may wait.
        let fitting = fitting(self.messages.iter().rev(), bound / 4);
        self.messages.range(self.messages.len() - fitting..).map(history_line).collect()
    }
}

/// The line that shows a message.
pub fn history_line(Message { sent, name, text, .. }: &Message) -> String {
    format!("[HISTORY] {} {name}: {text}\n", rfc3339(*sent))
}

/// How many of these messages fit into so many bytes of an outbox, or into twice as
/// many: sealed, a line is longer by a third and some 80 bytes.
pub fn fitting<'a>(messages: impl Iterator<Item = &'a Message>, bytes: usize) -> usize {
    let ends = messages.scan(0, |end, message| {
        *end += message.name.len() + message.text.len() + 100;
        Some(*end)
    });
    ends.take_while(|&end| end <= bytes).count()
}
