//! What the kernel says about one thread: its state, and how long it had a core.
//!
//! Read from `/proc` (Linux: proc(5), and `Documentation/scheduler/sched-stats`
//! for `schedstat`). Other systems have no such files; then every answer here
//! is `None`, and the experiments say `unknown` in place of a figure.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A thread as the kernel knows it. Any thread may ask about any other.
#[derive(Debug, Clone)]
pub struct Task(PathBuf);

/// How a thread has spent its time so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// With a core: running.
    pub on_core: Duration,
    /// Waiting for a core while others had them all: runnable.
    pub in_queue: Duration,
}

impl Task {
    /// The thread that asks.
    pub fn current() -> Option<Self> {
        // A link to PID/task/TID. Resolved now, or it would later mean the thread that
        // reads it.
        let link = fs::read_link("/proc/thread-self").ok()?;
        Some(Self(PathBuf::from("/proc").join(link)))
    }

    /// The letter of proc(5): `R` on a core or waiting for one, `S` blocked,
    /// `D` blocked in the kernel; `None` when the thread is gone.
    pub fn state(&self) -> Option<char> {
        let stat = fs::read_to_string(self.0.join("stat")).ok()?;
        // The name comes before it in parentheses, and may hold any character.
        let (_, after_name) = stat.rsplit_once(") ")?;
        after_name.chars().next()
    }

    /// Time with a core and time waiting for one.
    pub fn times(&self) -> Option<Times> {
        let stat = fs::read_to_string(self.0.join("schedstat")).ok()?;
        let mut nanoseconds = stat.split_whitespace().map_while(|word| word.parse().ok());
        Some(Times {
            on_core: Duration::from_nanos(nanoseconds.next()?),
            in_queue: Duration::from_nanos(nanoseconds.next()?),
        })
    }
}

/// The number of threads in this process.
pub fn thread_count() -> Option<usize> {
    Some(fs::read_dir("/proc/self/task").ok()?.count())
}

/// A figure, or the word for a system that does not tell.
pub fn or_unknown(figure: Option<impl std::fmt::Display>) -> String {
    figure.map_or_else(|| "unknown on this system".into(), |figure| figure.to_string())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_thread_that_asks_is_running() {
        let task = Task::current().unwrap();
        assert_eq!(task.state(), Some('R'));
        assert!(thread_count().unwrap() >= 1);
    }

    #[test]
    fn a_thread_that_has_ended_has_no_state() {
        let task = std::thread::spawn(Task::current).join().unwrap().unwrap();
        // The kernel wakes the joiner a moment before it forgets the thread.
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while task.state().is_some() {
            assert!(std::time::Instant::now() < deadline, "still listed after its join");
            std::thread::yield_now();
        }
    }
}
