//! A thread for each client: who starts it, who waits for it, and what happens
//! when it cannot be started or panics.
//!
//! The thread that accepts owns all the others' handles; nobody else starts or
//! joins one. So there is no lock here: what one thread owns needs none.

use common::log::Log;
use std::any::Any;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

/// The stack of a client's thread. Only what is used of it costs memory, but
/// addresses run out too: the usual 2 MiB, ten thousand times, are 20 GiB.
const STACK: usize = 128 << 10;

/// The threads that serve clients.
pub struct Workers {
    running: Vec<Worker>,
    stack: usize,
    log: Log,
}

struct Worker {
    peer: SocketAddr,
    thread: JoinHandle<()>,
}

impl Workers {
    /// None yet. `log` is told of those that fail.
    pub fn new(log: &Log) -> Workers {
        Workers { running: Vec::new(), stack: STACK, log: log.clone() }
    }

    /// Runs `serve` in a thread of its own.
    ///
    /// When the system has no more threads to give (`ulimit -u`, or memory),
    /// `serve` is dropped unrun, and with it the connection that it owns: this
    /// client is turned away, and those who are served notice nothing.
    /// `thread::spawn` would panic here, and end the server with all of them.
    pub fn start(&mut self, peer: SocketAddr, serve: impl FnOnce() + Send + 'static) {
        self.reap_finished();
        // The name stands in the message of a panic.
        let thread = thread::Builder::new().name(peer.to_string()).stack_size(self.stack).spawn(serve);
        match thread {
            Ok(thread) => self.running.push(Worker { peer, thread }),
            Err(e) => self.log.error(format_args!("{peer} turned away: cannot start a thread: {e}")),
        }
    }

    /// Waits for all threads to end. Shut their connections down first, or this
    /// waits for as long as the most patient client stays.
    pub fn join(self) {
        self.running.into_iter().for_each(|worker| worker.join(&self.log));
    }

    /// Joins the threads that have ended, which therefore does not wait. One
    /// that has ended and is not joined keeps its stack.
    fn reap_finished(&mut self) {
        for worker in self.running.extract_if(.., |worker| worker.thread.is_finished()) {
            worker.join(&self.log);
        }
    }
}

impl Worker {
    /// A panic unwinds the thread's stack and ends that thread alone. All that
    /// it owned is dropped, its connection too, so its client sees the end. It
    /// shared nothing that it could have left half-way: from stage 4 on that is
    /// a question for each lock.
    fn join(self, log: &Log) {
        if let Err(payload) = self.thread.join() {
            log.error(format_args!("{} lost: its thread panicked: {}", self.peer, reason(&*payload)));
        }
    }
}

/// What `panic!` was given: a text, nearly always.
fn reason(payload: &(dyn Any + Send)) -> &str {
    let fixed = payload.downcast_ref::<&str>().copied();
    fixed.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::log::Level;
    use std::panic::resume_unwind;
    use std::sync::mpsc;

    const PEER: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 7));

    /// What the workers log while `test` runs and until all are joined.
    fn logged(test: impl FnOnce(&mut Workers)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        let (log, guard) = Log::start(Level::Info, Some(&path)).unwrap();
        let mut workers = Workers::new(&log);
        test(&mut workers);
        workers.join();
        drop(guard);
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn all_run_at_the_same_time_and_join_waits_for_all() {
        let meeting = std::sync::Arc::new(std::sync::Barrier::new(20));
        let (done, ended) = mpsc::channel();
        let log = logged(|workers| {
            for _ in 0..20 {
                let (meeting, done) = (meeting.clone(), done.clone());
                workers.start(PEER, move || {
                    meeting.wait();
                    // Long enough to be missed by a `join` that does not wait.
                    thread::sleep(std::time::Duration::from_millis(20));
                    done.send(()).unwrap();
                });
            }
        });
        assert_eq!(ended.try_iter().count(), 20);
        assert_eq!(log, "");
    }

    #[test]
    fn a_panic_costs_one_client_and_is_logged() {
        let (served, hear) = mpsc::channel();
        let log = logged(|workers| {
            // As `panic!` does, without the message on standard error.
            workers.start(PEER, || resume_unwind(Box::new("a bug")));
            workers.start(PEER, || resume_unwind(Box::new(format!("bug {}", 2))));
            workers.start(PEER, move || served.send("still here").unwrap());
        });
        assert_eq!(hear.recv(), Ok("still here"));
        for bug in ["a bug", "bug 2"] {
            assert!(log.contains(&format!("127.0.0.1:7 lost: its thread panicked: {bug}\n")), "{log}");
        }
    }

    #[test]
    fn a_thread_that_cannot_be_started_turns_one_client_away() {
        let (served, hear) = mpsc::channel();
        let log = logged(|workers| {
            // No machine has an address space of this size.
            workers.stack = 1 << 60;
            let connection = served.clone();
            workers.start(PEER, move || connection.send("never").unwrap());
            workers.stack = STACK;
            workers.start(PEER, move || served.send("the next one").unwrap());
        });
        // Also: the first one's end of the channel is closed, as a socket would be.
        assert_eq!(hear.iter().collect::<Vec<_>>(), ["the next one"]);
        assert!(log.contains("127.0.0.1:7 turned away: cannot start a thread"), "{log}");
    }

    #[test]
    fn those_who_have_gone_are_not_kept() {
        logged(|workers| {
            for _ in 0..3 {
                workers.start(PEER, || ());
                while !workers.running.iter().all(|worker| worker.thread.is_finished()) {
                    thread::yield_now();
                }
            }
            assert_eq!(workers.running.len(), 1);
        });
    }
}
