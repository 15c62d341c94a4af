//! The end of the room: one last line for everybody, behind all that was said.
//!
//! When the server is to end, each reader thread finds the end of its input and
//! says so with [`ShutdownEvent::MemberFinished`], after the last message of its
//! client. The main thread asks for the last line. The room thread sends it when
//! all members have finished; otherwise a line of one member could come after the
//! connection of another was closed.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// What the room thread is told at the end.
pub enum ShutdownEvent {
    /// A member has said all that the server has received from it. It stays
    /// until the last line.
    MemberFinished,
    /// The last line, without its line end. `done` is told when all members have
    /// been sent it.
    LastLine {
        /// The line.
        line: String,
        /// Told afterwards.
        done: Sender<()>,
    },
    /// Wait no longer for members that have not finished.
    Now,
}

/// The room thread's part.
#[derive(Default)]
pub struct Shutdown {
    finished: usize,
    requested: Option<(String, Sender<()>)>,
}

impl Shutdown {
    /// Takes note of an event.
    pub fn apply(&mut self, event: ShutdownEvent) {
        match event {
            ShutdownEvent::MemberFinished => self.finished = self.finished.saturating_add(1),
            ShutdownEvent::LastLine { line, done } => self.requested = Some((line, done)),
            ShutdownEvent::Now => self.finished = usize::MAX,
        }
    }

    /// The last line, once, when it is to be sent to all `members`. The caller
    /// tells `done` when it has sent it.
    pub fn take_due(&mut self, members: usize) -> Option<(String, Sender<()>)> {
        if self.finished < members { None } else { self.requested.take() }
    }
}

/// The main thread's part: asks for `line`, waits `limit` for members to finish
/// and then no longer than `grace` for the line to be sent. Returns `true` if it
/// was. `push` hands an event to the room thread, and returns `false` if that has
/// ended.
pub fn request(line: &str, limit: Duration, grace: Duration, push: impl Fn(ShutdownEvent) -> bool) -> bool {
    let (done, is_done) = channel();
    push(ShutdownEvent::LastLine { line: line.to_owned(), done })
        && (is_done.recv_timeout(limit).is_ok()
            || (push(ShutdownEvent::Now) && is_done.recv_timeout(grace).is_ok()))
}
