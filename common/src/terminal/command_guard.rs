//! Lines that look like a command and are none.

use super::Output;

/// The words with which every client leaves and explains itself.
const COMMANDS: [&str; 2] = ["/quit", "/help"];

/// Keeps a user from saying to the room what was meant as a command: `/quit now` or
/// `/h`. To the server they are text like any other.
pub struct CommandGuard {
    more: &'static [&'static str],
    /// What was held back last.
    held_back: String,
}

impl CommandGuard {
    /// `more` are the commands of a later stage.
    pub fn new(more: &'static [&'static str]) -> Self {
        CommandGuard { more, held_back: String::new() }
    }

    /// Returns `true` if the line is not to be sent, and says why: on a terminal,
    /// the first time that it is typed.
    pub fn holds_back(&mut self, line: &str, output: &Output) -> bool {
        let known = COMMANDS.contains(&line) || self.more.contains(&line);
        if known || !line.starts_with('/') || !output.interactive() || self.held_back == line {
            self.held_back.clear();
            return false;
        }
        output.hint("Not sent: no such command. To say it to the room, type it again.");
        line.clone_into(&mut self.held_back);
        true
    }
}
