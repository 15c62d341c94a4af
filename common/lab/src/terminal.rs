//! `lab run N` on a terminal: a server, a classmate, and you in the client.

use crate::classmate;
use crate::output::{WIDTH, wrapped};
use crate::process::Program;
use crate::registry::{Registry, Stage};
use crate::run_context::{DATABASE, END_SIGNALS, Interrupted, LOG, Route, RunContext, straight};
use crate::say;
use crate::workspace::Profile;
use anyhow::{Context, bail};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use signal_hook::consts::SIGCHLD;
use signal_hook::iterator::Signals;
use std::io::{IsTerminal, stdin, stdout};

/// Starts all that the stage needs, and the client on the terminal; returns
/// when the client has ended and with it everything else.
///
/// # Errors
/// When something does not start, the client fails, or [`Interrupted`].
pub fn run(stage: &Stage, all: &Registry) -> anyhow::Result<()> {
    run_in(&RunContext::build(stage, all, Profile::Dev)?, &straight)
}

/// Returns `true` if a run is to be the scripted session: it was asked for, there is no
/// terminal, or the stage has no classmate, so that there is nothing to type. (On a
/// terminal the user is told then what to look at.)
pub fn has_no_part(stage: &Stage, script: bool) -> bool {
    let on_terminal = stdin().is_terminal() && stdout().is_terminal();
    let scripted = script || !on_terminal || stage.classmate.is_none();
    if scripted && on_terminal {
        say!("{}\n", stage.first_words.trim());
    }
    scripted
}

/// As [`run`], where the run context exists already, with clients that come by `route`.
///
/// # Errors
/// As [`run`].
pub fn run_in(context: &RunContext<'_>, route: Route<'_>) -> anyhow::Result<()> {
    let stage = context.stage;
    let mut signals = watch_signals()?;

    say!("{}\n", headline(stage));
    let (mut server, address) = start_server(context)?;
    say!("server      listens on {address}\nlog         {}", context.file_name(LOG));
    if stage.database.is_some() {
        say!("database    {}   (sqlite3 opens it)", context.file_name(DATABASE));
    }
    let classmate = match &stage.classmate {
        Some(role) => Some(classmate::join(role, context, &route(&role.name, &address)?)?),
        None => None,
    };
    say!("more users  {}", command_for_more(context, &route("guest", &address)?));
    say!("\n{}\n", stage.first_words.trim());

    let ended = run_client(context, &route("you", &address)?, &mut signals);
    drop(classmate);
    // A server that has crashed shows it here, whichever of its clients noticed
    // first; one that still runs is to end in good order.
    let good = server.end().is_some_and(|status| status.success());
    ended?;
    if !good {
        bail!("the server did not end in good order; {}", context.log_end());
    }
    say!("\nStage {} has ended; the server's log is in {}", stage.number, context.file_name(LOG));
    if stage.database.is_some() {
        say!("Its database is in {}", context.file_name(DATABASE));
    }
    Ok(())
}

/// From here on a signal ends us the orderly way. Not before: while cargo builds,
/// Ctrl-C is to end cargo and us at once.
///
/// # Errors
/// When the system does not let us wait for signals.
pub fn watch_signals() -> anyhow::Result<Signals> {
    let mut watched = END_SIGNALS.to_vec();
    watched.push(SIGCHLD);
    Signals::new(watched).context("cannot wait for signals")
}

/// Runs the client on the terminal until it ends, or until a signal of `signals`, made by
/// [`watch_signals`], ends both.
///
/// # Errors
/// When the client does not start or fails, or [`Interrupted`].
pub fn run_client(context: &RunContext<'_>, address: &str, signals: &mut Signals) -> anyhow::Result<()> {
    let before = tcgetattr(stdin()).ok();
    let ended = wait(context.client_on_terminal(address)?, signals);
    // A client that was ended by a signal may have left the terminal without
    // echo and without line editing.
    if let Some(before) = before {
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &before);
    }
    ended
}

/// What the stage is about, in rows that fit on any terminal.
fn headline(stage: &Stage) -> String {
    wrapped(&format!("Stage {}, {}: {}", stage.number, stage.title, stage.teaches), WIDTH).join("\n")
}

/// What adds a client to this run, from another terminal: its port may be another than usual, and its
/// key or its authority is the one in the run's own folder.
pub fn command_for_more(context: &RunContext<'_>, address: &str) -> String {
    let stage = context.stage;
    let mut args = Vec::new();
    if !address.ends_with(&format!(":{}", stage.default_port())) {
        args.push(format!("--connect {address}"));
    }
    let prepared = stage.prepare.iter().map(|p| (&p.client_option, &p.creates));
    let files = prepared.chain(stage.server_makes.iter().map(|made| (&made.client_option, &made.file)));
    args.extend(files.map(|(option, file)| format!("{option} {}", context.file_name(file))));
    match args.is_empty() {
        true => format!("make client {}", stage.number),
        false => format!("make client {} ARGS=\"{}\"", stage.number, args.join(" ")),
    }
}

/// Waits for the client's end, or for a signal, which ends the client too.
fn wait(mut client: Program, signals: &mut Signals) -> anyhow::Result<()> {
    loop {
        // First, since the child may have ended before we began to wait.
        if let Some(status) = client.ended() {
            match status.success() {
                true => return Ok(()),
                false => bail!("the client failed: {status}"),
            }
        }
        for signal in signals.wait() {
            if END_SIGNALS.contains(&signal) {
                bail!(Interrupted(signal));
            }
        }
    }
}

/// The server, on the stage's own port or, where that is taken, on a free one.
fn start_server(context: &RunContext<'_>) -> anyhow::Result<(Program, String)> {
    let port = context.stage.default_port();
    if let Ok(started) = context.listening_server(&format!("127.0.0.1:{port}"), &[]) {
        return Ok(started);
    }
    // Not "if the port is taken": whoever looks at a port before or after using
    // it may see another state than the server did. If it was something else,
    // the server says so again.
    let started = context.listening_server("127.0.0.1:0", &[])?;
    say!("port {port}   could not be had, so a free one it is");
    Ok(started)
}

#[test]
fn what_is_said_of_a_stage_fits_on_a_terminal() {
    for stage in Registry::load().stages {
        for row in headline(&stage).lines().chain(stage.first_words.lines()) {
            assert!(row.chars().count() <= WIDTH, "stage {}: {row}", stage.number);
        }
    }
}
