//! Corruption: each field is locked correctly, and the two together are wrong.
//!
//! Two accounts hold 1000 coins together. A transfer takes coins from one and adds
//! them to the other; an audit adds the two up. A lock for each field guards the
//! fields. No lock guards the sum.

use super::accounts::{OneLock, TwoLocks};
use super::{Window, row, section, title, together};
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Barrier;

/// Coins in both accounts together, always; that is the invariant.
const TOTAL: i64 = 1_000;
/// Coins that one transfer moves.
const AMOUNT: i64 = 100;
/// Rounds with the widened window: in each, both threads wait at a barrier twice.
const WIDE_ROUNDS: u32 = 500;

/// What can be changed.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Transfers, and audits beside them (at most 500 with the wide window)
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rounds: u32,
    /// How long the moment between the two halves of a transfer lasts
    #[arg(long, value_enum, default_value_t = Window::Both)]
    pub window: Window,
}

/// What the audits found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit {
    /// How often it added up.
    pub audits: u32,
    /// How often the sum was not [`TOTAL`].
    pub wrong: u32,
}

/// The figures of all parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// A lock each, audited in the middle; `None` when not asked for.
    pub wide: Option<Audit>,
    /// A lock each, audited whenever; `None` when not asked for.
    pub natural: Option<Audit>,
    /// One lock around both.
    pub one_lock: Audit,
    /// Coins that are lost when a transfer panics half-way, with a lock for each.
    pub lost_unnoticed: i64,
    /// `true` if the one lock around both was poisoned by the panic.
    pub one_lock_poisoned: bool,
}

/// Audits with a lock each, on purpose and by chance, then with one lock.
///
/// # Errors
/// `out` cannot be written, or the system refuses a thread.
pub fn run(out: &mut impl Write, options: &Options) -> io::Result<Outcome> {
    let wide_rounds = options.rounds.min(WIDE_ROUNDS);
    title(
        out,
        "corruption",
        &[
            &format!(
                "A wallet and savings hold {TOTAL} coins together. One thread moves {AMOUNT} to and fro,"
            ),
            &format!("another adds the two up, and should always find {TOTAL}. First each has a lock of its"),
            "own, then one lock is around both. Last, a transfer panics between its two halves.",
        ],
    )?;
    section(out, "What happened", &[])?;
    let mut part = |label: &str, audit: io::Result<Audit>| {
        let audit = audit?;
        row(out, label, format_args!("{} of {} audits wrong", audit.wrong, audit.audits))?;
        io::Result::Ok(audit)
    };
    let wide = options.window.wide().then(|| part("a lock each, audited in the middle", wide(wide_rounds)));
    let natural =
        options.window.natural().then(|| part("a lock each, left to chance", natural(options.rounds)));
    let one_lock = part("one lock around both", audit_one_lock(options.rounds))?;
    let lost_unnoticed = panic_half_way_with_two_locks();
    row(
        out,
        "it panics half-way, a lock each",
        format_args!("{lost_unnoticed} coins gone, no lock poisoned"),
    )?;
    let one_lock_poisoned = panic_half_way_with_one_lock();
    row(
        out,
        "it panics half-way, one lock",
        if one_lock_poisoned { "the lock is poisoned" } else { "not noticed" },
    )?;
    section(
        out,
        "Why",
        &[
            "Between the two halves the coins are in neither account, and no lock is held: an audit that",
            "runs then sees a state that must not exist. A lock guards an invariant, not a field: what is",
            "true only of both together belongs behind one lock, held until it is true again.",
            "If the holder panics before that, std marks the lock as poisoned: the next thread is told",
            "that the state may be half-way. With a lock for each field no lock was held, so none was",
            "poisoned.",
        ],
    )?;
    Ok(Outcome {
        wide: wide.transpose()?,
        natural: natural.transpose()?,
        one_lock,
        lost_unnoticed,
        one_lock_poisoned,
    })
}

/// To and fro: the wallet pays in even rounds and is paid in odd ones.
fn amount(round: u32) -> i64 {
    if round.is_multiple_of(2) { AMOUNT } else { -AMOUNT }
}

/// Runs transfers and audits beside each other.
fn side_by_side(
    rounds: u32,
    transfer: impl Fn(u32) + Sync,
    sum: impl Fn() -> i64 + Sync,
) -> io::Result<Audit> {
    let wrong = together(2, |thread| {
        if thread == 0 {
            (0..rounds).for_each(&transfer);
            return 0;
        }
        (0..rounds).map(|_| u32::from(sum() != TOTAL)).sum()
    })?;
    Ok(Audit { audits: rounds, wrong: wrong.into_iter().sum() })
}

fn wide(rounds: u32) -> io::Result<Audit> {
    let accounts = TwoLocks::new(TOTAL);
    let meeting = Barrier::new(2);
    let meet = || {
        meeting.wait();
    };
    side_by_side(
        rounds,
        |round| {
            accounts.transfer(amount(round), || {
                meet(); // The first half is done: now the auditor looks ...
                meet(); // ... and has looked: now the second half.
            })
        },
        || {
            meet();
            let sum = accounts.sum();
            meet();
            sum
        },
    )
}

fn natural(rounds: u32) -> io::Result<Audit> {
    let accounts = TwoLocks::new(TOTAL);
    side_by_side(rounds, |round| accounts.transfer(amount(round), || ()), || accounts.sum())
}

fn audit_one_lock(rounds: u32) -> io::Result<Audit> {
    let accounts = OneLock::new(TOTAL);
    side_by_side(rounds, |round| accounts.transfer(amount(round), || ()), || accounts.sum())
}

/// Unwinds as a panic does, without the message on standard error, which would
/// look as if the experiment itself had failed.
fn panic_quietly() {
    panic::resume_unwind(Box::new("the transfer failed half-way"));
}

/// Coins that are missing afterwards.
fn panic_half_way_with_two_locks() -> i64 {
    let accounts = TwoLocks::new(TOTAL);
    // Asserted, not proven: that the state may be half-way is what we look at.
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| accounts.transfer(AMOUNT, panic_quietly)));
    debug_assert!(panicked.is_err());
    TOTAL - accounts.sum()
}

/// Returns `true` if the lock is poisoned afterwards.
fn panic_half_way_with_one_lock() -> bool {
    let accounts = OneLock::new(TOTAL);
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| accounts.transfer(AMOUNT, panic_quietly)));
    debug_assert!(panicked.is_err());
    accounts.is_poisoned()
}
