//! The life of a thread: new, runnable, running, blocked, terminated.
//!
//! Another thread asks the kernel about each state. The kernel does not tell
//! *runnable* (waits for a core) from *running* (has a core): both are state `R`.
//! But it does tell how long a thread has spent in each of the two.

use super::sched::{self, Task, Times, or_unknown};
use super::{row, section, title, together};
use common::poison::IgnorePoison;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How long the busy threads compete for the cores.
const BUSY: Duration = Duration::from_millis(300);
/// How long to wait until a thread has reached a state. On an idle machine it takes
/// microseconds.
const STATE_TIMEOUT: Duration = Duration::from_secs(2);

/// This experiment has no options.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {}

/// What was seen. `None` where the system does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Threads of the process before and after a closure was written down.
    pub threads_before_and_after_new: Option<(usize, usize)>,
    /// From the call of `spawn` to the thread's first instruction.
    pub start_took: Duration,
    /// Cores this process may use.
    pub cores: usize,
    /// Of each busy thread, twice as many as cores: with a core, and waiting for one.
    pub busy: Vec<Option<Times>>,
    /// Kernel state while waiting for a lock, a channel, and a sleep's end.
    pub blocked: [Option<char>; 3],
    /// Processor time that the blocked thread used meanwhile.
    pub blocked_on_core: Option<Duration>,
    /// What `join` gave for a thread that returned 42.
    pub returned: Option<i32>,
    /// `true` if `join` reported the panic of a thread.
    pub panic_reported: bool,
}

/// Takes threads through the five states and asks the kernel about each.
///
/// # Errors
/// `out` cannot be written, or the system refuses a thread.
pub fn run(out: &mut impl Write, _: &Options) -> io::Result<Outcome> {
    title(
        out,
        "lifecycle",
        &[
            "Takes threads through the five states of a thread, and asks the kernel about each:",
            "new -> runnable <-> running -> terminated, and running -> blocked -> runnable.",
        ],
    )?;
    section(out, "What happened", &[])?;
    let (threads_before_and_after_new, start_took) = new(out)?;
    let (cores, busy) = runnable_and_running(out)?;
    let (blocked, blocked_on_core) = blocked(out)?;
    let (returned, panic_reported) = terminated(out)?;
    section(
        out,
        "Why",
        &[
            "new         A closure is not a thread. In Rust spawn creates a thread and starts it at once.",
            "runnable    It could go on, but all cores are busy. The scheduler gives each thread a core for a",
            "            few milliseconds. No thread waits long, and none can choose the moment. Hence races.",
            "blocked     It waits for something other than a core: a lock, a line from a client. That costs",
            "            memory and no time: thousands of quiet clients are cheap, one busy client is not.",
            "terminated  It has returned or panicked; join tells which. A panic ends one thread, not the",
            "            process: stage 3's server loses one client.",
        ],
    )?;
    Ok(Outcome {
        threads_before_and_after_new,
        start_took,
        cores,
        busy,
        blocked,
        blocked_on_core,
        returned,
        panic_reported,
    })
}

fn new(out: &mut impl Write) -> io::Result<(Option<(usize, usize)>, Duration)> {
    let before = sched::thread_count();
    let body = Instant::now;
    let after = sched::thread_count();
    let counts = before.zip(after);
    row(
        out,
        "new: threads before and after the closure",
        or_unknown(counts.map(|(a, b)| format!("{a} and {b}"))),
    )?;
    let asked = Instant::now();
    let first_instruction = thread::Builder::new().spawn(body)?.join();
    let first_instruction = first_instruction.map_err(|_| io::Error::other("the new thread panicked"))?;
    let took = first_instruction - asked;
    row(out, "new: from spawn to its first instruction", format_args!("{took:.1?}"))?;
    Ok((counts, took))
}

/// More threads that want a core than there are cores.
fn runnable_and_running(out: &mut impl Write) -> io::Result<(usize, Vec<Option<Times>>)> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let busy = together(cores * 2, |_| {
        let start = Instant::now();
        while start.elapsed() < BUSY {
            std::hint::spin_loop();
        }
        Task::current().and_then(|task| task.times())
    })?;
    row(
        out,
        "busy threads, cores for them",
        format_args!("{} threads, {cores} cores, for {BUSY:?}", busy.len()),
    )?;
    for (number, times) in busy.iter().enumerate().take(4) {
        let figure = times.map(|times| format!("{:.0?} and {:.0?}", times.on_core, times.in_queue));
        row(out, &format!("  thread {number}: running, and only runnable"), or_unknown(figure))?;
    }
    Ok((cores, busy))
}

/// One thread waits for a lock, then for a channel, then for time to pass.
fn blocked(out: &mut impl Write) -> io::Result<([Option<char>; 3], Option<Duration>)> {
    // Held by this thread until it has seen the other one wait for it.
    let lock = Mutex::new(());
    let (introduce, introduced) = mpsc::channel();
    // The thread's end of a channel on which nothing comes until it is dropped.
    let (hang_up, silence) = mpsc::channel::<()>();
    // Which of the three it is about to wait for, so that the states of two
    // waits are not mixed up. Only the observed thread writes.
    let (stage, lock_ref) = (&AtomicU64::new(0), &lock);
    thread::scope(|scope| {
        let held = lock.lock().ignore_poison();
        thread::Builder::new().spawn_scoped(scope, move || {
            // An error means that the receiving thread has failed already.
            introduce.send(Task::current()).ok();
            drop(lock_ref.lock());
            stage.store(1, Ordering::Release);
            silence.recv().ok();
            stage.store(2, Ordering::Release);
            thread::sleep(Duration::from_millis(100));
        })?;
        let task = introduced.recv().ok().flatten();
        let on_core = || task.as_ref().and_then(Task::times).map(|times| times.on_core);
        let for_lock = settled_state(task.as_ref());
        drop(held);
        wait_until(|| stage.load(Ordering::Acquire) >= 1);
        let for_channel = settled_state(task.as_ref());
        let before = on_core();
        drop(hang_up);
        wait_until(|| stage.load(Ordering::Acquire) >= 2);
        let asleep = settled_state(task.as_ref());
        let used = on_core().zip(before).map(|(after, before)| after.saturating_sub(before));
        row(out, "blocked on a lock: kernel state", or_unknown(for_lock))?;
        row(out, "blocked on a channel: kernel state", or_unknown(for_channel))?;
        row(out, "blocked in a sleep of 100 ms: kernel state", or_unknown(asleep))?;
        row(
            out,
            "blocked: processor time used meanwhile",
            or_unknown(used.map(|used| format!("{used:.0?}"))),
        )?;
        Ok(([for_lock, for_channel, asleep], used))
    })
}

/// The state once the thread has stopped being `R`: it takes a moment from its
/// last sign of life into its wait.
fn settled_state(task: Option<&Task>) -> Option<char> {
    let task = task?;
    wait_until(|| task.state() != Some('R'));
    task.state()
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + STATE_TIMEOUT;
    while !done() && Instant::now() < deadline {
        thread::yield_now();
    }
}

fn terminated(out: &mut impl Write) -> io::Result<(Option<i32>, bool)> {
    let good = thread::Builder::new().spawn(|| 42)?;
    wait_until(|| good.is_finished());
    row(out, "terminated: is_finished, before any join", good.is_finished())?;
    let returned = good.join().ok();
    row(out, "terminated: join gives what it returned", or_unknown(returned))?;
    // Unwinds as a panic does, without the message on standard error.
    let bad = thread::Builder::new().spawn(|| std::panic::resume_unwind(Box::new("out of luck")))?;
    let reason = bad.join().err().and_then(|payload| payload.downcast::<&str>().ok());
    row(
        out,
        "terminated by a panic: join gives",
        or_unknown(reason.as_ref().map(|why| format!("Err, {why:?}"))),
    )?;
    Ok((returned, reason.is_some()))
}
