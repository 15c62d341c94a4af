//! Programs that we start, and their certain end.
//!
//! Three things can end us, and none may leave a server behind: our own code
//! (also by a panic) ends them by dropping [`Program`]; a signal is turned into
//! that; and where we get no word in, as with SIGKILL, the kernel does it: each
//! program runs on a [leash].

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, getppid, kill_process, kill_process_group};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// A server may take five seconds for its orderly end; then it is killed.
const GRACE: Duration = Duration::from_secs(6);

/// How often an end is looked for. Nothing in the standard library waits for a
/// child with a time limit.
const GLANCE: Duration = Duration::from_millis(10);

/// Whether a program gets the keyboard's signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessGroup {
    /// In our own process group: it may read the terminal, and Ctrl-C is its.
    Foreground,
    /// In a group of its own: Ctrl-C is not meant for it, we end it.
    Background,
}

/// A running program. Dropping it ends it: SIGTERM, then, for one that does not
/// listen, SIGKILL.
pub struct Program {
    child: Child,
    group: ProcessGroup,
}

/// A command that runs `program` on a leash: when we are gone, whatever the
/// reason, it gets a SIGTERM.
///
/// The kernel sends it when the *thread* that started the program ends, so this
/// may be spawned only by a thread that outlives the program.
///
/// # Errors
/// When our own executable cannot be found.
pub fn leashed(program: &Path) -> anyhow::Result<Command> {
    let lab = std::env::current_exe().context("cannot find lab's own executable")?;
    let mut command = Command::new(lab);
    command.arg("leash").arg(std::process::id().to_string()).arg(program);
    Ok(command)
}

/// The other end of [`leashed`]: ties this process to its parent and becomes
/// the program. (Between fork and exec, where this is done usually, hardly
/// anything is safe; after an exec of ourselves everything is.) Returns only
/// when that failed.
pub fn leash(parent: u32, program: &Path, args: &[String]) -> anyhow::Error {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::TERM)) {
        return anyhow::Error::new(error).context("cannot tie a program to its parent");
    }
    // The parent may have gone before the line above took effect.
    if getppid().map(Pid::as_raw_nonzero).map(|p| p.get().cast_unsigned()) != Some(parent) {
        return anyhow::anyhow!("the parent is gone already");
    }
    let error = Command::new(program).args(args).exec();
    anyhow::Error::new(error).context(format!("cannot start {}", program.display()))
}

impl Program {
    /// Starts `command`, made by [`leashed`].
    ///
    /// # Errors
    /// When the system cannot start it.
    pub fn start(command: &mut Command, group: ProcessGroup) -> anyhow::Result<Program> {
        if group == ProcessGroup::Background {
            command.process_group(0);
        }
        let child = command.spawn().context("cannot start a program")?;
        Ok(Program { child, group })
    }

    /// The process, to take its pipes from.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The exit status, once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end until `deadline`.
    pub fn wait_until(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(GLANCE);
        }
    }

    /// Asks it to end; its exit status, or `None` when it did not in time.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        self.wait_until(Instant::now() + GRACE)
    }

    /// Sends a signal to it, and to what it may have started.
    pub fn signal(&mut self, signal: Signal) {
        // A process that was waited for has no number any more: another one
        // may have it by now.
        if self.ended().is_some() {
            return;
        }
        let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) else { return };
        let _ = match self.group {
            ProcessGroup::Background => kill_process_group(pid, signal),
            ProcessGroup::Foreground => kill_process(pid, signal),
        };
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.end().is_none() {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Becomes `command`: its exit code, its signals and the terminal are then its
/// own. Returns only when that failed.
pub fn become_program(mut command: Command) -> anyhow::Error {
    let name = command.get_program().to_string_lossy().into_owned();
    anyhow::Error::new(command.exec()).context(format!("cannot start {name}"))
}

/// Waits until `is_so`, at most `limit`.
///
/// # Errors
/// When the time is over; `what` completes "expected …".
pub fn wait_for(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    while !is_so() {
        if Instant::now() >= deadline {
            bail!("expected {what} within {} s", limit.as_secs());
        }
        thread::sleep(GLANCE);
    }
    Ok(())
}
