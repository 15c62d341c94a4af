//! A wire of which a test says how much it takes, and a helper that works when
//! the test says so.

use crate::outbox::{Helper, Outbox, Terms};
use crate::wire::{Piece, Plain, Wire};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What one call of the wire may do.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Takes this many bytes at most.
    Takes(usize),
    /// Is full.
    Full,
    /// Takes this many bytes at most, and holds them inside until the second
    /// flush from then on, as TLS may.
    Holds(usize),
    /// Waits until the test lets go of the [gate](FakeWire::gate), as no wire
    /// may, and takes everything.
    Waits,
    /// Takes everything, and a millisecond.
    Slow,
    /// Is gone.
    Broken,
    /// Has a bug.
    Panics,
}

#[derive(Default)]
struct Seen {
    steps: VecDeque<Step>,
    held: u32,
    bytes: Vec<u8>,
    ended: u32,
    cut: u32,
}

/// Follows its steps, and after them takes everything.
#[derive(Clone, Default)]
pub struct FakeWire {
    seen: Arc<Mutex<Seen>>,
    in_use: Arc<AtomicBool>,
    /// What `Waits` waits for.
    pub gate: Arc<Mutex<()>>,
    waits: Arc<AtomicBool>,
}

impl FakeWire {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> FakeWire {
        let wire = FakeWire::default();
        wire.then(steps);
        wire
    }

    pub fn then(&self, steps: impl IntoIterator<Item = Step>) {
        self.seen.lock().unwrap().steps.extend(steps);
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.seen.lock().unwrap().bytes.clone()).unwrap()
    }

    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Whether it waits, or has waited, for the gate.
    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::SeqCst)
    }

    /// How often it was told that nothing more comes.
    pub fn ended(&self) -> u32 {
        self.seen.lock().unwrap().ended
    }

    pub fn is_cut(&self) -> bool {
        self.seen.lock().unwrap().cut > 0
    }

    /// Holds against the promise that only one thread is at the wire.
    fn alone<T>(&self, what: impl FnOnce(&mut Seen) -> T) -> T {
        assert!(!self.in_use.swap(true, Ordering::SeqCst), "two threads at the wire");
        let done = what(&mut self.seen.lock().unwrap());
        self.in_use.store(false, Ordering::SeqCst);
        done
    }
}

impl Wire for FakeWire {
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let most = match self.alone(|seen| {
            assert!(seen.ended == 0, "a write after the end");
            assert!(bytes.iter().all(|slice| !slice.is_empty()), "nothing to write");
            if seen.held > 0 { Step::Full } else { seen.steps.pop_front().unwrap_or(Step::Takes(usize::MAX)) }
        }) {
            Step::Takes(n) => n,
            Step::Holds(n) => {
                self.seen.lock().unwrap().held = 2;
                n
            }
            Step::Slow => {
                thread::sleep(Duration::from_millis(1));
                usize::MAX
            }
            Step::Waits => {
                self.waits.store(true, Ordering::SeqCst);
                drop(self.gate.lock().unwrap());
                usize::MAX
            }
            Step::Full => return Err(io::ErrorKind::WouldBlock.into()),
            Step::Broken => return Err(io::ErrorKind::ConnectionReset.into()),
            Step::Panics => std::panic::resume_unwind(Box::new("a bug in the wire")),
        };
        let all: Vec<u8> = bytes.iter().flat_map(|slice| slice.iter().copied()).collect();
        let taken = &all[..most.min(all.len())];
        self.seen.lock().unwrap().bytes.extend(taken);
        Ok(taken.len())
    }

    fn flush(&self) -> io::Result<()> {
        self.alone(|seen| {
            seen.held = seen.held.saturating_sub(1);
            if seen.held > 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        })
    }

    fn end(&self) {
        self.alone(|seen| seen.ended += 1);
    }

    fn cut(&self) {
        self.seen.lock().unwrap().cut += 1;
    }

    fn stop_reading(&self) {}

    fn socket(&self) -> BorrowedFd<'_> {
        unreachable!("the helper of these tests does not wait")
    }
}

/// Keeps what it is given until [`Hand::resume`].
#[derive(Default)]
pub struct Hand(Mutex<Vec<Arc<Outbox<FakeWire>>>>);

impl Helper<FakeWire> for Hand {
    fn take_on(&self, stalled: Arc<Outbox<FakeWire>>) {
        self.0.lock().unwrap().push(stalled);
    }
}

impl Hand {
    /// Lets every outbox write once; how many are still stalled.
    pub fn resume(&self) -> usize {
        let stalled = std::mem::take(&mut *self.0.lock().unwrap());
        let left: Vec<_> = stalled.into_iter().filter(|outbox| outbox.resume()).collect();
        let mut list = self.0.lock().unwrap();
        list.extend(left);
        list.len()
    }
}

/// Terms with this bound, and their helper.
pub fn terms(bound: usize) -> (Arc<Terms<FakeWire>>, Arc<Hand>) {
    let hand = Arc::new(Hand::default());
    (Arc::new(Terms { bound, helper: hand.clone(), form: Arc::new(Plain) }), hand)
}

/// One line as it goes over the wire.
pub fn line(text: &str) -> Piece {
    Piece::lines(&format!("{text}\n"), &Plain)
}
