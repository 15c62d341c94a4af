//! Lost updates: two threads read the same number, both add one, both write.
//!
//! A *data race* proper (two threads, one plain variable, no lock) does not
//! compile in safe Rust: `scope.spawn(|| count += 1)` twice is error E0499, two
//! mutable borrows at once. What compiles, and is as wrong, is a *race
//! condition*: every single step is safe, and the sequence of them is not.

use super::{Window, row, section, title, together};
use common::poison::IgnorePoison;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

/// Rounds with the widened window: in each, all threads wait at a barrier twice.
const WIDE_ROUNDS: u32 = 500;

/// What can be changed.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Threads that add to the one counter
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=64))]
    pub threads: u8,
    /// How often each thread adds one (at most 500 with the wide window)
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub rounds: u32,
    /// How long the moment between reading and writing lasts
    #[arg(long, value_enum, default_value_t = Window::Both)]
    pub window: Window,
}

/// One way of counting: what should have come out, what did, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Threads times rounds.
    pub expected: u64,
    /// What the counter says in the end.
    pub counted: u64,
    /// From the first thread's start to the last one's end.
    pub took: Duration,
}

impl Count {
    /// Additions that left no trace.
    pub fn lost(&self) -> u64 {
        self.expected - self.counted
    }
}

/// The figures of all parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Load and store with a meeting between them; `None` when not asked for.
    pub wide: Option<Count>,
    /// Load and store with nothing between them; `None` when not asked for.
    pub natural: Option<Count>,
    /// Load and store under a lock.
    pub lock: Count,
    /// One indivisible `fetch_add`.
    pub atomic: Count,
}

/// Counts with a wide window, by chance, with a lock and with an atomic.
///
/// # Errors
/// `out` cannot be written, or the system refuses a thread.
pub fn run(out: &mut impl Write, options: &Options) -> io::Result<Outcome> {
    let wide_rounds = options.rounds.min(WIDE_ROUNDS);
    title(
        out,
        "race",
        &[
            &format!("{} threads add 1 to one counter, again and again, in two steps:", options.threads),
            "  let seen = counter.load();  counter.store(seen + 1);",
            "Every addition should count. Then the same work with a lock, and with an atomic.",
        ],
    )?;
    section(out, "What happened", &[])?;
    let mut part = |label: &str, rounds: u32, count: io::Result<Count>| {
        let count = count?;
        row(
            out,
            &format!("{label}, {rounds} rounds each"),
            format_args!(
                "{} of {} counted, {} lost, {:.1?}",
                count.counted,
                count.expected,
                count.lost(),
                count.took,
            ),
        )?;
        io::Result::Ok(count)
    };
    let outcome = Outcome {
        wide: options
            .window
            .wide()
            .then(|| part("window held open", wide_rounds, wide(options.threads, wide_rounds)))
            .transpose()?,
        natural: options
            .window
            .natural()
            .then(|| part("left to chance", options.rounds, natural(options)))
            .transpose()?,
        lock: part("with a lock", options.rounds, lock(options))?,
        atomic: part("with an atomic", options.rounds, atomic(options))?,
    };
    explain(out, options)?;
    Ok(outcome)
}

fn explain(out: &mut impl Write, options: &Options) -> io::Result<()> {
    section(
        out,
        "Why",
        &[
            "Held open: all threads read the same number before any writes, so all write the same",
            &format!(
                "sum: of {} additions per round, {} vanish. Every time.",
                options.threads,
                options.threads - 1
            ),
            "By chance: the window is a few nanoseconds. On several cores it is hit all the time,",
            "on one core only when the scheduler stops a thread just there: perhaps never today.",
            "A lock lets one thread at a time through both steps; the atomic makes them one step.",
            "Why no plain variable? Two threads with `&mut count` do not compile (E0499). Rust rules",
            "out the data race. It cannot rule out that a thread reads, computes, and writes old news.",
        ],
    )
}

/// Counts with `threads` threads that each run `add` `rounds` times.
fn count(threads: u8, rounds: u32, total: impl Fn() -> u64, add: impl Fn() + Sync) -> io::Result<Count> {
    let start = Instant::now();
    together(threads.into(), |_| (0..rounds).for_each(|_| add()))?;
    let took = start.elapsed();
    Ok(Count { expected: u64::from(threads) * u64::from(rounds), counted: total(), took })
}

/// `Relaxed` throughout: the lesson is not about the order of memory. With
/// `SeqCst` as many updates are lost, since it orders steps and does not join them.
fn wide(threads: u8, rounds: u32) -> io::Result<Count> {
    let counter = AtomicU64::new(0);
    let meeting = Barrier::new(threads.into());
    count(
        threads,
        rounds,
        || counter.load(Ordering::Relaxed),
        || {
            let seen = counter.load(Ordering::Relaxed);
            // No thread writes before all have read ...
            meeting.wait();
            counter.store(seen + 1, Ordering::Relaxed);
            // ... and none reads for the next round before all have written.
            meeting.wait();
        },
    )
}

fn natural(options: &Options) -> io::Result<Count> {
    let counter = AtomicU64::new(0);
    count(
        options.threads,
        options.rounds,
        || counter.load(Ordering::Relaxed),
        || {
            let seen = counter.load(Ordering::Relaxed);
            counter.store(seen + 1, Ordering::Relaxed);
        },
    )
}

fn lock(options: &Options) -> io::Result<Count> {
    let counter = Mutex::new(0);
    let total = || *counter.lock().ignore_poison();
    count(options.threads, options.rounds, total, || {
        let mut counter = counter.lock().ignore_poison();
        *counter += 1;
    })
}

fn atomic(options: &Options) -> io::Result<Count> {
    let counter = AtomicU64::new(0);
    count(
        options.threads,
        options.rounds,
        || counter.load(Ordering::Relaxed),
        || {
            counter.fetch_add(1, Ordering::Relaxed);
        },
    )
}
