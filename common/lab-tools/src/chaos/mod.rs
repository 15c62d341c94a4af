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
//! functions, so that tests can show them wrong histories.

mod check;
mod connection;
mod history;
mod run;
mod schedule;
mod testbed;
mod user;

use crate::attack::cancellation::Cancellation;
use crate::cluster::{self, Services};
use clap::Args;
use lab::registry::{Registry, Stage};
use lab::say;
use lab::workspace::Profile;
use run::Outcome;
use schedule::Schedule;

/// How many runs, and which.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    make chaos 7                                   ten runs of five faults each\n  \
    make chaos 7 ARGS=\"--runs 100 --seed 1000\"     others\n  \
    make chaos 7 ARGS=\"--seed 17 --runs 1\"         the one with the seed 17 again\n\n\
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
    testbed::check_client()?;
    let context = cluster::build(stage, all, Profile::Dev)?;
    let cancellation = Cancellation::watch()?;
    let mut failed = Vec::new();
    for seed in (options.seed..).take(options.runs as usize) {
        let schedule = Schedule::draw(seed, options.faults.into());
        if options.runs == 1 {
            say!("the schedule of seed {seed}:\n{schedule}");
        }
        let outcome = run::run(&context, &schedule, &cancellation)?;
        say!("{outcome}");
        if let Some(report) = failure(&outcome, &schedule, options) {
            say!("{report}");
            failed.push(seed);
        }
    }
    say!("{} of {} runs kept every promise", options.runs - failed.len() as u32, options.runs);
    if failed.is_empty() {
        context.clean_up();
    }
    Ok(failed.is_empty())
}

/// What a user needs to know of a run that failed.
fn failure(outcome: &Outcome, schedule: &Schedule, options: &Options) -> Option<String> {
    if outcome.violations.is_empty() {
        return None;
    }
    let mut report = format!("\nthe schedule of seed {}:\n{schedule}\nbroken promises:\n", schedule.seed);
    for violation in &outcome.violations {
        report += &format!("  {violation}\n");
    }
    report += &format!("\nwhat each user saw, the database and the logs: {}\n", outcome.folder.display());
    report += &format!(
        "again: make chaos 7 ARGS=\"--seed {} --runs 1 --faults {}\"\n",
        schedule.seed, options.faults
    );
    Some(report)
}
