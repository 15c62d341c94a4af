//! Deadlock: each thread holds a lock that the next thread needs, and none goes on.
//!
//! It is the problem of the dining philosophers with two of them: each takes the
//! fork on the left, then the fork on the right. With ordinary mutexes the program
//! would hang without a message; [`WatchedLocks`] notices the deadlock.

use super::wait_for::{Deadlock, WatchedLocks};
use super::{Window, row, section, title, together};
use std::io::{self, Write};
use std::sync::Barrier;

/// What can be changed.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Threads, and as many locks; thread i takes lock i, then lock i+1
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=16))]
    pub threads: u8,
    /// How often each thread takes its two locks (once with the wide window)
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub rounds: u32,
    /// How long the moment between the first and the second lock lasts
    #[arg(long, value_enum, default_value_t = Window::Both)]
    pub window: Window,
}

/// The figures of all parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was noticed when all held their first lock; `None` when not asked for.
    pub wide: Option<Vec<Deadlock>>,
    /// Deadlocks noticed by chance; `None` when not asked for.
    pub natural: Option<usize>,
    /// Deadlocks noticed when all lock in the same order.
    pub ordered: usize,
    /// How often a thread held both locks, in the last part.
    pub ordered_successes: usize,
}

/// Locks in opposite order, on purpose, by chance, and then in one order.
///
/// # Errors
/// `out` cannot be written, or the system refuses a thread.
pub fn run(out: &mut impl Write, options: &Options) -> io::Result<Outcome> {
    let last = options.threads - 1;
    title(
        out,
        "deadlock",
        &[
            &format!(
                "{} threads, {} locks. Thread i takes lock i, then the next one;",
                options.threads, options.threads
            ),
            &format!("thread {last} takes lock {last}, then lock 0. Opposite orders, that is."),
            "A lock that would wait for ever returns an error; its thread gives its first lock back.",
        ],
    )?;
    section(out, "What happened", &[])?;
    let wide = options.window.wide().then(|| wide(out, options)).transpose()?;
    let natural = options.window.natural().then(|| natural(out, options)).transpose()?;
    let tries = take_both(options, false)?;
    let ordered = tries.iter().filter(|result| result.is_err()).count();
    row(out, "the cure, lower number first: deadlocks", format_args!("{ordered} in {} tries", tries.len()))?;
    section(
        out,
        "Why",
        &[
            "Four conditions must hold: a lock has one holder; a thread that waits keeps its locks; no",
            "lock is taken away from a thread; and the threads wait in a circle. The cure breaks the",
            "last one: if all threads take the lower number first, the thread that holds the highest",
            "lock waits for no other thread, so one thread can always go on.",
            "std's Mutex does not check: with it, the first part would hang until you press Ctrl-C.",
            "By chance it is rare. That is worse: it passes every test and stops the server months later.",
        ],
    )?;
    Ok(Outcome { wide, natural, ordered, ordered_successes: tries.len() - ordered })
}

fn wide(out: &mut impl Write, options: &Options) -> io::Result<Vec<Deadlock>> {
    let deadlocks = all_hold_one(options.threads)?;
    row(out, "all hold their first lock: deadlocks noticed", deadlocks.len())?;
    for deadlock in &deadlocks {
        let next = deadlock.threads.iter().cycle().skip(1);
        for (thread, holder) in deadlock.threads.iter().zip(next) {
            let lock = (thread + 1) % usize::from(options.threads);
            writeln!(out, "    thread {thread} waits for lock {lock}, held by thread {holder}")?;
        }
        writeln!(out, "    thread {} noticed, and gave its first lock back", deadlock.threads[0])?;
    }
    Ok(deadlocks)
}

fn natural(out: &mut impl Write, options: &Options) -> io::Result<usize> {
    let tries = take_both(options, true)?;
    let deadlocks = tries.iter().filter(|result| result.is_err()).count();
    row(out, "left to chance: deadlocks noticed", format_args!("{deadlocks} in {} tries", tries.len()))?;
    Ok(deadlocks)
}

/// Once each: no thread takes its second lock before all hold their first.
fn all_hold_one(threads: u8) -> io::Result<Vec<Deadlock>> {
    let threads = usize::from(threads);
    let locks = WatchedLocks::new(threads, threads);
    let meeting = Barrier::new(threads);
    let results = together(threads, |thread| {
        let first = locks.lock(thread, thread)?;
        meeting.wait();
        let second = locks.lock(thread, (thread + 1) % threads)?;
        drop((first, second));
        Ok(())
    })?;
    Ok(results.into_iter().filter_map(Result::err).collect())
}

/// `rounds` times each, in `opposite` orders or lower number first.
fn take_both(options: &Options, opposite: bool) -> io::Result<Vec<Result<(), Deadlock>>> {
    let threads = usize::from(options.threads);
    let locks = WatchedLocks::new(threads, threads);
    let results = together(threads, |thread| {
        let (first, second) = order(thread, threads, opposite);
        let both = |_| {
            let _first = locks.lock(thread, first)?;
            let _second = locks.lock(thread, second)?;
            Ok(())
        };
        (0..options.rounds).map(both).collect::<Vec<_>>()
    })?;
    Ok(results.into_iter().flatten().collect())
}

/// Which lock a thread takes first, and which second.
fn order(thread: usize, threads: usize, opposite: bool) -> (usize, usize) {
    let (own, next) = (thread, (thread + 1) % threads);
    if opposite || own < next { (own, next) } else { (next, own) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cure_is_that_everyone_takes_the_lower_number_first() {
        for threads in 2..=16 {
            let orders = |opposite| (0..threads).map(move |thread| order(thread, threads, opposite));
            assert!(orders(false).all(|(first, second)| first < second));
            assert_eq!(orders(true).filter(|(first, second)| first > second).count(), 1);
        }
    }

    #[test]
    fn when_all_hold_one_lock_exactly_one_thread_notices_every_time() {
        for threads in [2, 3, 5] {
            for _ in 0..50 {
                let deadlocks = all_hold_one(threads).unwrap();
                assert_eq!(deadlocks.len(), 1);
                assert_eq!(deadlocks[0].threads.len(), usize::from(threads), "all are in the circle");
            }
        }
    }

    #[test]
    fn in_one_order_there_is_none_and_everyone_succeeds() {
        let options = Options { threads: 4, rounds: 1_000, window: Window::Natural };
        let outcome = run(&mut io::sink(), &options).unwrap();
        assert_eq!((outcome.ordered, outcome.ordered_successes), (0, 4_000));
    }

    #[test]
    fn the_report_names_the_circle() {
        let mut report = Vec::new();
        run(&mut report, &Options { rounds: 10, threads: 2, window: Window::Wide }).unwrap();
        let report = String::from_utf8(report).unwrap();
        assert!(report.contains("thread 0 waits for lock 1, held by thread 1"), "{report}");
        assert!(report.contains("thread 1 waits for lock 0, held by thread 0"), "{report}");
    }
}
