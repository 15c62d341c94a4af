//! The sending thread's part of the queue.

use super::{SendQueue, State};
use crate::connection::{Connection, Sealed};
use common::poison::IgnorePoison;
use std::sync::MutexGuard;
use std::time::Duration;
use zeroize::Zeroizing;

/// Lines in one write.
const AT_ONCE: usize = 64;

/// How long a line that waits for an answer is left in peace. It is tried again
/// when something comes in; this is for the answer that never does.
const PATIENCE: Duration = Duration::from_millis(500);

impl SendQueue {
    /// The sending thread: sends what is queued, whenever that is possible, and
    /// then the end.
    pub fn send_all(&self) {
        loop {
            let mut state = self.lock();
            while state.held || !(state.open && (state.ended || !state.queue.is_empty())) {
                state = if state.held { self.hold(state) } else { self.wait(state) };
            }
            let Some(connection) = state.connection.clone() else {
                state.open = false;
                continue;
            };
            if state.queue.is_empty() {
                state.finished = true;
                drop(state);
                connection.finish();
                return;
            }
            let count = state.queue.len().min(AT_ONCE);
            let lines: Vec<_> = state.queue.drain(..count).collect();
            drop(state);
            self.send(lines, &*connection);
        }
    }

    fn send(&self, mut lines: Vec<Zeroizing<String>>, connection: &dyn Connection) {
        let mut sealed = Zeroizing::new(Vec::new());
        let mut ends = Vec::new();
        for line in &lines {
            if self.seal.seal_line(line, &mut sealed) == Sealed::Question {
                // Before it is asked: the answer may be there at once.
                self.lock().held = true;
                break;
            }
            ends.push(sealed.len());
        }
        let written = connection.send(&sealed);
        let sent = ends.iter().filter(|&&end| end <= written).count();
        let mut state = self.lock();
        if written < sealed.len() {
            // Broken, which the receiving thread finds out too.
            state.open = false;
        }
        // The rest goes back to where it was.
        for line in lines.drain(sent..).rev() {
            state.queue.push_front(line);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for an answer, or until nobody would wait any longer.
    fn hold<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout_while(state, PATIENCE, |state| state.held);
        let mut state = waited.ignore_poison().0;
        state.held = false;
        state
    }
}
