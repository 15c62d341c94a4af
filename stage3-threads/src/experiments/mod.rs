//! Seven small experiments with threads. Run them before you let threads share
//! data in a server.
//!
//! Each module has the same three parts: `Options` (what can be changed), `Outcome`
//! (the figures, which the tests look at) and `run`, which prints what it does,
//! what happened and why. Only the thread that called `run` prints; the other
//! threads return figures. So no line is ever torn, and a closed standard output is
//! one error in one place.
//!
//! What depends on the scheduler is shown twice: first with the window held open by
//! a barrier, so that it happens every time, then left to chance, as in a real
//! program.

pub mod accounts;
pub mod corruption;
pub mod deadlock;
pub mod lifecycle;
pub mod login;
pub mod parallelism;
pub mod race;
pub mod sched;
pub mod side_channel;
pub mod wait_for;

use common::poison::IgnorePoison;
use std::io::{self, Write};
use std::sync::RwLock;
use std::thread;

/// How long the window is: the time in which other threads can do harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Window {
    /// First wide, then natural.
    Both,
    /// Held open until all threads are in it: it goes wrong every time.
    Wide,
    /// As the code has it, a few nanoseconds: it goes wrong by chance.
    Natural,
}

impl Window {
    /// Returns `true` if the part with the widened window is to run.
    pub fn wide(self) -> bool {
        self != Self::Natural
    }

    /// Returns `true` if the part that is left to chance is to run.
    pub fn natural(self) -> bool {
        self != Self::Wide
    }
}

/// Runs `work(0)` to `work(threads - 1)`, each in a thread of its own, and
/// returns what they return, in that order.
///
/// No thread begins before the last one has been created. Otherwise the first
/// thread is often done before the second exists, and an experiment on concurrency
/// measures how fast threads are created.
///
/// # Errors
/// The system refuses a thread (then no `work` has run at all), or one panicked.
pub fn together<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> io::Result<Vec<T>> {
    // Written by this thread alone, while it holds the lock for writing; the
    // workers wait to read it. It ends with the scope, after the last worker.
    let all_created = RwLock::new(false);
    let (all_created, work) = (&all_created, &work);
    let results: io::Result<Vec<Option<T>>> = thread::scope(|scope| {
        // Inside the closure on purpose: an early return must unlock `created` before
        // the scope waits for the threads that wait for it.
        let mut created = all_created.write().ignore_poison();
        let mut handles = Vec::with_capacity(threads);
        for number in 0..threads {
            let worker = move || {
                let go = *all_created.read().ignore_poison();
                go.then(|| work(number))
            };
            handles
                .push(thread::Builder::new().name(format!("worker {number}")).spawn_scoped(scope, worker)?);
        }
        *created = true;
        drop(created);
        handles
            .into_iter()
            .map(|handle| handle.join().map_err(|_| io::Error::other("a worker panicked")))
            .collect()
    });
    Ok(results?.into_iter().flatten().collect())
}

/// The head of every experiment's report.
fn title(out: &mut impl Write, name: &str, lines: &[&str]) -> io::Result<()> {
    writeln!(out, "=== {name} ===")?;
    section(out, "What it does", lines)
}

/// A heading with its lines below it, indented.
fn section(out: &mut impl Write, heading: &str, lines: &[&str]) -> io::Result<()> {
    writeln!(out, "\n{heading}")?;
    for line in lines {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// One measured thing: what it is, and the figure.
fn row(out: &mut impl Write, label: &str, figure: impl std::fmt::Display) -> io::Result<()> {
    writeln!(out, "  {label:<44} {figure}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn together_runs_all_at_once_and_keeps_their_order() {
        let barrier = Barrier::new(5);
        // Were they run one after another, the first would wait for ever.
        let numbers = together(5, |number| {
            barrier.wait();
            number
        });
        assert_eq!(numbers.unwrap(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn together_reports_a_panic_as_an_error() {
        let result = together(2, |number| {
            if number == 1 {
                // Unwinds without the message on standard error.
                std::panic::resume_unwind(Box::new("lost"));
            }
        });
        assert!(result.is_err());
    }

    #[test]
    fn a_report_to_a_closed_output_is_an_error_and_no_panic() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let error = race::run(&mut Closed, &race::Options { threads: 2, rounds: 1, window: Window::Both })
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
