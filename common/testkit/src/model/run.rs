//! Plays many sessions, and shortens the first that breaks a rule.

use super::expected::Broken;
use super::play::Player;
use super::rules;
use super::session::{Session, SessionEnd};
use super::shrink::simpler;
use super::{draw, echo};
use crate::case::Case;
use crate::context::Context;
use crate::failure::fail_by_rule;
use crate::poison::IgnorePoison;
use crate::run_check::{fresh_context, quietly};
use crate::server::Server;
use crate::settings::Options;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Sessions in one run; `--sessions` says otherwise.
const SESSIONS: usize = 200;
/// All programs get the same sessions; `--seed` draws others.
const SEED: u64 = 1;
/// Servers at once, each for some sessions.
pub(super) const WORKERS: usize = 4;
const PER_SERVER: usize = 25;
/// No more sessions are begun after this, in a run of the usual length on an idle machine.
pub(super) const TIME: Duration = Duration::from_secs(9);
/// For making a session shorter.
pub(super) const SHRINK_TIME: Duration = Duration::from_secs(6);
/// In that time a line must come while a session is made shorter: it came at once
/// in the sessions that were right.
pub(super) const SHRINK_PATIENCE: Duration = Duration::from_millis(500);

/// A session that broke a rule, and the context with its transcript.
struct Found {
    number: usize,
    session: Session,
    broken: Broken,
    context: Arc<Context>,
}

/// A session and its number.
type Numbered = (usize, Session);

/// Plays random sessions against the graded server. Fails with the shortest session
/// that was found to break a rule.
pub(crate) fn server_sessions(case: &Case) {
    let (options, seed) = (Options::get(), seed());
    let Some(found) = search(case, &options, seed) else { return };
    let number = found.number;
    if std::env::var_os("CHECK_DEBUG").is_some() {
        eprintln!("{:?}\n{}\n{:?}", found.broken, found.context.transcript.render(), found.session);
    }
    let found = if options.whole { found } else { shorten(case, found) };
    case.context.adopt(&found.context);
    // A server plays many of them, and perhaps this one fails behind the others only.
    fail_by_rule(found.broken, how_to_repeat(case.stage(), number, seed, "sessions", number + 1));
}

/// How many sessions this run plays, if there is time.
pub(crate) fn wanted_sessions() -> usize {
    Options::get().sessions.unwrap_or(SESSIONS)
}

/// Which series of sessions this run plays.
pub(super) fn seed() -> u64 {
    Options::get().seed.unwrap_or(SEED)
}

/// The command that plays a session again: it is found by its number.
pub(super) fn how_to_repeat(stage: u8, number: usize, seed: u64, option: &str, value: usize) -> String {
    let shorter = if Options::get().whole { "" } else { ", made shorter" };
    format!(
        "session {number} of seed {seed}{shorter}; make check {stage} ARGS=\"random --seed {seed} --{option} {value}\" \
         plays it again"
    )
}

/// The first session that breaks a rule: the same one in every run, however fast each
/// of the servers is.
fn search(case: &Case, options: &Options, seed: u64) -> Option<Found> {
    let numbers = options.numbers(SESSIONS);
    let next = AtomicUsize::new(numbers.start);
    let found: Mutex<Option<Found>> = Mutex::new(None);
    let deadline = (numbers.len() <= SESSIONS).then(|| Instant::now() + TIME.mul_f64(crate::slowness()));
    // Time is over, or an earlier session than those from `start` on was found.
    let is_over = |start: usize| {
        let found = found.lock().ignore_poison();
        found.as_ref().is_some_and(|found| found.number < start)
            || deadline.is_some_and(|end| Instant::now() >= end)
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let start = next.fetch_add(PER_SERVER, Ordering::Relaxed);
                    if start >= numbers.end || is_over(start) {
                        return;
                    }
                    let some = start..(start + PER_SERVER).min(numbers.end);
                    let sessions = some.map(|n| (n, draw::session(case.stage(), seed, n)));
                    let one = play_some(case, sessions.collect(), &|| is_over(start));
                    if let Some(one) = one.filter(|found| is_real(case, found)) {
                        let mut found = found.lock().ignore_poison();
                        if found.as_ref().is_none_or(|other| one.number < other.number) {
                            *found = Some(one);
                        }
                    }
                }
            });
        }
    });
    found.into_inner().ignore_poison()
}

/// Plays these sessions on one server, and those that stop it on others, until one
/// breaks a rule or `is_over`.
fn play_some(case: &Case, mut sessions: Vec<Numbered>, is_over: &dyn Fn() -> bool) -> Option<Found> {
    // Those that stop the server come last.
    sessions.sort_by_key(|(_, session)| session.end == SessionEnd::Shutdown);
    let start = sessions.first().map_or(0, |(number, _)| *number);
    let mut sessions = sessions.into_iter().peekable();
    while sessions.peek().is_some() && !is_over() {
        let context = fresh_context(case.context.graded.clone()).expect("a temporary folder, as before");
        let inner = Case { context: context.clone() };
        let result = quietly(|| -> Result<(), Box<(Numbered, Broken)>> {
            let server = inner.server();
            let mut player = match Played::enter(&inner, &server, crate::patience()) {
                Ok(player) => player,
                Err(broken) => return Err(Box::new(((start, Session::default()), broken))),
            };
            for (number, session) in sessions.by_ref() {
                if is_over() {
                    break;
                }
                context.transcript.clear();
                let stops = session.end == SessionEnd::Shutdown;
                if let Err(broken) = player.play(&session) {
                    return Err(Box::new(((number, session), broken)));
                }
                if stops {
                    break;
                }
            }
            Ok(())
        });
        match result {
            Ok(Ok(())) => {}
            Ok(Err(found)) => {
                let ((number, session), broken) = *found;
                return Some(Found { number, session, broken, context });
            }
            Err((expected, got)) => {
                let broken = Broken { rule: rules::ONE_CONNECTION, expected, got };
                return Some(Found { number: start, session: Session::default(), broken, context });
            }
        }
    }
    None
}

/// A server in the middle of its sessions.
enum Played<'c> {
    Chat(Player<'c>),
    Echo(&'c Case, &'c Server, Duration),
}

impl<'c> Played<'c> {
    fn enter(case: &'c Case, server: &'c Server, patience: Duration) -> Result<Self, Broken> {
        if !case.echoes() {
            return Player::enter(case, server, patience).map(Self::Chat);
        }
        // Learns how the server ends its lines.
        drop(case.delivery_path(server));
        Ok(Self::Echo(case, server, patience))
    }

    fn play(&mut self, session: &Session) -> Result<(), Broken> {
        match self {
            Self::Chat(player) => player.play(session),
            Self::Echo(case, server, patience) => echo::play(case, server, session, *patience),
        }
    }
}

/// A line that should not have come is a fault in any case. One that did not come in
/// time may be the machine's fault: then it must happen again, on a server of its own.
fn is_real(case: &Case, found: &Found) -> bool {
    !found.broken.is_nothing() || (0..3).any(|_| attempt(case, &found.session, crate::patience()).is_some())
}

/// Plays one session on a fresh server.
fn attempt(case: &Case, session: &Session, patience: Duration) -> Option<Found> {
    let context = fresh_context(case.context.graded.clone()).ok()?;
    if case.context.takes_cr_lf() {
        context.server_sends_cr_lf();
    }
    let inner = Case { context: context.clone() };
    let played = quietly(|| {
        let server = inner.server();
        Played::enter(&inner, &server, patience)?.play(session)
    });
    let broken = played.ok()?.err()?;
    Some(Found { number: 0, session: session.clone(), broken, context })
}

/// Leaves out of the session whatever it breaks the same rule without.
fn shorten(case: &Case, mut best: Found) -> Found {
    let deadline = Instant::now() + SHRINK_TIME;
    let mut tried = Vec::new();
    loop {
        let candidates = simpler(case.stage(), &best.session);
        let candidates = candidates.into_iter().filter(|session| !tried.contains(&format!("{session:?}")));
        let candidates: Vec<_> = candidates.take(WORKERS).collect();
        if candidates.is_empty() || Instant::now() > deadline {
            return best;
        }
        tried.extend(candidates.iter().map(|session| format!("{session:?}")));
        let rule = best.broken.rule;
        let found = std::thread::scope(|scope| {
            let attempts = candidates.iter().map(|session| {
                scope.spawn(|| attempt(case, session, crate::on_this_machine(SHRINK_PATIENCE)))
            });
            let attempts: Vec<_> = attempts.collect();
            let results = attempts.into_iter().filter_map(|thread| thread.join().ok().flatten());
            results.filter(|found| found.broken.rule == rule).min_by_key(|found| found.session.size())
        });
        if let Some(shorter) = found {
            best = shorter;
        }
    }
}
