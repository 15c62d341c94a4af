//! When lists of users are due: not at each arrival, but soon after.
//!
//! A thousand people who come in together would otherwise cost a thousand lists
//! to each of a thousand. So after a change this waits a moment, and whatever
//! changes meanwhile is in the same list. One thread does that for everybody.

use crate::committer::{Committer, Record};
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// The contract allows 250 ms; some of that is left for the way.
const GATHERING: Duration = Duration::from_millis(200);

/// The committer's end: says that a list is due.
pub struct Lists(SyncSender<()>);

/// The waiting thread's end.
pub struct Due(Receiver<()>);

impl Lists {
    /// Both ends.
    #[allow(clippy::new_ret_no_self)] // one without the other is of no use
    pub fn new() -> (Lists, Due) {
        // One word is enough: a second one would say the same.
        let (lists, due) = sync_channel(1);
        (Lists(lists), Due(due))
    }

    /// Somebody came or went. Never waits.
    pub fn are_due(&self) {
        let _ = self.0.try_send(());
    }
}

impl Due {
    /// Starts the thread, which passes `turn` to the committer when lists are to
    /// go out. It ends with the committer, which it must not keep alive by itself.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn serve<M: Record, T: Send + 'static>(
        self,
        committer: &Arc<Committer<M, T>>,
        turn: fn() -> T,
    ) -> io::Result<()> {
        let committer: Weak<_> = Arc::downgrade(committer);
        thread::Builder::new().name("lists".into()).spawn(move || {
            while self.0.recv().is_ok() {
                thread::sleep(GATHERING);
                let Some(committer) = committer.upgrade() else { return };
                // Stopped: nobody is there any more to whom a list could go.
                let _ = committer.pass(turn());
            }
        })?;
        Ok(())
    }
}
