//! All commands, each once: `/help`, Tab and the answer to an unknown command have
//! them from here.

/// A command, as a user types it.
#[derive(Clone, Copy, Debug)]
pub struct CommandInfo {
    /// The word and its arguments: `ROOM` and `USER` are names, `TEXT` and `N` are
    /// anything; what is in brackets may be left out.
    pub usage: &'static str,
    /// What it does, in one line of `/help`.
    pub help: &'static str,
}

impl CommandInfo {
    /// The word alone, with its `/`.
    pub fn name(&self) -> &'static str {
        self.usage.split(' ').next().unwrap_or(self.usage)
    }

    /// What its first argument is, if that is `ROOM`, `USER` or `TEXT`.
    pub fn argument(&self) -> Option<&'static str> {
        let word = self.usage.split(' ').nth(1)?.trim_matches(['[', ']']);
        ["ROOM", "USER", "TEXT"].into_iter().find(|known| *known == word)
    }

    /// Returns `true` if something comes after its first argument.
    pub fn goes_on(&self) -> bool {
        self.usage.split(' ').nth(2).is_some()
    }
}

const fn command(usage: &'static str, help: &'static str) -> CommandInfo {
    CommandInfo { usage, help }
}

/// The commands of this stage.
pub const COMMANDS: [CommandInfo; 15] = [
    command("/join ROOM", "go into a room; it is there while a user is in it"),
    command("/leave", "go back to the lobby"),
    command("/rooms", "the rooms, and how many users are in each"),
    command("/users", "the users in this room"),
    command("/history [N]", "what was said in this room, the last N messages"),
    command("/publish TEXT", "for your subscribers, in whichever room they are"),
    command("/subscribe USER", "see what USER says in other rooms, and publishes"),
    command("/unsubscribe USER", "no longer"),
    command("/subs", "to whom you are subscribed"),
    command("/msg USER TEXT", "for USER alone; the server can read it"),
    command("/kick USER", "for admins: put USER out"),
    command("/announce TEXT", "for admins: to all users in all rooms"),
    command("/help", "this text; Tab completes commands, rooms and names"),
    command("/logout", "leave, and end the session"),
    command("/quit", "leave, as with !DISCONNECT or Ctrl-D"),
];

/// The commands of a later stage: those of this one, and at the end `changes`, which
/// replace commands of the same names.
pub fn commands_with(changes: &[CommandInfo]) -> Vec<CommandInfo> {
    let stays = |command: &&CommandInfo| changes.iter().all(|change| change.name() != command.name());
    COMMANDS.iter().filter(stays).chain(changes).copied().collect()
}
