//! The room: who is here, and one order for everything that happens.
//!
//! One thread, the room thread, owns the [`RoomState`]. No other thread can touch
//! it, so it needs no lock. The threads that read from clients hand it
//! [events](RoomEvent) through a [bounded queue](crate::queue). The room thread
//! takes all that has queued up, applies one event after the other, and then sends
//! each member its part in one write ([fan-out](crate::fanout)). That has three effects:
//! - All members see the same order: that of the queue.
//! - The more is said, the cheaper each line becomes, since more lines share a
//!   write.
//! - The room thread never blocks in a write: each client has an
//!   [outbox](crate::outbox). After each delivery it waits a tenth of a second at
//!   most for clients that lag far behind. One that does not catch up in that time is
//!   not waited for again before it has read everything.

use crate::fanout::{ClientId, Fanout, Member};
use crate::limits::ClientSlot;
use crate::outbox::{Outbox, OutboxConfig};
use crate::queue::{BoundedQueue, CloseOnDrop, QueueClosed, QueueLimits};
use common::critical_thread;
use common::log::Log;
use stage3_threads::workers::{WaitGroup, WaitGuard};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What may wait for the room thread.
const QUEUE: QueueLimits = QueueLimits { count: 4096, bytes: 256 << 10 };

/// What the room thread is told.
pub enum RoomEvent {
    /// A client comes in.
    Join(ClientId, Member),
    /// A client has said these lines, each with its line end.
    Message {
        /// The author, which does not receive them.
        sender: ClientId,
        /// As the others are to see them.
        lines: String,
    },
    /// A client goes.
    Leave(ClientId),
    /// The server ends, and this is the last line for all, without its line end.
    Shutdown(String),
}

/// What the room thread owns: nothing here is shared. In this stage it is the fan-out
/// alone; the `RoomState` of stage 6 has a history and a list of users, too.
pub struct RoomState {
    fanout: Fanout,
}

impl RoomState {
    /// An empty room. The `config` is that of its members' outboxes. Lines are written
    /// to `log`.
    pub fn new(config: &Arc<OutboxConfig>, log: Option<&Log>) -> RoomState {
        RoomState { fanout: Fanout::new(config, log) }
    }

    /// Applies one event. What members are to hear of it gathers until
    /// [`deliver`](RoomState::deliver).
    pub fn apply(&mut self, event: RoomEvent) {
        match event {
            RoomEvent::Join(id, member) => {
                let name = member.name().clone();
                self.fanout.add(id, member);
                let online = self.fanout.count();
                // It does not hear of itself, as if it had said this.
                self.fanout.broadcast(&format!("[SERVER] {name} joined ({online} online)\n"), Some(id));
            }
            RoomEvent::Message { sender, lines } => {
                if self.fanout.contains(sender) {
                    self.fanout.broadcast(&lines, Some(sender));
                }
            }
            RoomEvent::Leave(id) => {
                if let Some(name) = self.fanout.remove(id) {
                    let online = self.fanout.count();
                    self.fanout.broadcast(&format!("[SERVER] {name} left ({online} online)\n"), None);
                }
            }
            RoomEvent::Shutdown(line) => self.fanout.shutdown(&line),
        }
    }

    /// Sends every member its part of what has gathered, in one write each.
    pub fn deliver(&mut self) {
        self.fanout.deliver();
    }
}

/// The way into the room, for the threads that serve clients.
pub struct Room {
    events: Arc<BoundedQueue<RoomEvent>>,
    last_id: AtomicU64,
    /// The reader threads of members.
    readers: WaitGroup,
}

impl Room {
    /// Starts the room thread with this state.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn open(mut state: RoomState) -> io::Result<Arc<Room>> {
        let events = Arc::new(BoundedQueue::new(QUEUE));
        critical_thread::spawn("room", {
            let events = events.clone();
            move || {
                let _close = CloseOnDrop(&events);
                while let Some(batch) = events.take_all() {
                    batch.into_iter().for_each(|event| state.apply(event));
                    state.deliver();
                }
            }
        })?;
        Ok(Arc::new(Room { events, last_id: AtomicU64::new(0), readers: WaitGroup::default() }))
    }

    /// Lets a client in. The others are told.
    ///
    /// # Errors
    /// [`QueueClosed`] after [`Room::shutdown`], or when the room thread has
    /// panicked.
    pub fn join(
        self: &Arc<Self>,
        name: String,
        outbox: &Arc<Outbox>,
        slot: ClientSlot,
    ) -> Result<MemberGuard, QueueClosed> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let name: Arc<str> = name.into();
        let reading = Some(self.readers.add());
        self.events.push(RoomEvent::Join(id, Member::new(name.clone(), outbox.clone(), slot)), name.len())?;
        Ok(MemberGuard { room: self.clone(), id, name, outbox: outbox.clone(), reading })
    }

    /// For a server that ends: sends `line` to all members as the last line, and
    /// closes their outboxes. Nothing more is taken. What was read from members comes
    /// before that, if it is in the queue within `limit`.
    pub fn shutdown(&self, line: &str, limit: Duration) {
        // Otherwise a line of one member could come after the end of another.
        self.readers.wait(limit);
        self.events.close(Some(RoomEvent::Shutdown(line.to_owned())));
    }
}

/// A member, for the thread that reads from it. It leaves the room when this is
/// dropped, by a panic too.
pub struct MemberGuard {
    room: Arc<Room>,
    id: ClientId,
    name: Arc<str>,
    outbox: Arc<Outbox>,
    /// `None` when its thread reads nothing more.
    reading: Option<WaitGuard>,
}

impl MemberGuard {
    /// What the others call it: its address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is sent to this client.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Sends `lines`, each with its line end, to all others. Waits while too much
    /// waits for the room thread already.
    ///
    /// # Errors
    /// [`QueueClosed`], as for [`Room::join`].
    pub fn broadcast(&self, lines: String) -> Result<(), QueueClosed> {
        let size = lines.len();
        self.room.events.push(RoomEvent::Message { sender: self.id, lines }, size)
    }

    /// For a server that ends: this client has said everything. It stays a member
    /// until it was sent the last line, or the server cuts its connection off.
    pub fn wait_for_shutdown(mut self) {
        self.reading = None;
        self.outbox.wait_closed();
    }
}

impl Drop for MemberGuard {
    fn drop(&mut self) {
        // An error: the room thread has ended, and every member is out.
        let _ = self.room.events.push(RoomEvent::Leave(self.id), 0);
    }
}
