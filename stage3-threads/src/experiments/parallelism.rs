//! Concurrency is to have several things begun; parallelism is to do several at
//! the same instant. Waiting needs only the first, computing the second.

use super::sched::{Task, or_unknown};
use super::{row, section, title, together};
use std::hint::black_box;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

/// How long one of the waiting jobs waits, as for a client's next line.
const WAIT: Duration = Duration::from_millis(50);
/// How long all the computing should take one thread.
const COMPUTE: Duration = Duration::from_millis(500);
/// The computing is cut into this many pieces, which the threads take in turn.
const PIECES: usize = 64;

/// What can be changed.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Jobs that wait, and the most threads that compute
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(2..=32))]
    pub jobs: u8,
}

/// The same computing by a number of threads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Computed {
    /// How many threads shared it.
    pub threads: usize,
    /// The result, the same for any number of threads.
    pub result: u64,
    /// By the clock on the wall.
    pub wall: Duration,
    /// Cores busy on average: all threads' processor time by the wall time.
    pub cores_used: Option<f64>,
}

/// The figures of all parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Cores this process may use.
    pub cores: usize,
    /// Waiting jobs one after another.
    pub waiting_in_turn: Duration,
    /// The same jobs, a thread each.
    pub waiting_together: Duration,
    /// The computing by 1, 2, 4, … threads.
    pub computing: Vec<Computed>,
}

/// Times waiting and computing, with one thread and with several.
///
/// # Errors
/// `out` cannot be written, or the system refuses a thread.
pub fn run(out: &mut impl Write, options: &Options) -> io::Result<Outcome> {
    let jobs = usize::from(options.jobs);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    title(
        out,
        "parallelism",
        &[
            &format!("{jobs} jobs that wait {WAIT:?} each, in turn and with a thread each; then one heap of"),
            &format!("computing, shared among 1, 2, 4, ... threads. Cores for this process: {cores}."),
        ],
    )?;
    section(out, "What happened", &[])?;
    let (waiting_in_turn, waiting_together) = waiting(out, jobs)?;
    let computing = computing(out, jobs)?;
    section(
        out,
        "Why",
        &[
            "A thread that waits needs no core, so any number can wait at the same time, even on one",
            "core: that is concurrency, and all that a chat server needs. A thread that computes needs",
            "a core to itself: with more threads than cores they take turns, and the wall time stays.",
            "Only more cores make that faster: parallelism. Try it on one core: taskset -c 0 COMMAND",
            "(Linux): the waiting is as fast as before, the computing is not. If fewer cores are busy than",
            "there are, other programs use the rest, or this (virtual) machine may not use them all.",
        ],
    )?;
    Ok(Outcome { cores, waiting_in_turn, waiting_together, computing })
}

fn waiting(out: &mut impl Write, jobs: usize) -> io::Result<(Duration, Duration)> {
    let start = Instant::now();
    (0..jobs).for_each(|_| thread::sleep(WAIT));
    let in_turn = start.elapsed();
    row(out, "waiting, one job after another", format_args!("{in_turn:.1?}"))?;
    let start = Instant::now();
    together(jobs, |_| thread::sleep(WAIT))?;
    let at_once = start.elapsed();
    let gain = in_turn.as_secs_f64() / at_once.as_secs_f64();
    row(out, "waiting, a thread each", format_args!("{at_once:.1?}, {gain:.1} times as fast"))?;
    Ok((in_turn, at_once))
}

fn computing(out: &mut impl Write, most: usize) -> io::Result<Vec<Computed>> {
    let size = piece_size();
    let mut all: Vec<Computed> = Vec::new();
    let mut threads = 1;
    while threads <= most {
        let computed = compute(threads, size)?;
        let first = all.first().map_or(computed.wall, |first| first.wall);
        let gain = first.as_secs_f64() / computed.wall.as_secs_f64();
        let cores = or_unknown(computed.cores_used.map(|cores| format!("{cores:.1}")));
        row(
            out,
            &format!("computing, {threads} thread(s)"),
            format_args!("{:.0?}, {gain:.1} times as fast, cores busy: {cores}", computed.wall,),
        )?;
        all.push(computed);
        threads *= 2;
    }
    Ok(all)
}

/// Steps in a piece, such that all pieces take one thread about [`COMPUTE`] on
/// this machine, optimised or not: a fixed number would be too small to measure on
/// one machine and take too long on another.
fn piece_size() -> u64 {
    let enough = Duration::from_millis(20);
    let mut steps = 1_000;
    loop {
        let start = Instant::now();
        black_box(piece(0, steps));
        let took = start.elapsed();
        if took >= enough {
            let share = COMPUTE.as_secs_f64() / PIECES as f64;
            return (steps as f64 * share / took.as_secs_f64()).max(1.0) as u64;
        }
        steps *= 2;
    }
}

/// Only arithmetic: each step needs the one before, so no compiler and no processor
/// can shorten it. The constants are Knuth's MMIX generator's.
fn piece(seed: u64, steps: u64) -> u64 {
    (0..black_box(steps)).fold(seed, |state, _| {
        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
    })
}

fn compute(threads: usize, size: u64) -> io::Result<Computed> {
    let start = Instant::now();
    let shares = together(threads, |thread| {
        let pieces = (thread..PIECES).step_by(threads);
        let result = pieces.fold(0_u64, |sum, seed| sum.wrapping_add(piece(seed as u64, size)));
        let on_core = Task::current().and_then(|task| task.times()).map(|times| times.on_core);
        (result, on_core)
    })?;
    let wall = start.elapsed();
    let on_core: Option<Duration> = shares.iter().map(|(_, on_core)| *on_core).sum();
    Ok(Computed {
        threads,
        result: shares.iter().fold(0, |sum, (result, _)| sum.wrapping_add(*result)),
        wall,
        cores_used: on_core.map(|on_core| on_core.as_secs_f64() / wall.as_secs_f64()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_in_turn_adds_up_and_waiting_together_does_not() {
        let (in_turn, together) = waiting(&mut io::sink(), 8).unwrap();
        assert!(in_turn >= WAIT * 8);
        assert!(together >= WAIT && together < in_turn, "{together:?} against {in_turn:?}");
    }

    #[test]
    fn however_many_share_the_work_the_result_is_the_same() {
        let results: Vec<u64> =
            [1, 2, 3, 8].into_iter().map(|threads| compute(threads, 1_000).unwrap().result).collect();
        assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
    }

    #[test]
    fn no_more_cores_are_used_than_there_are() {
        let computed = compute(4, piece_size()).unwrap();
        let cores = thread::available_parallelism().unwrap().get() as f64;
        if let Some(used) = computed.cores_used {
            assert!(used > 0.0 && used < cores.min(4.0) * 1.5, "{used} cores of {cores}");
        }
    }
}
