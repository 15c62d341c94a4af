//! `lab attack N`: runnable exploits of what each stage does not protect,
//! against its real programs.
//!
//! An attack is honest only when it could have succeeded: each has its way to
//! work in some stage, or in a control of its own, and the same code is run on
//! all stages. What comes of it is held against the table in the book.

mod attempt;
pub mod cancellation;
mod catalog;
pub mod client_process;
mod conversation;
mod exploits;
mod finding;
mod matrix;
mod mitm_proxy;
mod options;
mod protocol;
mod shared_key;
mod table;
mod target;

pub use options::Options;

use anyhow::bail;
use attempt::Attempt;
use cancellation::Cancellation;
use catalog::{ATTACKS, Attack};
use finding::Finding;
use lab::registry::{Registry, Stage};
use lab::say;
use lab::workspace::{Profile, Programs, build_with};
use target::ExternalServer;

/// What an attack came to, or why it could not be tried.
type Result = anyhow::Result<Finding>;

/// Lists the attacks.
pub fn list() {
    for attack in &ATTACKS {
        say!("{:<18} {}", attack.name, attack.tries);
    }
}

/// Runs one attack with all its evidence, or all of them with a line each.
///
/// # Errors
/// When something does not start, or an attack cannot be tried.
pub fn run(
    stage: &Stage,
    all: &Registry,
    attack: Option<&Attack>,
    target: Option<&ExternalServer>,
) -> anyhow::Result<()> {
    let programs = build(stage, all)?;
    let cancellation = Cancellation::watch()?;
    say!("stage {}, {}: {}", stage.number, stage.title, stage.teaches);
    match attack {
        Some(attack) => one(attack, stage, &programs, target, &cancellation),
        None => each(stage, &programs, target, &cancellation),
    }
}

/// Tries every attack on every stage, and prints the book's table; or writes it
/// there.
///
/// # Errors
/// When something does not start, or an attack cannot be tried.
pub fn table(all: &Registry, write: bool) -> anyhow::Result<()> {
    let built = all.stages.iter().map(|stage| Ok((stage, build(stage, all)?)));
    let built: Vec<(&Stage, Programs)> = built.collect::<anyhow::Result<_>>()?;
    let cancellation = Cancellation::watch()?;
    let table = table::render(all, &matrix::all(&built, &cancellation)?);
    if write {
        return table::write(&table);
    }
    say!("{}", table.trim_end());
    Ok(())
}

fn build(stage: &Stage, all: &Registry) -> anyhow::Result<Programs> {
    // The race is in a program that no other run of the stage needs.
    let more: &[&str] = if stage.number == 3 { &[exploits::race::EXPERIMENTS] } else { &[] };
    build_with(stage, all, Profile::Dev, more)
}

fn one(
    attack: &Attack,
    stage: &Stage,
    programs: &Programs,
    target: Option<&ExternalServer>,
    cancellation: &Cancellation,
) -> anyhow::Result<()> {
    say!("\nattack      {}\ntries       {}\n", attack.name, attack.tries);
    let finding = try_it(attack, stage, programs, target, cancellation, true)?;
    say!("\noutcome     {}: {}", finding.outcome, finding.why);
    match attack.ended_by {
        Some(stage) => say!("ended by    stage {stage}: {}", attack.how),
        None => say!("ended by    none: {}", attack.how),
    }
    Ok(())
}

fn each(
    stage: &Stage,
    programs: &Programs,
    target: Option<&ExternalServer>,
    cancellation: &Cancellation,
) -> anyhow::Result<()> {
    say!("");
    let mut untried = Vec::new();
    for attack in &ATTACKS {
        match try_it(attack, stage, programs, target, cancellation, false) {
            Ok(finding) => say!("{:<18} {:<14}  {}", attack.name, finding.outcome, finding.why),
            Err(error) => {
                cancellation.check()?;
                say!(
                    "{:<18} not tried       {}",
                    attack.name,
                    format!("{error:#}").lines().next().unwrap_or_default()
                );
                untried.push(attack.name);
            }
        }
    }
    say!("\nmake attack {} ARGS=NAME shows one of them in detail.", stage.number);
    if !untried.is_empty() && target.is_none() {
        bail!("some attacks could not be tried: {}", untried.join(", "));
    }
    Ok(())
}

/// Runs an attack; an error has the end of the server's log with it.
fn try_it(
    attack: &Attack,
    stage: &Stage,
    programs: &Programs,
    target: Option<&ExternalServer>,
    cancellation: &Cancellation,
    verbose: bool,
) -> Result {
    let attempt = Attempt::new(stage, programs, target, cancellation, verbose);
    let error = match (attack.run)(&attempt) {
        Ok(finding) => return Ok(finding),
        Err(error) => error.context(format!("{} on stage {} could not be tried", attack.name, stage.number)),
    };
    // A signal is no failure of the server's.
    cancellation.check()?;
    match attempt.log_end() {
        log if log.is_empty() => Err(error),
        log => bail!("{error:#}\n{log}"),
    }
}
