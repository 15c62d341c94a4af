//! Sessions that each take a program of their own: played in turn, until one breaks a
//! rule; that one is made shorter.

use super::expected::Broken;
use super::rules::Rule;
use super::run::{SHRINK_PATIENCE, SHRINK_TIME, TIME, WORKERS, how_to_repeat, seed};
use crate::case::Case;
use crate::context::Context;
use crate::failure::fail_by_rule;
use crate::poison::IgnorePoison;
use crate::run_check::{fresh_context, quietly};
use crate::settings::Options;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A kind of sessions: how they are drawn, played and made shorter.
pub trait Sessions: Sync {
    /// One session.
    type Session: Clone + Send + Sync;

    /// How many there are in one run; `--sessions` says otherwise.
    const COUNT: usize;
    /// No more sessions are begun after this on an idle machine, unless `--sessions` says
    /// how many.
    fn time(&self) -> Duration {
        TIME
    }

    /// The rule that is broken when a session cannot be played to its end.
    const OTHERWISE: Rule;

    /// The session with this number in the series of `seed`.
    fn draw(&self, seed: u64, number: usize) -> Self::Session;

    /// Returns `true` if this is a fault in any case, however busy the machine is.
    fn is_sure(&self, broken: &Broken) -> bool;

    /// All sessions that are one step shorter or simpler, the boldest steps first.
    fn simpler(&self, session: &Self::Session) -> Vec<Self::Session>;

    /// Plays a session with a program of its own. What must come may take `patience`.
    fn play(&self, case: &Case, session: &Self::Session, patience: Duration) -> Result<(), Broken>;
}

/// A session that broke a rule.
struct Found<S> {
    session: S,
    broken: Broken,
    context: Arc<Context>,
}

/// Plays random sessions with the graded program. Fails with the shortest that was
/// found to break a rule.
pub fn play_series<S: Sessions>(case: &Case, sessions: &S) {
    let Some((number, found)) = search(case, sessions) else { return };
    let best = if Options::get().whole { found } else { shorten(case, sessions, found) };
    case.context.adopt(&best.context);
    fail_by_rule(best.broken, how_to_repeat(case.stage(), number, seed(), "session", number));
}

/// The first session that breaks a rule, and its number: however fast each of the programs
/// is, those before it were played to their ends.
fn search<S: Sessions>(case: &Case, sessions: &S) -> Option<(usize, Found<S::Session>)> {
    let options = Options::get();
    let numbers = options.numbers(S::COUNT);
    let (next, found) = (AtomicUsize::new(numbers.start), Mutex::new(None));
    let time = sessions.time().mul_f64(crate::slowness());
    let is_asked_for = options.sessions.or(options.session).is_some();
    let deadline = (!is_asked_for).then(|| Instant::now() + time);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while found.lock().ignore_poison().is_none()
                    && deadline.is_none_or(|end| Instant::now() < end)
                {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        return;
                    }
                    let session = sessions.draw(seed(), number);
                    let play = || attempt(case, sessions, &session, crate::patience());
                    // Once may be the machine's fault: it must happen again.
                    let is_real = |found: &Found<_>| sessions.is_sure(&found.broken) || play().is_some();
                    if let Some(one) = play().filter(is_real) {
                        let mut first = found.lock().ignore_poison();
                        if first.as_ref().is_none_or(|(other, _)| number < *other) {
                            *first = Some((number, one));
                        }
                    }
                }
            });
        }
    });
    found.into_inner().ignore_poison()
}

/// Leaves out of the session whatever it breaks the same rule without.
fn shorten<S: Sessions>(case: &Case, sessions: &S, mut best: Found<S::Session>) -> Found<S::Session> {
    let deadline = Instant::now() + SHRINK_TIME;
    while let Some(shorter) = sessions.simpler(&best.session).chunks(WORKERS).find_map(|candidates| {
        if Instant::now() > deadline {
            return None;
        }
        let rule = best.broken.rule;
        std::thread::scope(|scope| {
            let attempts = candidates.iter().map(|session| {
                scope.spawn(|| attempt(case, sessions, session, crate::on_this_machine(SHRINK_PATIENCE)))
            });
            let attempts: Vec<_> = attempts.collect();
            let mut results = attempts.into_iter().filter_map(|thread| thread.join().ok().flatten());
            results.find(|found| found.broken.rule == rule)
        })
    }) {
        best = shorter;
    }
    best
}

/// Plays one session; gives it back if it breaks a rule.
fn attempt<S: Sessions>(
    case: &Case,
    sessions: &S,
    session: &S::Session,
    patience: Duration,
) -> Option<Found<S::Session>> {
    let context = fresh_context(case.context.graded.clone()).ok()?;
    let inner = Case { context: context.clone() };
    let broken = match quietly(|| sessions.play(&inner, session, patience)) {
        Ok(played) => played.err()?,
        Err((expected, got)) => Broken { rule: S::OTHERWISE, expected, got },
    };
    Some(Found { session: session.clone(), broken, context })
}
