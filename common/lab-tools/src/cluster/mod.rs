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
mod measure;
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
use lab::workspace::{Profile, Programs, build_with};
use std::time::Duration;

/// What `lab cluster` is to do.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    make cluster 7                       you in the client, bob and carol on other servers\n  \
    make cluster 7 ARGS=--kill           in another terminal: kill your server\n  \
    make cluster 7 ARGS=\"--kill 2\"       kill bob's\n  \
    make cluster 7 ARGS=--script         a scripted session in which two servers are killed\n  \
    make cluster 7 ARGS=--measure        how many messages three servers store, and how late they come")]
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
    /// Measure three servers, and one beside them, with optimised builds: stored messages a
    /// second, latency, and how often two servers want the same place in the log
    #[arg(long, conflicts_with_all = ["script", "kill"])]
    measure: bool,
    /// How long each of the four measurements takes
    #[arg(long, default_value_t = 10, requires = "measure", value_parser = clap::value_parser!(u16).range(1..=120))]
    seconds: u16,
    /// Measure builds without optimisation: the figures mean little, but nothing has to be built
    #[arg(long, requires = "measure")]
    dev: bool,
}

/// Returns an error if the stage knows no other servers.
///
/// # Errors
/// One sentence for the user.
pub fn check(stage: &Stage, options: &Options) -> Result<(), String> {
    match stage.number {
        8 if options.measure => Err("stage 7 is measured: stage 8 has the same log".to_owned()),
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
    if options.measure {
        let profile = if options.dev { Profile::Dev } else { Profile::Release };
        let context = build(stage, all, profile)?;
        measure::run(&context, Duration::from_secs(options.seconds.into()))?;
        context.clean_up();
        return Ok(());
    }
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
    RunContext::with(stage, programs(stage, all, profile)?)
}

/// As [`build`], without a folder to run in.
///
/// # Errors
/// When the build fails.
pub fn programs(stage: &Stage, all: &Registry, profile: Profile) -> anyhow::Result<Programs> {
    let admin = stage.admin();
    build_with(stage, all, profile, &admin.as_deref().into_iter().collect::<Vec<_>>())
}
