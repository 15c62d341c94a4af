//! The command line. `lab` passes its own on, so the names and the help here are
//! those of `lab`.

use crate::{attack, chaos, cluster, diff, grade, hunt, load, start, watch, wire};
use clap::{Args, Parser, Subcommand};
use lab::failure::{Failure, exit_code};
use lab::process::leash;
use lab::progress::wanted_part;
use lab::registry::Registry;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "lab", bin_name = "lab", version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run a stage with a tap between client and server, and show the bytes that pass
    Wire(wire::Options),
    /// Run the graded checks of one stage again at each save
    Watch(Watched),
    /// Load a stage's server and measure
    Load(load::Options),
    /// Try to break a stage: eavesdrop, change, replay, guess, flood
    Attack(attack::Options),
    /// Write scripts that hold for right servers and fail for wrong ones
    Hunt(hunt::Options),
    /// Run three servers of stage 7 or 8 as one chat
    Cluster(cluster::Options),
    /// Break a cluster by faults drawn from a seed, and check what its users see
    Chaos(chaos::Options),
    /// Grade a submission, or a folder of them
    Grade(Box<grade::Options>),
    /// Show the difference between two stages, and why it is so
    Diff(diff::Options),
    /// Make a copy of the course to work in, in which a stage is yet to be written
    Start {
        /// The stage's number
        stage: Option<String>,
        /// A part of it; the other parts are there in full
        part: Option<String>,
        /// Where to put it [default: work/stageN, or work/stageN-PART]
        folder: Option<PathBuf>,
    },
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
struct Watched {
    /// The stage's number
    stage: Option<String>,
    /// A part: later ones are not asked for
    part: Option<String>,
    /// Options passed on to the checks
    #[arg(last = true)]
    args: Vec<String>,
}

/// Runs the command line.
pub fn main() -> ExitCode {
    exit_code(task(Cli::parse().command))
}

fn task(task: Task) -> Result<(), Failure> {
    let all = Registry::load();
    let find = |number: Option<String>| all.stage(number.as_deref()).map_err(Failure::Usage);
    match task {
        Task::Wire(options) => Ok(wire::run(find(options.stage.clone())?, &all, &options)?),
        Task::Watch(Watched { stage, part, args }) => {
            let stage = find(stage)?;
            let part = wanted_part(stage, part.as_deref(), &args, &all)?;
            Ok(watch::run(stage, part, &all, &args)?)
        }
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
        Task::Hunt(options) => {
            let stage = find(options.stage.clone())?;
            hunt::Options::fit(stage).map_err(Failure::Usage)?;
            if hunt::run(stage, &options)? { Ok(()) } else { Err(Failure::Reported) }
        }
        Task::Cluster(options) => {
            let stage = find(options.stage.clone())?;
            cluster::check(stage, &options).map_err(Failure::Usage)?;
            Ok(cluster::run(stage, &all, &options)?)
        }
        Task::Chaos(options) => {
            let stage = find(options.stage.clone())?;
            chaos::check(stage, &options).map_err(Failure::Usage)?;
            if chaos::run(stage, &all, &options)? { Ok(()) } else { Err(Failure::Reported) }
        }
        Task::Grade(options) => match grade::run(&all, &options)? {
            true => Ok(()),
            false => Err(Failure::Reported),
        },
        Task::Supervise => Ok(grade::supervisor::supervise()?),
        Task::Diff(options) => {
            let compared = diff::compared(&all, &options).map_err(Failure::Usage)?;
            Ok(diff::run(&compared, &all, &options)?)
        }
        Task::Start { stage, part, folder } => {
            let stage = find(stage)?;
            // A folder may stand alone; what is called like a part is one.
            let is_part = |name: &str| all.stages.iter().flat_map(|s| &s.parts).any(|p| p.name == name);
            let (part, folder) = match part {
                Some(word) if folder.is_none() && !is_part(&word) => (None, Some(PathBuf::from(word))),
                part => (part, folder),
            };
            let part = part.map(|name| all.part(stage, &name)).transpose().map_err(Failure::Usage)?;
            Ok(start::run(stage, part, &all, folder.as_deref())?)
        }
        Task::Leash { parent, program, args } => Err(leash(parent, &program, &args).into()),
    }
}
