//! The room's end: the last line to everybody, behind all that was said.

use super::{Registry, State};
use crate::backlog::SERVER;
use crate::wire::Wire;
use common::poison::IgnorePoison;

use std::time::Duration;

impl<W: Wire> Registry<W> {
    /// Says the farewell to everybody: the last line that the room delivers.
    ///
    /// First it waits, for `limit` at the longest, until every member has said
    /// what the server had received from it, in
    /// [`await_farewell`](Registry::await_farewell); otherwise a line of one
    /// could come after another's connection was closed.
    pub fn say_farewell(&self, line: &str, limit: Duration) {
        let still_speaking = |state: &mut State<W>| state.waiting < state.online;
        let wait = self.changed.wait_timeout_while(self.lock(), limit, still_speaking);
        let mut state = wait.ignore_poison().0;
        state.farewell = Some(line.to_owned());
        state.backlog.append(SERVER, &format!("{line}\n"), &*self.form);
        self.deliver(state);
    }

    /// For a member that has nothing more to say because the server is to end:
    /// waits until everybody has been told.
    pub fn await_farewell(&self) {
        let mut state = self.lock();
        state.waiting += 1;
        // Only the last one's call means something, and each wakes everybody.
        if state.waiting >= state.online {
            self.changed.notify_all();
        }
        let untold = |s: &State<W>| s.farewell.is_none() || s.delivering || !s.backlog.is_empty();
        drop(self.wait_while(state, untold));
    }
}
