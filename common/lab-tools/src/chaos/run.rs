//! One run: everything is started, users talk, faults come and go, everything recovers,
//! and the history is checked.

use super::check::{self, Violation};
use super::diagram;
use super::fault::{Fault, SERVERS};
use super::history::{DoneFault, History};
use super::schedule::Schedule;
use super::testbed::Testbed;
use super::user::{Habit, RunState, User};
use crate::attack::cancellation::Cancellation;
use anyhow::{Context, ensure};
use lab::run_context::RunContext;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Until the users are in.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Users go on talking for so long when the last fault is over.
const EPILOGUE: Duration = Duration::from_millis(500);

/// Then everything is right within this time: users of a server that died are gone after
/// 10 s (P5), and logins take some time.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// Lists are asked for so long at least.
const ANSWERS: Duration = Duration::from_secs(5);

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(300);

/// The scripted users, and the server that each comes to first.
const USERS: [(&str, Habit, usize); 8] = [
    ("alice", Habit::Returns, 0),
    ("bob", Habit::Returns, 1),
    ("carol", Habit::Returns, 2),
    ("dave", Habit::StaysAway, 0),
    ("erin", Habit::StaysAway, 1),
    ("frank", Habit::StaysAway, 2),
    ("twin", Habit::Competes, 0),
    ("twin", Habit::Competes, 1),
];

/// What came of a run.
pub struct Outcome {
    seed: u64,
    faults: usize,
    /// Messages in the lobby.
    lines: usize,
    connections: usize,
    recovery: Duration,
    /// The broken promises.
    pub violations: Vec<Violation>,
    /// With a file for each user, the logs, and the history; removed after a good run.
    pub folder: PathBuf,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { seed, faults, lines, connections, .. } = self;
        let result = if self.violations.is_empty() { "ok" } else { "FAILED" };
        let recovery = self.recovery.as_secs_f32();
        write!(
            f,
            "seed {seed:<6} {faults} faults  {lines:>5} lines  {connections:>3} connections  recovered after {recovery:>4.1} s  {result}"
        )
    }
}

/// What all runs have.
pub struct Trial<'a> {
    /// The built programs, and a folder.
    pub context: &'a RunContext<'a>,
    /// The command of another server in place of ours.
    pub foreign: Option<&'a str>,
    /// A signal ends the run.
    pub cancellation: &'a Cancellation,
}

impl Trial<'_> {
    /// Does a run. Its files come into a folder of this name, below that of the context.
    ///
    /// # Errors
    /// When something does not start, or a signal has come.
    pub fn run(&self, schedule: &Schedule, name: &str) -> anyhow::Result<Outcome> {
        let Trial { context, foreign, cancellation } = *self;
        let folder = context.path(name);
        fs::create_dir_all(&folder).context("cannot make a folder for the run")?;
        let mut testbed = Testbed::start(context, name, foreign)?;
        let crowd = Crowd::enter(context, &testbed, name, cancellation)?;
        testbed.dump_redis()?;
        crowd.state.talking.store(true, Ordering::SeqCst);
        let faults = schedule.done(crowd.state.now());
        carry_out(&mut testbed, schedule, cancellation)?;
        cancellation.until(EPILOGUE, || false)?;
        crowd.state.talking.store(false, Ordering::SeqCst);
        let began = Instant::now();
        let look = || crowd.history(&testbed, schedule, &faults);
        let (history, violations) = wait_for_recovery(&crowd, look, cancellation)?;
        let recovery = began.elapsed();
        match violations.is_empty() {
            true => fs::remove_dir_all(&folder).context("cannot remove the run's folder")?,
            false => keep(&folder, &history, &violations)?,
        }
        let (lines, connections) = (history.database.len(), history.sessions.len());
        let (seed, faults) = (schedule.seed, schedule.faults.len());
        Ok(Outcome { seed, faults, lines, connections, recovery, violations, folder })
    }
}

/// The history of a run that failed, and a diagram of it.
fn keep(folder: &Path, history: &History, violations: &[Violation]) -> anyhow::Result<()> {
    let write = |name: &str, text: String| {
        fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))
    };
    let title = folder.file_name().unwrap_or_default().to_string_lossy();
    write("history.json", serde_json::to_string_pretty(history)?)?;
    write("diagram.svg", diagram::draw(&title, history, violations))
}

/// Does the faults, each at its time.
fn carry_out(
    testbed: &mut Testbed<'_>,
    schedule: &Schedule,
    cancellation: &Cancellation,
) -> anyhow::Result<()> {
    let mut steps: Vec<(Duration, bool, Fault)> = Vec::new();
    for planned in &schedule.faults {
        steps.push((planned.begins, true, planned.fault));
        steps.push((planned.ends, false, planned.fault));
    }
    // Of one moment the beginning is first: FLUSHALL has no length.
    steps.sort_by_key(|(at, begins, _)| (*at, !begins));
    let started = Instant::now();
    let mut active: Vec<Fault> = Vec::new();
    for (at, begins, fault) in steps {
        cancellation.until(at.saturating_sub(started.elapsed()), || false)?;
        if begins {
            testbed.begin(fault)?;
            active.push(fault);
        } else {
            testbed.end(fault);
            active.retain(|other| *other != fault);
            testbed.start_again(&active)?;
        }
    }
    Ok(())
}

/// Looks until every promise is kept, or the time is over.
fn wait_for_recovery(
    crowd: &Crowd,
    look: impl Fn() -> anyhow::Result<History>,
    cancellation: &Cancellation,
) -> anyhow::Result<(History, Vec<Violation>)> {
    let deadline = Instant::now() + RECOVERY_TIMEOUT;
    // First without a question to the servers, which would wake them (P3).
    loop {
        let history = look()?;
        let violations = check::lines(&history);
        if violations.is_empty() {
            break;
        }
        if Instant::now() > deadline {
            return Ok((history, violations));
        }
        cancellation.until(LOOK, || false)?;
    }
    let deadline = deadline.max(Instant::now() + ANSWERS);
    loop {
        crowd.users.iter().for_each(|user| user.ask_for_list());
        cancellation.until(LOOK, || false)?;
        let history = look()?;
        let violations = [check::lines(&history), check::presence(&history)].concat();
        if violations.is_empty() || Instant::now() > deadline {
            return Ok((history, violations));
        }
    }
}

/// The users, and their threads. Dropping it ends them.
struct Crowd {
    state: Arc<RunState>,
    users: Vec<Arc<User>>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// All users come in.
    fn enter(
        context: &RunContext<'_>,
        testbed: &Testbed<'_>,
        folder: &str,
        cancellation: &Cancellation,
    ) -> anyhow::Result<Crowd> {
        let state = Arc::new(RunState {
            format: testbed.format()?,
            servers: testbed.addresses()?,
            started: Instant::now(),
            talking: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let mut crowd = Crowd { state, users: Vec::new(), threads: Vec::new() };
        for (n, (name, habit, server)) in USERS.into_iter().enumerate() {
            let record = context.path(&format!("{folder}/{n}-{name}.jsonl"));
            let user = User::new(name, habit, &crowd.state, record)?;
            let account_exists = crowd.users.iter().any(|other| other.name == name);
            crowd.users.push(user.clone());
            crowd.threads.push(thread::spawn({
                let user = user.clone();
                move || user.live(server % SERVERS, account_exists)
            }));
            let is_in = cancellation.until(ARRIVAL, || user.is_in())?;
            ensure!(
                is_in,
                "{name} does not come in; the servers' logs are in {}",
                context.path(folder).display()
            );
        }
        Ok(crowd)
    }

    fn history(
        &self,
        testbed: &Testbed<'_>,
        schedule: &Schedule,
        faults: &[DoneFault],
    ) -> anyhow::Result<History> {
        let of_habit = |habit| self.users.iter().filter(move |user| user.habit == habit);
        let names = |habit| of_habit(habit).map(|user| user.name.clone()).collect();
        // The users first: what they were shown is in the database by then.
        let sessions = self.users.iter().flat_map(|user| user.sessions()).collect();
        Ok(History {
            sessions,
            database: testbed.lobby()?,
            returning: names(Habit::Returns),
            shared_names: names(Habit::Competes),
            faults: faults.to_vec(),
            may_declare_dead: schedule.may_kill(),
            declared_dead: testbed.declared_dead(),
        })
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.users.iter().for_each(|user| user.disconnect());
        for thread in self.threads.drain(..) {
            // A user's thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}
