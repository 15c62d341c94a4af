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
//! shorter by [`shrink`], and shown by [`report`] and [`diagram`]. That the runs find what
//! they should is tried with [`wrong`] servers.

mod check;
mod connection;
mod diagram;
mod fault;
mod history;
mod line_format;
mod report;
mod run;
mod schedule;
mod shrink;
mod testbed;
mod user;
mod wrong;

use crate::attack::cancellation::Cancellation;
use crate::cluster::{self, Services};
use clap::Args;
use lab::registry::{Registry, Stage};
use lab::run_context::RunContext;
use lab::say;
use lab::workspace::Profile;
use run::{Outcome, Trial};
use schedule::Schedule;
use wrong::WrongServer;

/// How many runs, and which.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    make chaos 7                                   ten runs of five faults each\n  \
    make chaos 7 ARGS=\"--runs 100 --seed 1000\"     others\n  \
    make chaos 7 ARGS=\"--seed 17 --runs 1\"         the run with the seed 17 again\n  \
    make chaos 7 ARGS=\"--wrong never-reaps\"        a server that is wrong on purpose\n  \
    STAGE7_SERVER='python3 server.py --host {host} --port {port}' make chaos 7\n\
    \u{20}                                                a server of your own, which takes\n\
    \u{20}                                                CHAT_DB and CHAT_BACKPLANE\n\n\
    The same seed draws the same faults at the same times. What happens then is not the\n\
    same to the millisecond: a run that failed may have to be repeated some times.")]
pub struct Options {
    /// The stage's number: 7 or 8
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
    /// Cause only these faults, by their numbers in the schedule, as 2,4
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    only: Option<Vec<usize>>,
    /// Run a server that is wrong on purpose, until a run breaks a promise; `all` runs each
    /// of them
    #[arg(long, value_name = "NAME", conflicts_with = "only")]
    wrong: Option<String>,
    /// How often at most a run that fails is repeated, with fewer faults
    #[arg(long, default_value_t = 12, value_name = "RUNS", value_parser = clap::value_parser!(u32).range(0..=100))]
    shrink: u32,
}

/// Returns an error if the stage cannot be tried.
///
/// # Errors
/// One sentence for the user.
pub fn check(stage: &Stage, options: &Options) -> Result<(), String> {
    match stage.number {
        8 if options.wrong.is_some() => Err("the wrong servers are those of stage 7".to_owned()),
        7 | 8 => Ok(()),
        n => Err(format!("stage {n} has one server only; `make chaos` is for stages 7 and 8")),
    }
}

/// Does the runs. Returns `false` if one of them broke a promise.
///
/// # Errors
/// When something does not start, or a signal has come.
pub fn run(stage: &Stage, all: &Registry, options: &Options) -> anyhow::Result<bool> {
    Services::check()?;
    if let Some(name) = &options.wrong {
        return caught(stage, all, options, &wrong::named(name)?);
    }
    let foreign = cluster::foreign::command(stage.number)?;
    Services::check_client()?;
    if stage.number == 8 {
        line_format::check_tls()?;
    }
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

/// Runs each of these wrong servers until it breaks a promise. Returns `true` if all did.
fn caught(stage: &Stage, all: &Registry, options: &Options, servers: &[WrongServer]) -> anyhow::Result<bool> {
    Services::check_client()?;
    let right = cluster::programs(stage, all, Profile::Dev)?;
    let cancellation = Cancellation::watch()?;
    let _alone = wrong::alone()?;
    let mut table = Vec::new();
    for server in servers {
        say!("{}: a server that {}.", server.name, server.mistake);
        say!("It was like this in {}: {}", server.product, server.source);
        let context = RunContext::with(stage, server.build(stage, &right)?)?;
        let trial = Trial { context: &context, foreign: None, cancellation: &cancellation };
        let broken = first_broken(&trial, options)?;
        table.push(match &broken {
            None => format!("{:26} not caught in {} runs", server.name, options.runs),
            Some((runs, promise)) => format!("{:26} run {runs:>2}  {promise}", server.name),
        });
        // What one wrong server did is worth looking at.
        if servers.len() > 1 {
            context.clean_up();
        }
        if broken.is_none() {
            say!("{}", table.join("\n"));
            return Ok(false);
        }
    }
    say!("\nEach broke a promise:\n{}", table.join("\n"));
    Ok(true)
}

/// The first of the runs that breaks a promise, from 1 on, and which.
fn first_broken(trial: &Trial<'_>, options: &Options) -> anyhow::Result<Option<(u32, String)>> {
    for run in 1..=options.runs {
        let schedule = Schedule::draw(options.seed + u64::from(run) - 1, options.faults.into());
        let outcome = trial.run(&schedule, &format!("seed-{}", schedule.seed))?;
        say!("{outcome}");
        if let Some(violation) = outcome.violations.first() {
            say!("{}", report::broken(&outcome.violations));
            say!("the diagram: {}/diagram.svg", outcome.folder.display());
            return Ok(Some((run, format!("{}: {}", &violation.rule.promise[..2], violation.rule.name))));
        }
    }
    Ok(None)
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
    let stage = trial.context.stage.number;
    Ok(report::failure(stage, &shortest.0, &shortest.1, options.faults))
}
