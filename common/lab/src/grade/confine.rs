//! Commands that run under a [keeper](super::keeper), seen from our side.

use super::family;
use super::keeper::{Ended, Order};
use crate::process::{Place, Program, leashed};
use crate::scene::{END_SIGNALS, Interrupted};
use anyhow::{Context, bail};
use common::poison::IgnorePoison;
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
const GLANCE: Duration = Duration::from_millis(50);
/// What orphans of a keeper that was killed get.
const LAST_RITES: Duration = Duration::from_secs(5);

/// What all commands of one run have in common; its clones are one.
#[derive(Clone, Default)]
pub struct Warden {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The signal that ends the run, once it has come.
    signal: AtomicI32,
    /// The keepers that run. Whoever starts one holds this until it is listed.
    keepers: Mutex<Vec<Pid>>,
}

impl Warden {
    /// From here on a signal that means "end, please" ends commands and is
    /// returned as [`Interrupted`]; a second one ends this process at once.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take_over() -> anyhow::Result<Warden> {
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{DumpableBehavior, set_child_subreaper, set_dumpable_behavior};
            // A submission can kill its keeper: it is the same user's. Then the
            // orphans come to us.
            set_child_subreaper(Some(getpid())).context("cannot take care of orphans")?;
            // The keepers' answers come through our pipes; nobody else is to find
            // these in /proc.
            set_dumpable_behavior(DumpableBehavior::NotDumpable).context("cannot keep others out")?;
        }
        let mut signals = Signals::new(END_SIGNALS).context("cannot wait for signals")?;
        let warden = Warden::default();
        let shared = warden.shared.clone();
        thread::spawn(move || {
            for signal in signals.forever() {
                if shared.signal.swap(signal, Ordering::Relaxed) != 0 {
                    let _ = signal_hook::low_level::emulate_default_handler(signal);
                }
            }
        });
        Ok(warden)
    }

    /// An error once a signal has come.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn go_on(&self) -> anyhow::Result<()> {
        match self.shared.signal.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Interrupted(signal).into()),
        }
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// [`Interrupted`]; or when the keeper could not do its work.
    pub fn run(&self, order: &Order) -> anyhow::Result<Ended> {
        self.go_on()?;
        let own = std::env::current_exe().context("cannot find lab's own executable")?;
        let mut command = leashed(&own)?;
        command.arg("keep").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keepers = self.keepers();
        let mut keeper = Program::start(&mut command, Place::Background)?;
        let pid = Pid::from_child(keeper.child());
        keepers.push(pid);
        drop(keepers);
        let answer = self.hear(&mut keeper, order);
        let ended = keeper.end();
        self.keepers().retain(|other| *other != pid);
        self.go_on()?;
        let Ok(ended_well) = serde_json::from_str(&answer?) else {
            // It had no time to clean up.
            family::end(&self.keepers(), LAST_RITES);
            let how = ended.map_or_else(|| "it hangs".to_owned(), |status| status.to_string());
            bail!("the process that sees to the limits came to an early end: {how}");
        };
        Ok(ended_well)
    }

    fn keepers(&self) -> std::sync::MutexGuard<'_, Vec<Pid>> {
        self.shared.keepers.lock().ignore_poison()
    }

    /// Gives the keeper its order and waits for the answer; a signal is passed on,
    /// and answered too.
    fn hear(&self, keeper: &mut Program, order: &Order) -> anyhow::Result<String> {
        let words = serde_json::to_string(order).context("an order that cannot be written")?;
        let (input, output) = (keeper.child().stdin.take(), keeper.child().stdout.take());
        let (mut input, mut output) = input.zip(output).context("a keeper without pipes")?;
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
            match answer.recv_timeout(GLANCE) {
                Ok(text) => return Ok(text),
                Err(RecvTimeoutError::Disconnected) => bail!("nobody hears the keeper"),
                Err(RecvTimeoutError::Timeout) if self.go_on().is_err() => keeper.signal(Signal::TERM),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}
