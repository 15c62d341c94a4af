//! What a client knows of the chat: the user's room, the other users in it, and
//! which rooms there are. All of it is learned from lines that come
//! in anyway.
//!
//! It is for three things: the room in the prompt, the words that Tab completes,
//! and the way back after a lost connection, since a resumed
//! session begins in the lobby as every session does.

use crate::commands::CommandInfo;
use crate::rooms::LOBBY;
use common::poison::IgnorePoison;
use common::terminal::Complete;
use stage6_auth::accounts::check_name;
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How long a prompt waits for the answer to `/join`: it is to show the new room,
/// and a server that does not answer is not to keep the user from typing.
const PATIENCE: Duration = Duration::from_secs(2);

/// With so many names of users, all are forgotten before another one is remembered.
const MOST_REMEMBERED: usize = 10_000;

/// What a line changes, beside being shown.
#[derive(Debug, PartialEq, Eq)]
pub enum StateChange {
    /// That is most of them.
    Nothing,
    /// The user is in another room, and this is the prompt there.
    Moved {
        /// As [`ClientState::wait_for_prompt`] has it.
        prompt: String,
    },
    /// The user was kicked: the client does not come back by itself.
    Kicked,
}

/// See the [module](self).
pub struct ClientState {
    commands: Vec<CommandInfo>,
    /// Written by the thread that receives, and by the one that reads what is
    /// typed, which also asks for the words. Held for looking things up only.
    state: Mutex<State>,
    /// The answer to a move is there.
    moved: Condvar,
}

#[derive(Default)]
struct State {
    me: String,
    /// The user's room, or the one to go back to. `None`: the server has not said
    /// so yet, it is the lobby.
    room: Option<String>,
    /// `/join` or `/leave` was typed, and the answer is to come.
    moving: bool,
    rooms: BTreeSet<String>,
    /// Users whose names were in a list, or in another line.
    users: BTreeSet<String>,
}

impl ClientState {
    /// Nothing known yet, except for the commands.
    pub fn new(commands: &[CommandInfo]) -> Arc<Self> {
        Arc::new(ClientState { commands: commands.to_vec(), state: Mutex::default(), moved: Condvar::new() })
    }

    /// The user is logged in by this name, and so in the lobby. Returns the room to
    /// go back to, if the user was in another one before the connection was lost.
    pub fn logged_in(&self, name: &str) -> Option<String> {
        let mut state = self.lock();
        name.clone_into(&mut state.me);
        state.room.clone().filter(|room| room != LOBBY)
    }

    /// Takes in a line that was received.
    pub fn on_line(&self, line: &str) -> StateChange {
        let mut state = self.lock();
        match line.split_once(' ') {
            Some(("[SERVER]", notice)) => {
                let change = state.on_notice(notice);
                self.moved.notify_all();
                return change;
            }
            Some(("[ROOMS]", rooms)) => {
                // With the number of users in each.
                let names = rooms.split(',').filter_map(|room| room.split(' ').next());
                state.rooms = names.filter(|name| check_name(name).is_ok()).map(str::to_owned).collect();
            }
            Some(("[USERS_LIST]" | "[SUBS]", names)) => state.remember_names(names),
            Some(("[pub]" | "[private]", said)) => state.remember_author(said),
            Some((room, said)) if room.starts_with("[#") && room.ends_with(']') => {
                state.rooms.extend(listed(&room[2..room.len() - 1]));
                state.remember_author(said);
            }
            _ => state.remember_author(line),
        }
        StateChange::Nothing
    }

    /// Takes in a line that was typed.
    pub fn typed(&self, line: &str) {
        if line == "/leave" || line.starts_with("/join ") {
            self.lock().moving = true;
        }
    }

    /// The prompt: the user's name and room. After `/join` or `/leave` this first waits for
    /// the server's answer, two seconds at most.
    pub fn wait_for_prompt(&self) -> String {
        let waited = self.moved.wait_timeout_while(self.lock(), PATIENCE, |state| state.moving);
        let mut state = waited.ignore_poison().0;
        state.moving = false;
        state.prompt()
    }

    /// Small changes of independent fields; nothing to repair.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().ignore_poison()
    }
}

impl State {
    fn prompt(&self) -> String {
        format!("{}@{}> ", self.me, self.room.as_deref().unwrap_or(LOBBY))
    }

    fn on_notice(&mut self, notice: &str) -> StateChange {
        if notice.starts_with("you were kicked by ") {
            return StateChange::Kicked;
        }
        if notice.starts_with("error: ") {
            self.moving = false;
        }
        let Some(rest) = notice.strip_prefix("you are in ") else {
            if let [name, "joined" | "left", ..] = notice.split(' ').collect::<Vec<_>>()[..] {
                self.remember_names(name);
            }
            return StateChange::Nothing;
        };
        self.room = rest.split(' ').next().and_then(|room| listed(room).next());
        self.rooms.extend(self.room.clone());
        self.moving = false;
        StateChange::Moved { prompt: self.prompt() }
    }

    /// `said` is `alice: TEXT`, or something else.
    fn remember_author(&mut self, said: &str) {
        if let Some((name, _)) = said.split_once(": ") {
            self.remember_names(name);
        }
    }

    fn remember_names(&mut self, names: &str) {
        // Among so many, no user looks for a name with Tab.
        if self.users.len() >= MOST_REMEMBERED {
            self.users.clear();
        }
        self.users.extend(listed(names));
    }
}

/// The words that Tab completes: commands at the beginning of the line, and rooms
/// and users where a command takes one. With a space where more is to come.
impl Complete for ClientState {
    fn complete(&self, line: &str) -> (usize, Vec<String>) {
        let spaced = |word: &str, goes_on| format!("{word}{}", if goes_on { " " } else { "" });
        let Some((name, argument)) = line.split_once(' ') else {
            // Nothing typed is no command begun.
            let begun = |c: &&CommandInfo| !line.is_empty() && c.name().starts_with(line);
            let commands = self.commands.iter().filter(begun);
            return (0, commands.map(|c| spaced(c.name(), c.argument().is_some())).collect());
        };
        let Some(command) = self.commands.iter().find(|command| command.name() == name) else {
            return (line.len(), Vec::new());
        };
        let state = self.lock();
        let names: Vec<_> = match command.argument() {
            Some("ROOM") => state.rooms.iter().collect(),
            Some("USER") => state.users.iter().filter(|name| **name != state.me).collect(),
            _ => Vec::new(),
        };
        // As everywhere, upper and lower case are the same name.
        let begun = |name: &&String| {
            name.get(..argument.len()).is_some_and(|start| start.eq_ignore_ascii_case(argument))
        };
        let names = names.into_iter().filter(begun).map(|name| spaced(name, command.goes_on()));
        (line.len() - argument.len(), names.collect())
    }
}

/// Names in a list, as far as they are some: they come from the network, and Tab
/// puts them on the screen.
fn listed(names: &str) -> impl Iterator<Item = String> {
    names.split(',').filter(|name| check_name(name).is_ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
