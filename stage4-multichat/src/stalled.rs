//! The thread that serves stalled clients: one for all of them.
//!
//! When a client's socket is full, somebody has to write on as soon as it can
//! take more. A thread for each client would spend its life waiting for that.
//! This one waits for all stalled sockets at once with poll(2); an outbox that
//! is not stalled, which is nearly every one nearly always, is not in its list.

use crate::outbox::{Helper, Outbox};
use crate::wire::Wire;
use common::poison::IgnorePoison;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread;

/// Hands stalled outboxes to the thread; the thread ends with the process.
pub struct Stalled<W: Wire> {
    /// Written by any sender, emptied by the thread.
    new: Mutex<Vec<Arc<Outbox<W>>>>,
    /// A byte in this pipe wakes the thread out of `poll`. It never blocks:
    /// when the pipe is full the thread is as good as awake.
    wake: OwnedFd,
}

impl<W: Wire + 'static> Stalled<W> {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there is no file or no thread left for it.
    pub fn start() -> io::Result<Arc<Stalled<W>>> {
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let stalled = Arc::new(Stalled { new: Mutex::default(), wake });
        let shared = stalled.clone();
        thread::Builder::new().name("stalled".into()).spawn(move || serve(&shared, &woken))?;
        Ok(stalled)
    }
}

impl<W: Wire> Helper<W> for Stalled<W> {
    fn take_on(&self, stalled: Arc<Outbox<W>>) {
        self.new.lock().ignore_poison().push(stalled);
        let _ = rustix::io::write(&self.wake, &[1]);
    }
}

fn serve<W: Wire>(shared: &Stalled<W>, woken: &OwnedFd) {
    let mut stalled: Vec<Arc<Outbox<W>>> = Vec::new();
    loop {
        let ready = wait(woken, &stalled);
        let mut ready = ready.iter();
        // An outbox that is done, or whose client is gone, leaves the list.
        stalled.retain(|outbox| ready.next().is_none_or(|&ready| !ready || outbox.resume()));
        let mut new = shared.new.lock().ignore_poison();
        stalled.append(&mut new);
    }
}

/// Waits until a socket can take more or there are new ones; says which can.
fn wait<W: Wire>(woken: &OwnedFd, stalled: &[Arc<Outbox<W>>]) -> Vec<bool> {
    let mut fds = Vec::with_capacity(stalled.len() + 1);
    fds.push(PollFd::new(woken, PollFlags::IN));
    fds.extend(stalled.iter().map(|o| PollFd::from_borrowed_fd(o.wire().socket(), PollFlags::OUT)));
    match poll(&mut fds, None) {
        Ok(_) => {}
        // Out of memory, at worst: nothing is known, so nothing is ready.
        Err(Errno::INTR | _) => return vec![false; stalled.len()],
    }
    if !fds[0].revents().is_empty() {
        let _ = rustix::io::read(woken, &mut [0; 1024]);
    }
    // An error or a hang-up is for `resume` to find out.
    fds[1..].iter().map(|fd| !fd.revents().is_empty()).collect()
}
