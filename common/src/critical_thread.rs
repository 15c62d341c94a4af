//! Threads that serve all clients: without one of them a server cannot go on.
//!
//! A client's thread that panics costs that client. If the thread that delivers all
//! lines panicked unnoticed, every client would stay connected and wait for lines
//! that never come. So the server then ends as after a signal, with an error.

use crate::poison::IgnorePoison;
use std::sync::Mutex;
use std::thread::{self, JoinHandle};
use std::{io, mem};

/// One for the process, as the signals are. Written by critical threads that panic and
/// by the main thread; the lock is held for memory operations only.
static STATE: Mutex<State> = Mutex::new(State::Good(None));

enum State {
    /// What ends the server, once there is one.
    Good(Option<Box<dyn FnOnce() + Send>>),
    Failed(Panicked),
}

/// A critical thread has panicked. Its message is on standard error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} thread has panicked: this is a fault of the program, and standard error says where it is")]
pub struct Panicked(String);

/// Starts a thread whose panic ends the server.
///
/// # Errors
/// When the system cannot start another thread.
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let guard = PanicGuard(name.to_owned());
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _guard = guard;
        run();
    })
}

/// Calls `stop` when a critical thread panics, once; at once if one has.
pub fn on_panic(stop: impl FnOnce() + Send + 'static) {
    let mut state = STATE.lock().ignore_poison();
    if let State::Good(stored) = &mut *state {
        *stored = Some(Box::new(stop));
    } else {
        drop(state);
        stop();
    }
}

/// For the end of a server: its error, if it has not ended because of a signal.
///
/// # Errors
/// [`Panicked`], with the name of the first thread that did.
pub fn check() -> Result<(), Panicked> {
    match &*STATE.lock().ignore_poison() {
        State::Good(_) => Ok(()),
        State::Failed(panicked) => Err(panicked.clone()),
    }
}

struct PanicGuard(String);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let mut state = STATE.lock().ignore_poison();
        if let State::Good(stop) = &mut *state {
            let stop = mem::take(stop);
            *state = State::Failed(Panicked(mem::take(&mut self.0)));
            // Outside the lock: it ends connections.
            drop(state);
            if let Some(stop) = stop {
                stop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::resume_unwind;
    use std::sync::mpsc::channel;

    // In one test, since what it is about is there once in a process.
    #[test]
    fn a_panic_is_noticed_once_and_an_ordinary_end_is_none() {
        let (stop, stopped) = channel();
        on_panic(move || stop.send(()).unwrap());
        spawn("good", || ()).unwrap().join().unwrap();
        assert_eq!(check(), Ok(()));
        assert!(stopped.try_recv().is_err());

        for name in ["bad", "late"] {
            // As `panic!` does, without the message on standard error.
            spawn(name, || resume_unwind(Box::new("as arranged by the test"))).unwrap().join().unwrap_err();
        }
        assert_eq!(stopped.iter().count(), 1, "and its sender is gone");
        assert!(check().unwrap_err().to_string().starts_with("the bad thread has panicked"));

        let (stop, stopped) = channel();
        on_panic(move || stop.send(()).unwrap());
        stopped.try_recv().unwrap();
    }
}
