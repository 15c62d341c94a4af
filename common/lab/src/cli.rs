//! The command line.

use crate::failure::{Failure, exit_code};
use crate::process::{become_program, leash};
use crate::progress::wanted_part;
use crate::registry::{Registry, Stage};
use crate::say;
use crate::workspace::{Profile, build_tools, build_with, cargo, without_the_users_settings};
use crate::{check_run, doctor, script, terminal, test_run};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
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
        lab run 4 --net delay=100ms        over a slow network\n  \
        lab server 4 -- --rate 5           the server alone, with its own options\n  \
        lab check 4                        the graded checks of stage 4\n  \
        lab check 4 room                   those up to its part room\n  \
        lab wire 4 --script                every byte of a scripted session\n  \
        lab diff 4 6                       what changes from stage 4 to stage 6\n\n\
        As make targets: make run-stage 4, make server 4 ARGS=\"--rate 5\"; `make help` lists them all."
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
        /// Let clients come over a slower network: delay=100ms, rate=2k (bytes a second) or
        /// bytes (one by one), or several with commas between
        #[arg(long, value_name = "WHAT")]
        net: Option<String>,
    },
    /// Run a stage's server alone
    Server(Alone),
    /// Run a stage's client alone
    Client(Alone),
    /// Accounts, roles and tables of a stage that has a database
    Admin(Alone),
    /// Run the tests of all stages, and say at the end which requirements failed
    Test {
        /// Options passed on to cargo
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run the graded checks of one stage, or those up to one of its parts
    Check {
        /// The stage's number
        stage: Option<String>,
        /// A part: earlier parts are checked with it, later ones are not asked for
        part: Option<String>,
        /// Options passed on
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// In a working copy: say which part is under way, and which check is next
    Next,
    /// In a working copy: give a hint for a check, each time a step further
    Hint {
        /// The check's name; without one, the first check that fails
        check: Option<String>,
    },
    /// Say what is missing on this machine, and the command that installs it
    Doctor,
    /// List the stages
    Stages,
    /// Run a stage with a tap between client and server, and show the bytes that pass
    Wire(PassedOn),
    /// Run the graded checks of one stage again at each save
    Watch(PassedOn),
    /// Load a stage's server and measure
    Load(PassedOn),
    /// Try to break a stage: eavesdrop, change, replay, guess, flood
    Attack(PassedOn),
    /// Write scripts that hold for right servers and fail for wrong ones
    Hunt(PassedOn),
    /// Run three servers of stage 7 or 8 as one chat
    Cluster(PassedOn),
    /// Break a cluster by faults drawn from a seed, and check what its users see
    Chaos(PassedOn),
    /// Grade a submission, or a folder of them
    Grade(PassedOn),
    /// Show the difference between two stages, and why it is so
    Diff(PassedOn),
    /// Make a copy of the course to work in, in which a stage is yet to be written
    Start(PassedOn),
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

/// A command of `lab-tools`, which parses its own words, `--help` among them.
#[derive(Args)]
#[command(disable_help_flag = true)]
struct PassedOn {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Runs the command line.
pub fn main() -> ExitCode {
    exit_code(task(Cli::parse().command))
}

fn task(task: Task) -> Result<(), Failure> {
    let all = Registry::load();
    let find = |number: Option<String>| all.stage(number.as_deref()).map_err(Failure::Usage);
    match task {
        Task::Run { stage, script, net: None } => Ok(run(find(stage)?, &all, script)?),
        Task::Run { stage, script, net: Some(net) } => {
            let number = find(stage)?.number.to_string();
            let args = [&number, "--quiet", "--net", &net].into_iter().chain(script.then_some("--script"));
            Err(become_tool("wire", &args.map(OsString::from).collect::<Vec<_>>()))
        }
        Task::Server(Alone { stage, args }) => {
            let stage = find(stage)?;
            become_one(stage, &all, &stage.server(), &args)
        }
        Task::Client(Alone { stage, args }) => {
            let stage = find(stage)?;
            become_one(stage, &all, &stage.client(), &args)
        }
        Task::Admin(Alone { stage, args }) => {
            let stage = find(stage)?;
            let none = || Failure::Usage(format!("stage {} has no database to administrate", stage.number));
            become_one(stage, &all, &stage.admin().ok_or_else(none)?, &args)
        }
        Task::Test { args } => Ok(test_run::run(&all, &args)?),
        Task::Check { stage, part, args } => {
            let stage = find(stage)?;
            match wanted_part(stage, part.as_deref(), &args, &all)? {
                Some(part) => check_run::check(stage, part)?.then_some(()).ok_or(Failure::Reported),
                None => {
                    let mut command = cargo();
                    command.args(["test", "-p", &stage.package, "--test", "checks", "--"]).args(&args);
                    without_the_users_settings(&mut command);
                    // A name that no check has is an error here. When the tests of all stages
                    // run, it is none.
                    command.env("CHECK_NAMED", "1");
                    Err(become_program(command).into())
                }
            }
        }
        Task::Next => Ok(check_run::next(&all)?),
        Task::Hint { check } => Ok(check_run::hint(&all, check.as_deref())?),
        Task::Doctor => doctor::run().then_some(()).ok_or(Failure::Reported),
        Task::Stages => {
            for stage in &all.stages {
                say!("{}  {:<10} {}", stage.number, stage.title, stage.teaches);
            }
            Ok(())
        }
        Task::Wire(PassedOn { args }) => Err(become_tool("wire", &args)),
        Task::Watch(PassedOn { args }) => Err(become_tool("watch", &args)),
        Task::Load(PassedOn { args }) => Err(become_tool("load", &args)),
        Task::Attack(PassedOn { args }) => Err(become_tool("attack", &args)),
        Task::Hunt(PassedOn { args }) => Err(become_tool("hunt", &args)),
        Task::Cluster(PassedOn { args }) => Err(become_tool("cluster", &args)),
        Task::Chaos(PassedOn { args }) => Err(become_tool("chaos", &args)),
        Task::Grade(PassedOn { args }) => Err(become_tool("grade", &args)),
        Task::Diff(PassedOn { args }) => Err(become_tool("diff", &args)),
        Task::Start(PassedOn { args }) => Err(become_tool("start", &args)),
        Task::Leash { parent, program, args } => Err(leash(parent, &program, &args).into()),
    }
}

/// Builds `lab-tools`, where that is not done yet, and becomes it. Returns only
/// when that failed.
fn become_tool(name: &str, args: &[OsString]) -> Failure {
    match build_tools() {
        Ok(tools) => {
            let mut command = Command::new(tools);
            command.arg(name).args(args);
            become_program(command).into()
        }
        Err(error) => error.into(),
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
fn become_one(stage: &Stage, all: &Registry, program: &str, args: &[String]) -> Result<(), Failure> {
    // The server may name its administrator's program as the way out: it is to be there.
    let admin = stage.admin();
    let more: Vec<&str> = std::iter::once(program).chain(admin.as_deref()).collect();
    let programs = build_with(stage, all, Profile::Dev, &more)?;
    let here = std::env::current_dir().map_err(anyhow::Error::new)?;
    programs.prepare(stage, &here, args)?;
    let mut command = Command::new(programs.path(program)?);
    command.args(args);
    // The option wins over the variable, and the user's own over ours.
    if let Some(database) = &stage.database
        && std::env::var_os("CHAT_DB").is_none()
    {
        command.env("CHAT_DB", format!("sqlite:{database}"));
    }
    Err(become_program(command).into())
}
