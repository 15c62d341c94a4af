//! Ctrl-C and SIGTERM: the orderly end of a server.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::thread;

/// Calls `stop` at the first SIGINT or SIGTERM. The second one ends the process
/// at once, for a user who does not want to wait.
///
/// `stop` runs in a thread of its own, never inside the signal handler, where
/// hardly anything is allowed (signal-safety(7)). It must return soon. A signal
/// does not interrupt a thread that is blocked in `accept` or `read`: the
/// standard library starts such calls again. So `stop` has to wake them, by
/// shutting down their sockets.
///
/// # Errors
/// When the handler or its thread cannot be set up.
pub fn on_stop(stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut stop = Some(stop);
        for signal in signals.forever() {
            match stop.take() {
                Some(stop) => stop(),
                None => drop(emulate_default_handler(signal)),
            }
        }
    })?;
    Ok(())
}
