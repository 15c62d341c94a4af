//! The command line.

use crate::attack;
use crate::diff;
use crate::doctor;
use crate::grade;
use crate::load;
use crate::output::say;
use crate::process::{become_program, leash};
use crate::registry::{Registry, Stage};
use crate::run_context::Interrupted;
use crate::workspace::{Profile, build, cargo};
use crate::{script, start, terminal, watch, wire};
use clap::{Args, Parser, Subcommand};
use common::cli::print_error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

#[derive(Parser)]
#[command(
    name = "lab",
    version,
    about = "The course's own tool: runs, checks and measures the stages",
    after_help = "Examples:\n  \
        lab run 4                          be in a chat room\n  \
        lab run 4 < /dev/null              watch a scripted session\n  \
        lab wire 4 --script                every byte of a scripted session\n  \
        lab server 4 -- --rate 5           the server alone, with its own options\n  \
        lab client 4 -- --connect [::1]:9004\n  \
        lab check 4                        the graded checks of stage 4\n  \
        lab load 4 --clients 200 --rate 500\n  \
        lab attack 5                       what stage 5 does not protect, tried out\n  \
        lab grade --batch submissions --csv grades.csv\n  \
        lab diff 4                         what stage 4 changes, and why\n  \
        lab diff 4 6 --html step.html      a page, side by side\n  \
        lab start 4                        a copy in work/stage4, to write stage 4 in\n  \
        lab watch 4                        the checks again at each save\n  \
        lab watch 4 -- history             those with this in their name\n\n\
        `make help` lists the same as make targets."
)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run a stage: on a terminal with you in the client, else a scripted session
    Run {
        /// The stage's number
        stage: Option<String>,
        /// Play the scripted session even on a terminal
        #[arg(long)]
        script: bool,
    },
    /// Run a stage with a tap between client and server, and show the bytes that pass
    Wire(wire::Options),
    /// Run a stage's server alone
    Server(Alone),
    /// Run a stage's client alone
    Client(Alone),
    /// Run the graded checks of one stage
    Check(Alone),
    /// Run the graded checks of one stage again at each save
    Watch(Alone),
    /// Load a stage's server and measure
    Load(load::Options),
    /// Try to break a stage: eavesdrop, change, replay, guess, flood
    Attack(attack::Options),
    /// Grade a submission, or a folder of them
    Grade(Box<grade::Options>),
    /// Show the difference between two stages, and why it is so
    Diff(diff::Options),
    /// Make a copy of the course to work in, in which a stage is yet to be written
    Start {
        /// The stage's number
        stage: Option<String>,
        /// Where to put it; work/stageN if not said
        folder: Option<PathBuf>,
    },
    /// Say what is missing on this machine, and the command that mends it
    Doctor,
    /// List the stages
    Stages,
    #[command(hide = true)]
    Supervise,
    #[command(hide = true)]
    Leash {
        parent: u32,
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

#[derive(Args)]
struct Alone {
    /// The stage's number
    stage: Option<String>,
    /// Options passed on
    #[arg(last = true)]
    args: Vec<String>,
}

/// Why a task came to no good end.
enum Failure {
    /// Exit code 2, one line.
    Usage(String),
    /// Exit code 1, or the signal.
    Other(anyhow::Error),
    /// Exit code 1; everything was said already.
    Said,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Other(error)
    }
}

/// Runs the command line.
pub fn main() -> ExitCode {
    match task(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(why)) => {
            print_error(format_args!("error: {why}"));
            ExitCode::from(2)
        }
        Err(Failure::Said) => ExitCode::FAILURE,
        Err(Failure::Other(error)) => {
            if let Some(Interrupted(signal)) = error.downcast_ref() {
                // Everything is cleaned up by now. Whoever waits for us is to
                // see that it was this signal.
                let _ = signal_hook::low_level::emulate_default_handler(*signal);
            }
            print_error(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn task(task: Task) -> Result<(), Failure> {
    let all = Registry::load();
    let find = |number: Option<String>| all.stage(number.as_deref()).map_err(Failure::Usage);
    match task {
        Task::Run { stage, script } => Ok(run(find(stage)?, &all, script)?),
        Task::Wire(options) => Ok(wire::run(find(options.stage.clone())?, &all, &options)?),
        Task::Server(alone) => become_server_or_client(find(alone.stage)?, &all, Stage::server, &alone.args),
        Task::Client(alone) => become_server_or_client(find(alone.stage)?, &all, Stage::client, &alone.args),
        Task::Check(alone) => {
            let stage = find(alone.stage)?;
            let mut command = cargo();
            command.args(["test", "-p", &stage.package, "--test", "checks", "--"]).args(&alone.args);
            Err(become_program(command).into())
        }
        Task::Watch(alone) => Ok(watch::run(find(alone.stage)?, &all, &alone.args)?),
        Task::Load(options) => {
            let stage = find(options.stage.clone())?;
            options.check(stage).map_err(Failure::Usage)?;
            Ok(load::run(stage, &all, &options)?)
        }
        Task::Attack(options) if options.list => {
            attack::list();
            Ok(())
        }
        Task::Attack(options) if options.table => Ok(attack::table(&all, options.write)?),
        Task::Attack(options) => {
            let stage = find(options.stage.clone())?;
            let attack = options.attack().map_err(Failure::Usage)?;
            let target = options.target(stage).map_err(Failure::Usage)?;
            Ok(attack::run(stage, &all, attack, target.as_ref())?)
        }
        Task::Grade(options) => match grade::run(&all, &options) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Said),
            Err(grade::Failure::Usage(why)) => Err(Failure::Usage(why)),
            Err(grade::Failure::Other(error)) => Err(Failure::Other(error)),
        },
        Task::Supervise => Ok(grade::supervisor::supervise()?),
        Task::Diff(options) => {
            let (from, to) = diff::two_stages(&all, &options).map_err(Failure::Usage)?;
            Ok(diff::run(from, to, &all, &options)?)
        }
        Task::Start { stage, folder } => Ok(start::run(find(stage)?, &all, folder.as_deref())?),
        Task::Doctor => doctor::run().then_some(()).ok_or(Failure::Said),
        Task::Stages => {
            for stage in &all.stages {
                say!("{}  {:<10} {}", stage.number, stage.title, stage.teaches);
            }
            Ok(())
        }
        Task::Leash { parent, program, args } => Err(leash(parent, &program, &args).into()),
    }
}

fn run(stage: &Stage, all: &Registry, script: bool) -> anyhow::Result<()> {
    match terminal::has_no_part(stage, script) {
        true => script::play(stage, all),
        false => terminal::run(stage, all),
    }
}

/// Builds the stage and becomes one of its programs, in the folder where we
/// were started: paths among `args` are meant from there.
fn become_server_or_client(
    stage: &Stage,
    all: &Registry,
    which: fn(&Stage) -> String,
    args: &[String],
) -> Result<(), Failure> {
    let programs = build(stage, all, Profile::Dev)?;
    let here = std::env::current_dir().map_err(anyhow::Error::new)?;
    programs.prepare(stage, &here, args)?;
    let mut command = Command::new(programs.path(&which(stage))?);
    command.args(args);
    Err(become_program(command).into())
}
