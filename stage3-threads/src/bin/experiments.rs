//! `stage3-experiments NAME`: one small, self-explaining experiment with threads.

use clap::{CommandFactory, Parser, Subcommand};
use stage3_threads::experiments::{corruption, deadlock, lifecycle, login, parallelism, race, side_channel};
use std::io::{self, Write};
use std::process::ExitCode;

/// Small experiments with threads: each says what it does, what happened, and why.
#[derive(Debug, Parser)]
#[command(name = "stage3-experiments", version)]
struct Arguments {
    /// List the experiments and end
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    experiment: Option<Experiment>,
}

#[derive(Debug, Subcommand)]
enum Experiment {
    /// The states of a thread: new, runnable, running, blocked, terminated
    Lifecycle(lifecycle::Options),
    /// Concurrency against parallelism, timed
    Parallelism(parallelism::Options),
    /// Lost updates, then the same work with a lock and with an atomic
    Race(race::Options),
    /// Two locks in opposite order, noticed and reported, then the cure
    Deadlock(deadlock::Options),
    /// An invariant over two fields, broken between two locks
    Corruption(corruption::Options),
    /// A comparison that stops at the first difference, and one that does not
    SideChannel(side_channel::Options),
    /// Threads that log in at once: alice succeeds, bob has the wrong password
    Login(login::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let out = &mut io::stdout().lock();
    let result = match arguments.experiment {
        Some(experiment) if !arguments.list => run(out, &experiment),
        _ => list(out),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has closed the pipe (`| head`). That is not an error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed as well, there is nothing left to do.
            writeln!(
                io::stderr(),
                "error: the experiment could not be run to its end: {error}\n\
                 is standard output writable, and may you start more threads (ulimit -u)?"
            )
            .ok();
            ExitCode::FAILURE
        }
    }
}

fn run(out: &mut impl Write, experiment: &Experiment) -> io::Result<()> {
    match experiment {
        Experiment::Lifecycle(options) => lifecycle::run(out, options).map(drop),
        Experiment::Parallelism(options) => parallelism::run(out, options).map(drop),
        Experiment::Race(options) => race::run(out, options).map(drop),
        Experiment::Deadlock(options) => deadlock::run(out, options).map(drop),
        Experiment::Corruption(options) => corruption::run(out, options).map(drop),
        Experiment::SideChannel(options) => side_channel::run(out, options).map(drop),
        Experiment::Login(options) => login::run(out, options).map(drop),
    }?;
    out.flush()
}

/// From the definitions above, so that the list cannot be out of date.
fn list(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "stage3-experiments NAME [OPTIONS], where NAME is one of:")?;
    for experiment in Arguments::command().get_subcommands() {
        let about = experiment.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(out, "  {:<14}{about}", experiment.get_name())?;
    }
    writeln!(out, "Options of one: stage3-experiments NAME --help")
}
