//! `lab cluster N`: three servers of stage 7 or 8 as one chat, with a private MariaDB
//! and Redis.
//!
//! ```text
//! you ──► balancer ──► server-1 ─┐
//!              bob ──► server-2 ─┼──► MariaDB, Redis
//!            carol ──► server-3 ─┘
//! ```
//!
//! On a terminal the user is in the client. From another terminal `--kill` asks this
//! process, through a [`control`] socket, to kill a server, and shows the logs.

mod control;
pub mod foreign;
mod logs;
mod script;
mod servers;
mod services;
mod terminal;

pub use servers::{Launch, Server};
pub use services::Services;

use clap::Args;
use lab::registry::{Registry, Stage};
use lab::run_context::RunContext;
use lab::terminal::has_no_part;
use lab::workspace::{Profile, build_with};

/// What `lab cluster` is to do.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    make cluster 7                       you in the client, bob and carol on other servers\n  \
    make cluster 7 ARGS=--kill           in another terminal: kill your server\n  \
    make cluster 7 ARGS=\"--kill 2\"       kill bob's\n  \
    make cluster 7 ARGS=--script         a scripted session in which two servers are killed")]
pub struct Options {
    /// The stage's number: 7 or 8
    pub stage: Option<String>,
    /// Play the scripted session even on a terminal
    #[arg(long, conflicts_with = "kill")]
    script: bool,
    /// Kill a server of the cluster that runs in another terminal, and show what happens:
    /// 1, 2 or 3; without a number the one that the balancer gave the last connection
    #[arg(long, value_name = "N", num_args = 0..=1, value_parser = clap::value_parser!(u8).range(1..=3))]
    kill: Option<Option<u8>>,
}

/// Returns an error if the stage knows no other servers.
///
/// # Errors
/// One sentence for the user.
pub fn check(stage: &Stage) -> Result<(), String> {
    match stage.number {
        7 | 8 => Ok(()),
        n => Err(format!("stage {n} has one server only; `make cluster` is for stages 7 and 8")),
    }
}

/// Does it.
///
/// # Errors
/// When something is not installed or does not start, when it does not happen what should,
/// or the run was interrupted.
pub fn run(stage: &Stage, all: &Registry, options: &Options) -> anyhow::Result<()> {
    if let Some(server) = options.kill {
        return control::kill(stage, server);
    }
    // Before the build, which takes longer than to find out.
    Services::check()?;
    let context = build(stage, all, Profile::Dev)?;
    match has_no_part(stage, options.script) {
        true => script::play(&context)?,
        false => terminal::run(&context)?,
    }
    context.clean_up();
    Ok(())
}

/// The stage's programs, those of the administrator too: it makes the tables.
///
/// # Errors
/// When the build fails.
pub fn build<'a>(stage: &'a Stage, all: &Registry, profile: Profile) -> anyhow::Result<RunContext<'a>> {
    let admin = stage.admin();
    let programs = build_with(stage, all, profile, &admin.as_deref().into_iter().collect::<Vec<_>>())?;
    RunContext::with(stage, programs)
}
