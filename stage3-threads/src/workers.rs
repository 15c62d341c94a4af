//! A thread for each client: how it is started, how the server waits for its end,
//! and what happens when it cannot be started or panics.
//!
//! Which thread calls what:
//! - The thread that accepts calls [`Workers::spawn`] for each client. From stage
//!   6 on, the thread that has logged a client in calls it too: it starts the
//!   thread that reads from then on, and ends itself.
//! - The main thread calls [`Workers::join_all`] once, at the end.
//!
//! No [`JoinHandle`](std::thread::JoinHandle) is kept. A thread whose handle is
//! dropped is detached: the system frees its stack as soon as it ends, while a
//! finished thread that is never joined keeps it. With ten thousand clients, the
//! finished ones would have to be found and joined now and then. What a `join`
//! tells, each thread says itself: it counts itself down when it ends, and it
//! logs its panic.

use common::log::Log;
use common::poison::IgnorePoison;
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// The stack of a client's thread, in bytes. Only what is used of it costs
/// memory, but addresses run out too: the usual 2 MiB, ten thousand times, are
/// 20 GiB.
pub const CLIENT_STACK: usize = 128 << 10;

/// A wait group: counts what is under way, so that one thread can wait for all of
/// it. (Go has one in its library, `sync.WaitGroup`.)
#[derive(Clone, Default)]
pub struct WaitGroup(Arc<Count>);

/// One thing that is under way, until this is dropped.
pub struct WaitGuard(Arc<Count>);

#[derive(Default)]
struct Count {
    /// Written where a guard is made or dropped; read by the thread that waits.
    /// Held to count, never longer.
    count: Mutex<usize>,
    /// Signalled when the last guard is dropped.
    zero: Condvar,
}

impl WaitGroup {
    /// Counts one more.
    pub fn add(&self) -> WaitGuard {
        *self.0.count.lock().ignore_poison() += 1;
        WaitGuard(self.0.clone())
    }

    /// Waits until all guards are dropped, `limit` at the longest; returns how
    /// many are not.
    pub fn wait(&self, limit: Duration) -> usize {
        let count = self.0.count.lock().ignore_poison();
        *self.0.zero.wait_timeout_while(count, limit, |count| *count > 0).ignore_poison().0
    }
}

impl Drop for WaitGuard {
    fn drop(&mut self) {
        let mut count = self.0.count.lock().ignore_poison();
        *count -= 1;
        if *count == 0 {
            self.0.zero.notify_all();
        }
    }
}

/// The threads that serve clients. Any thread may start one.
#[derive(Clone)]
pub struct Workers {
    running: WaitGroup,
    log: Log,
}

impl Workers {
    /// None yet. A thread that panics says so in `log`.
    pub fn new(log: &Log) -> Workers {
        Workers { running: WaitGroup::default(), log: log.clone() }
    }

    /// Runs `serve` in a thread of its own with a stack of `stack_size` bytes.
    /// `name` stands in the log when it panics.
    ///
    /// A panic unwinds the thread's stack and ends that thread alone. All that
    /// `serve` owns is dropped, its connection too, so its client sees the end.
    ///
    /// One trap where threads with large and small stacks take turns: the C
    /// library keeps stacks of finished threads, with the memory they have used,
    /// and gives a new thread one of up to four times the size that it asks for.
    /// A thread that ends soon and goes deep needs more than that (the usual 2
    /// MiB, for example), or its used memory stays with a client's thread.
    ///
    /// # Errors
    /// When the system cannot start another thread (`ulimit -u`, or memory).
    /// `serve` is then dropped without running, and with it the connection that
    /// it owns: this client is turned away, and the others notice nothing.
    /// `thread::spawn` would panic here, and end the server with all of them.
    pub fn spawn(
        &self,
        name: impl Into<String>,
        stack_size: usize,
        serve: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let (running, log) = (self.running.add(), self.log.clone());
        thread::Builder::new().name(name.into()).stack_size(stack_size).spawn(move || {
            // Counted down at the end of the thread, or at once if it cannot be started.
            let _running = running;
            // What `serve` shares with others is behind locks, and each keeps
            // the rule of `common::poison`: that is what is asserted here.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(serve)) {
                log_panic(&log, &*payload);
            }
        })?;
        Ok(())
    }

    /// Waits until all threads have ended, `limit` at the longest; returns how
    /// many have not. They end with the process.
    ///
    /// Shut the clients' connections down before: a thread that waits for its
    /// client's next line would wait on.
    pub fn join_all(&self, limit: Duration) -> usize {
        self.running.wait(limit)
    }
}

fn log_panic(log: &Log, payload: &(dyn Any + Send)) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("a client");
    // What `panic!` was given: a text, nearly always.
    let fixed = payload.downcast_ref::<&str>().copied();
    let reason = fixed.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let reason = reason.unwrap_or("no reason given");
    log.error(format_args!("{name} lost: its thread panicked: {reason}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::log::Level;
    use std::panic::resume_unwind;
    use std::sync::{Barrier, mpsc};

    const LONG: Duration = Duration::from_secs(20);

    /// What the workers log while `test` runs and until all have ended.
    fn logged(test: impl FnOnce(&Workers)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        let (log, guard) = Log::start(Level::Info, Some(&path)).unwrap();
        let workers = Workers::new(&log);
        test(&workers);
        assert_eq!(workers.join_all(LONG), 0);
        drop(guard);
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn all_run_at_the_same_time_and_join_all_waits_for_all() {
        let meeting = Arc::new(Barrier::new(20));
        let (done, ended) = mpsc::channel();
        let log = logged(|workers| {
            for number in 0..20 {
                let (meeting, done) = (meeting.clone(), done.clone());
                let serve = move || {
                    meeting.wait();
                    // Long enough to be missed by a `join_all` that does not wait.
                    thread::sleep(Duration::from_millis(20));
                    done.send(()).unwrap();
                };
                workers.spawn(format!("client {number}"), CLIENT_STACK, serve).unwrap();
            }
        });
        assert_eq!(ended.try_iter().count(), 20);
        assert_eq!(log, "");
    }

    #[test]
    fn a_panic_costs_one_client_and_is_logged_at_once() {
        let (served, hear) = mpsc::channel();
        let log = logged(|workers| {
            // As `panic!` does, without the message on standard error.
            workers.spawn("alice", CLIENT_STACK, || resume_unwind(Box::new("a bug"))).unwrap();
            workers.spawn("bob", CLIENT_STACK, || resume_unwind(Box::new(format!("bug {}", 2)))).unwrap();
            workers.spawn("carol", CLIENT_STACK, move || served.send("still here").unwrap()).unwrap();
        });
        assert_eq!(hear.recv(), Ok("still here"));
        for line in ["alice lost: its thread panicked: a bug\n", "bob lost: its thread panicked: bug 2\n"] {
            assert!(log.contains(line), "{log}");
        }
    }

    #[test]
    fn a_thread_that_cannot_be_started_is_an_error_and_is_not_waited_for() {
        let (served, hear) = mpsc::channel();
        logged(|workers| {
            let connection = served.clone();
            // No machine has an address space of this size.
            let none = workers.spawn("alice", 1 << 60, move || connection.send("never").unwrap());
            assert!(none.is_err());
            workers.spawn("bob", CLIENT_STACK, move || served.send("the next one").unwrap()).unwrap();
        });
        // Also: the first one's end of the channel is closed, as a socket would be.
        assert_eq!(hear.iter().collect::<Vec<_>>(), ["the next one"]);
    }

    #[test]
    fn a_thread_that_does_not_end_is_not_waited_for_longer_than_the_limit() {
        let (go, wait) = mpsc::channel::<()>();
        logged(|workers| {
            workers.spawn("alice", CLIENT_STACK, move || assert!(wait.recv().is_err())).unwrap();
            assert_eq!(workers.join_all(Duration::from_millis(20)), 1);
            drop(go);
        });
    }

    #[test]
    fn a_thread_may_start_the_next_one() {
        let (served, hear) = mpsc::channel();
        logged(|workers| {
            let same = workers.clone();
            let reader = move || served.send("reads").unwrap();
            workers
                .spawn("login", 2 << 20, move || same.spawn("reader", CLIENT_STACK, reader).unwrap())
                .unwrap();
        });
        assert_eq!(hear.iter().collect::<Vec<_>>(), ["reads"]);
    }
}
