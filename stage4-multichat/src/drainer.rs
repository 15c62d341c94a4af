//! The thread that drains outboxes whose sockets were full: one for all of them.
//!
//! When a client's socket is full, a thread has to write on as soon as the
//! socket can take more. A thread for each client would spend its life waiting
//! for that. This one waits for all such sockets at once with poll(2). An outbox
//! whose socket is not full, which is nearly every one nearly always, is not in
//! its list.

use crate::outbox::{Drainer, Outbox};
use common::critical_thread;
use common::poison::IgnorePoison;
use rustix::event::{PollFd, PollFlags, poll};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

/// Hands outboxes to the thread, which ends with the process.
pub struct PollDrainer {
    /// Written by any thread that sends, emptied by the drainer's thread.
    new: Mutex<Vec<Arc<Outbox>>>,
    /// A byte in this pipe wakes the thread out of `poll`. Writing it never
    /// waits: when the pipe is full, the thread is about to wake up anyway.
    wake: OwnedFd,
}

impl PollDrainer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there is no file or no thread left for it.
    pub fn start() -> io::Result<Arc<PollDrainer>> {
        let (woken, wake) = io::pipe()?;
        let (woken, wake) = (OwnedFd::from(woken), OwnedFd::from(wake));
        rustix::io::ioctl_fionbio(&woken, true)?;
        rustix::io::ioctl_fionbio(&wake, true)?;
        let drainer = Arc::new(PollDrainer { new: Mutex::default(), wake });
        let shared = drainer.clone();
        critical_thread::spawn("drainer", move || drain(&shared, &woken))?;
        Ok(drainer)
    }
}

impl Drainer for PollDrainer {
    fn register(&self, outbox: Arc<Outbox>) {
        self.new.lock().ignore_poison().push(outbox);
        let _ = rustix::io::write(&self.wake, &[1]);
    }
}

fn drain(shared: &PollDrainer, woken: &OwnedFd) {
    let mut outboxes: Vec<Arc<Outbox>> = Vec::new();
    loop {
        let mut still_full = Vec::new();
        for (is_writable, outbox) in wait(woken, &outboxes).into_iter().zip(outboxes) {
            // An outbox that is empty, or whose client is gone, leaves the list.
            if !is_writable || outbox.write_until_full() {
                still_full.push(outbox);
            }
        }
        still_full.append(&mut shared.new.lock().ignore_poison());
        outboxes = still_full;
    }
}

/// Waits until a socket can take more or there are new outboxes. Returns for
/// each outbox whether its socket can.
fn wait(woken: &OwnedFd, outboxes: &[Arc<Outbox>]) -> Vec<bool> {
    let mut fds = Vec::with_capacity(outboxes.len() + 1);
    fds.push(PollFd::new(woken, PollFlags::IN));
    fds.extend(outboxes.iter().map(|o| PollFd::from_borrowed_fd(o.transport.as_fd(), PollFlags::OUT)));
    // A signal, or no memory for the list: nothing is known, so nothing can be
    // written, and the loop tries again.
    if poll(&mut fds, None).is_err() {
        return vec![false; outboxes.len()];
    }
    if !fds[0].revents().is_empty() {
        let _ = rustix::io::read(woken, &mut [0; 1024]);
    }
    // An error or a hang-up counts too: `write_until_full` finds out which.
    fds[1..].iter().map(|fd| !fd.revents().is_empty()).collect()
}
