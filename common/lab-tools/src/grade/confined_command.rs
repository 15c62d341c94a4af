//! Confined commands, seen from our side: each runs under a [supervisor](super::supervisor).

use super::process_tree;
use super::supervisor::{ConfinedCommand, Ended};
use anyhow::{Context, bail};
use common::poison::IgnorePoison;
use lab::process::{ProcessGroup, Program, leashed};
use lab::run_context::{END_SIGNALS, Interrupted};
use rustix::process::{Pid, Signal, getpid};
use signal_hook::iterator::Signals;
use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How soon a Ctrl-C is noticed.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// What orphans of a supervisor that was killed get.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// What all commands of one run have in common; its clones are one.
#[derive(Clone, Default)]
pub struct CommandRunner {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The signal that ends the run, once it has come.
    signal: AtomicI32,
    /// The supervisors that run. Whoever starts one holds this until it is listed.
    supervisors: Mutex<Vec<Pid>>,
}

impl CommandRunner {
    /// From here on a signal that means "end, please" ends commands and is
    /// returned as [`Interrupted`]; a second one ends this process at once.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn handle_signals() -> anyhow::Result<CommandRunner> {
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{DumpableBehavior, set_child_subreaper, set_dumpable_behavior};
            // A submission can kill its supervisor: it is the same user's. Then the
            // orphans come to us.
            set_child_subreaper(Some(getpid())).context("cannot take care of orphans")?;
            // The supervisors' answers come through our pipes; nobody else is to find
            // these in /proc.
            set_dumpable_behavior(DumpableBehavior::NotDumpable).context("cannot keep others out")?;
        }
        let mut signals = Signals::new(END_SIGNALS).context("cannot wait for signals")?;
        let runner = CommandRunner::default();
        let shared = runner.shared.clone();
        thread::spawn(move || {
            for signal in signals.forever() {
                if shared.signal.swap(signal, Ordering::Relaxed) != 0 {
                    let _ = signal_hook::low_level::emulate_default_handler(signal);
                }
            }
        });
        Ok(runner)
    }

    /// An error once a signal has come.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn check_signal(&self) -> anyhow::Result<()> {
        match self.shared.signal.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Interrupted(signal).into()),
        }
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// [`Interrupted`]; or when the supervisor could not do its work.
    pub fn run(&self, confined: &ConfinedCommand) -> anyhow::Result<Ended> {
        self.check_signal()?;
        let own = std::env::current_exe().context("cannot find lab's own executable")?;
        let mut command = leashed(&own)?;
        command.arg("supervise").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut supervisors = self.supervisors();
        let mut supervisor = Program::start(&mut command, ProcessGroup::Background)?;
        let pid = Pid::from_child(supervisor.child());
        supervisors.push(pid);
        drop(supervisors);
        let answer = self.exchange(&mut supervisor, confined);
        let ended = supervisor.end();
        self.supervisors().retain(|other| *other != pid);
        self.check_signal()?;
        let Ok(ended_well) = serde_json::from_str(&answer?) else {
            // It had no time to clean up.
            process_tree::kill_all(&self.supervisors(), KILL_TIMEOUT);
            let how = ended.map_or_else(|| "it hangs".to_owned(), |status| status.to_string());
            bail!("the process that sees to the limits came to an early end: {how}");
        };
        Ok(ended_well)
    }

    fn supervisors(&self) -> std::sync::MutexGuard<'_, Vec<Pid>> {
        self.shared.supervisors.lock().ignore_poison()
    }

    /// Gives the supervisor its command and waits for the answer; a signal is passed on,
    /// and answered too.
    fn exchange(&self, supervisor: &mut Program, confined: &ConfinedCommand) -> anyhow::Result<String> {
        let words = serde_json::to_string(confined).context("a command that cannot be written")?;
        let (input, output) = (supervisor.child().stdin.take(), supervisor.child().stdout.take());
        let (mut input, mut output) = input.zip(output).context("a supervisor without pipes")?;
        // Where it is gone already there will be no answer either.
        let _ = input.write_all(words.as_bytes());
        drop(input);
        let (sender, answer) = channel();
        thread::spawn(move || {
            let mut text = String::new();
            let _ = output.read_to_string(&mut text);
            let _ = sender.send(text);
        });
        loop {
            match answer.recv_timeout(POLL_INTERVAL) {
                Ok(text) => return Ok(text),
                Err(RecvTimeoutError::Disconnected) => bail!("nobody hears the supervisor"),
                Err(RecvTimeoutError::Timeout) if self.check_signal().is_err() => {
                    supervisor.signal(Signal::TERM)
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}
