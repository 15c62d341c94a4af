//! The terminal's settings: without echo while a client runs, and as they were
//! before on every way out of it.
//!
//! Why without echo: rustyline turns it off only while it reads a line. What is
//! typed between two lines would be shown by the kernel, in the middle of other
//! text, and a password typed a moment too early would be shown as well. So it is
//! off from the beginning, and so is the kernel's own line editing.
//!
//! A program can end in ways that no destructor sees. Each of them restores the
//! settings first, or the shell would be without echo: a signal (a thread waits
//! for it), a panic (a hook), [`exit`](std::process::exit) (see `Screen::exit`).

use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Once, OnceLock};
use std::thread;
use std::time::Duration;

/// The terminal, and its settings from before the first change. Written once.
static BEFORE: OnceLock<(File, Termios)> = OnceLock::new();

/// The terminal that the user sits at: also when standard input is a pipe.
///
/// # Errors
/// When there is no terminal.
pub(super) fn open() -> io::Result<File> {
    match OpenOptions::new().read(true).write(true).open("/dev/tty") {
        Err(_) if io::stdin().is_terminal() => Ok(io::stdin().as_fd().try_clone_to_owned()?.into()),
        opened => opened,
    }
}

/// How many [`Quiet`]s there are.
static QUIET: AtomicUsize = AtomicUsize::new(0);

/// The terminal is without echo as long as one of these lives.
pub(super) struct Quiet(());

impl Quiet {
    /// # Errors
    /// When there is no terminal, or it does not let itself be changed.
    pub fn begin() -> io::Result<Self> {
        let (tty, before) = match BEFORE.get() {
            Some(known) => known,
            None => {
                let tty = open()?;
                let settings = tcgetattr(&tty)?;
                BEFORE.get_or_init(|| (tty, settings))
            }
        };
        set(tty, &quiet(before))?;
        QUIET.fetch_add(1, Ordering::Relaxed);
        Ok(Quiet(()))
    }

    /// Does `work` with the terminal as it was: rustyline, which changes the settings
    /// itself, sets back those that it has found when Ctrl-Z suspends the program.
    /// Not every shell has settings of its own.
    pub fn lifted<R>(&self, work: impl FnOnce() -> R) -> R {
        restore();
        let result = work();
        if let Some((tty, before)) = BEFORE.get() {
            let _ = set(tty, &quiet(before));
        }
        result
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if QUIET.fetch_sub(1, Ordering::Relaxed) == 1 {
            restore();
        }
    }
}

/// No echo, and each key at once. Ctrl-C and Ctrl-Z still are signals.
fn quiet(before: &Termios) -> Termios {
    let mut settings = before.clone();
    settings.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN;
    settings.special_codes[SpecialCodeIndex::VMIN] = 1;
    settings.special_codes[SpecialCodeIndex::VTIME] = 0;
    settings
}

/// While a key is waited for, Ctrl-C and Ctrl-Z are keys like any other. When a
/// client waits for its server they are signals: it does not read keys then.
pub(super) fn keys_are_signals(tty: &File, signals: bool) -> io::Result<()> {
    let mut settings = tcgetattr(tty)?;
    settings.local_modes.set(LocalModes::ISIG, signals);
    set(tty, &settings)
}

fn set(tty: &File, settings: &Termios) -> io::Result<()> {
    Ok(tcsetattr(tty, OptionalActions::Drain, settings)?)
}

/// Sets the terminal as it was first. Nothing happens where it was not changed.
pub(super) fn restore() {
    if let Some((tty, before)) = BEFORE.get() {
        // A terminal that has gone (SIGHUP) needs none.
        let _ = set(tty, before);
    }
}

/// Throws away what was typed and not read yet.
pub(super) fn discard_input() {
    if let Some((tty, _)) = BEFORE.get() {
        let _ = tcflush(tty, QueueSelector::IFlush);
    }
}

/// Stops the program as Ctrl-Z does, with the terminal as it was, and returns
/// when it goes on (`fg`).
pub(super) fn suspend(tty: &File) -> io::Result<()> {
    let now = tcgetattr(tty)?;
    restore();
    // The whole group, so that the shell gets the terminal back from `make`, too.
    rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)?;
    // The signal may go to another of our threads, and stop us a moment later.
    // The settings must not be changed before that.
    thread::sleep(Duration::from_millis(50));
    set(tty, &now)
}

/// From now on a signal that ends the program, and a panic in any of its threads,
/// restore the terminal first. For programs that do not handle these signals in
/// another way.
///
/// # Errors
/// When the handler or its thread cannot be set up.
pub(super) fn restore_on_every_way_out() -> io::Result<()> {
    static ONCE: Once = Once::new();
    let mut result = Ok(());
    ONCE.call_once(|| result = install());
    result
}

fn install() -> io::Result<()> {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        report(panic);
        // Without one of its threads, a client is of no use.
        std::process::exit(101);
    }));
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            restore();
            let _ = io::stdout().write_all(b"\n").and_then(|()| io::stdout().flush());
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}
