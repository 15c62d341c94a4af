//! A signal ends an attack at its next wait, and with it all that it started.

use anyhow::Context;
use lab::run_context::{END_SIGNALS, Interrupted};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Whether a signal has come; shared by all attacks of a run.
#[derive(Clone, Default)]
pub struct Cancellation(Arc<AtomicUsize>);

impl Cancellation {
    /// How often a wait looks up.
    pub const POLL_INTERVAL: Duration = Duration::from_millis(10);

    /// From now on the signals that mean "end, please" are noted. Not sooner
    /// than needed: while cargo builds, Ctrl-C is to end cargo and us at once.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn watch() -> anyhow::Result<Cancellation> {
        let cancellation = Cancellation::default();
        for signal in END_SIGNALS {
            let number = usize::try_from(signal).unwrap_or_default();
            signal_hook::flag::register_usize(signal, cancellation.0.clone(), number)
                .context("cannot wait for signals")?;
        }
        Ok(cancellation)
    }

    /// # Errors
    /// [`Interrupted`], when one has come.
    pub fn check(&self) -> anyhow::Result<()> {
        match i32::try_from(self.0.load(Ordering::Relaxed)) {
            Ok(0) | Err(_) => Ok(()),
            Ok(signal) => Err(Interrupted(signal).into()),
        }
    }

    /// Whether `is_so` within `limit`.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn until(&self, limit: Duration, mut is_so: impl FnMut() -> bool) -> anyhow::Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            self.check()?;
            if is_so() {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            thread::sleep(Cancellation::POLL_INTERVAL);
        }
    }
}
