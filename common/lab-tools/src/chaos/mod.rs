//! `lab chaos N`: runs in which a cluster is broken on purpose, by a schedule of faults
//! that is drawn from a seed, while scripted users talk. Then what each of them was shown
//! is checked against what is promised (P1 to P6 of the book's page on several servers).
//!
//! ```text
//! users ──► link ──► server-1 ──► link ──► MariaDB     three servers; a fault is done
//!                             └─► link ──► Redis       to a server, a service or a link
//! ```
//!
//! The [`schedule`] is drawn, the [`testbed`] carries it out, each [`user`] records what it
//! sent and was shown, and [`check`] looks at the whole [`history`]. Its checks are pure
//! functions, so that tests can show them wrong histories. A schedule that fails is made
//! shorter by [`shrink`], and shown by [`report`] and [`diagram`].

mod check;
mod connection;
mod diagram;
mod fault;
mod history;
mod report;
mod run;
mod schedule;
mod shrink;
mod testbed;
mod user;

use crate::attack::cancellation::Cancellation;
use crate::cluster::{self, Services};
use clap::Args;
use lab::registry::{Registry, Stage};
use lab::say;
use lab::workspace::Profile;
use run::{Outcome, Trial};
use schedule::Schedule;

/// How many runs, and which.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    make chaos 7                                   ten runs of five faults each\n  \
    make chaos 7 ARGS=\"--runs 100 --seed 1000\"     others\n  \
    make chaos 7 ARGS=\"--seed 17 --runs 1\"         the one with the seed 17 again\n  \
    STAGE7_SERVER='python3 server.py --host {host} --port {port}' make chaos 7\n\
    \u{20}                                                a server of your own, which takes\n\
    \u{20}                                                CHAT_DB and CHAT_BACKPLANE\n\n\
    The same seed draws the same faults at the same times. What happens then is not the\n\
    same to the millisecond: a run that failed may have to be repeated some times.")]
pub struct Options {
    /// The stage's number: 7
    pub stage: Option<String>,
    /// How many runs
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// The seed of the first run; each further one has the next number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many faults each run has
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=50))]
    faults: u8,
    /// Of the faults that are drawn do these only: their numbers in the schedule, as 2,4
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    only: Option<Vec<usize>>,
    /// A run that fails is run again with fewer faults, so often at most
    #[arg(long, default_value_t = 12, value_name = "RUNS", value_parser = clap::value_parser!(u32).range(0..=100))]
    shrink: u32,
}

/// Returns an error if the stage cannot be tried.
///
/// # Errors
/// One sentence for the user.
pub fn check(stage: &Stage) -> Result<(), String> {
    match stage.number {
        7 => Ok(()),
        n => Err(format!("`make chaos` is for stage 7; stage {n} has no several servers, or speaks TLS")),
    }
}

/// Does the runs. Returns `false` if one of them broke a promise.
///
/// # Errors
/// When something does not start, or a signal has come.
pub fn run(stage: &Stage, all: &Registry, options: &Options) -> anyhow::Result<bool> {
    Services::check()?;
    let foreign = cluster::foreign::command(stage.number)?;
    testbed::check_client()?;
    let context = cluster::build(stage, all, Profile::Dev)?;
    let cancellation = Cancellation::watch()?;
    let trial = Trial { context: &context, foreign: foreign.as_deref(), cancellation: &cancellation };
    let mut failed = 0;
    for seed in (options.seed..).take(options.runs as usize) {
        let mut schedule = Schedule::draw(seed, options.faults.into());
        if let Some(numbers) = &options.only {
            schedule = schedule.only(numbers);
        }
        if options.runs == 1 {
            say!("the schedule of seed {seed}:\n{schedule}");
        }
        let outcome = trial.run(&schedule, &format!("seed-{seed}"))?;
        say!("{outcome}");
        if !outcome.violations.is_empty() {
            failed += 1;
            say!("{}", shortest(&trial, schedule, outcome, options)?);
        }
    }
    say!("{} of {} runs kept every promise", options.runs - failed, options.runs);
    if failed == 0 {
        context.clean_up();
    }
    Ok(failed == 0)
}

/// Runs a schedule that has failed with fewer faults. Returns the report of the shortest
/// that failed.
fn shortest(
    trial: &Trial<'_>,
    schedule: Schedule,
    outcome: Outcome,
    options: &Options,
) -> anyhow::Result<String> {
    if options.shrink > 0 && schedule.faults.len() > 1 {
        say!("fewer faults, in {} runs at most:", options.shrink);
    }
    let mut shortest = (outcome, schedule.clone());
    let mut count = 0;
    shrink::shrink(schedule, options.shrink, |shorter| {
        count += 1;
        let outcome = trial.run(shorter, &format!("seed-{}-shorter-{count}", shorter.seed))?;
        say!("{outcome}");
        let fails = !outcome.violations.is_empty();
        if fails {
            shortest = (outcome, shorter.clone());
        }
        anyhow::Ok(fails)
    })?;
    Ok(report::failure(&shortest.0, &shortest.1, options.faults))
}
