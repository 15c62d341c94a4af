//! `lab run N` on a terminal: a server, a classmate, and you in the client.

use crate::classmate;
use crate::output::say;
use crate::process::Program;
use crate::registry::{Registry, Stage};
use crate::scene::{END_SIGNALS, Interrupted, Scene};
use crate::workspace::Profile;
use anyhow::{Context, bail};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use signal_hook::consts::SIGCHLD;
use signal_hook::iterator::Signals;
use std::io::stdin;
use std::net::{Ipv4Addr, TcpListener};

/// Starts all that the stage needs, and the client on the terminal; returns
/// when the client has ended and with it everything else.
///
/// # Errors
/// When something does not start, the client fails, or [`Interrupted`].
pub fn run(stage: &Stage, all: &Registry) -> anyhow::Result<()> {
    let scene = Scene::build(stage, all, Profile::Dev)?;
    // From here on a signal ends us the orderly way. Not before: while cargo
    // builds, Ctrl-C is to end cargo and us at once.
    let mut watched = END_SIGNALS.to_vec();
    watched.push(SIGCHLD);
    let mut signals = Signals::new(watched).context("cannot wait for signals")?;

    say!("Stage {}, {}: {}\n", stage.number, stage.title, stage.teaches);
    let (mut server, address) = scene.listening_server(&free_address(stage), &[])?;
    say!("server      listens on {address}; its log is in {}", scene.log_name());
    // Declared after the server, so dropped, and ended, before it: it leaves
    // a room that is still there.
    let _classmate = match &stage.classmate {
        Some(role) => Some(classmate::join(role, &scene, &address)?),
        None => None,
    };
    let connect = match address.ends_with(&format!(":{}", stage.default_port())) {
        true => String::new(),
        false => format!(" ARGS=\"--connect {address}\""),
    };
    say!("more        make client {}{connect}   in another terminal", stage.number);
    say!("\n{}\n", stage.first_words.trim());

    let before = tcgetattr(stdin()).ok();
    let ended = wait(scene.client_on_terminal(&address)?, &mut signals);
    // A client that was ended by a signal may have left the terminal without
    // echo and without line editing.
    if let Some(before) = before {
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &before);
    }
    if server.ended().is_some() {
        say!("{}", scene.log_end());
        ended?;
        bail!("the server ended before its client");
    }
    say!("\nStage {} has ended; the server's log is in {}", stage.number, scene.log_name());
    ended
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

/// The stage's own port, or any free one where that is taken.
fn free_address(stage: &Stage) -> String {
    let port = stage.default_port();
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => format!("127.0.0.1:{port}"),
        Err(cause) => {
            say!("port {port}   cannot be had ({cause}); taking a free one");
            "127.0.0.1:0".to_owned()
        }
    }
}
