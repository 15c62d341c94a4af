//! A transport of which a test says how much it takes, and a drainer that works
//! when the test says so.

use crate::line_codec::Plaintext;
use crate::outbox::{Drainer, Outbox, OutboxConfig};
use crate::transport::Transport;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What one call of `write` may do.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Takes this many bytes at most.
    Takes(usize),
    /// Is full.
    Full,
    /// Takes this many bytes at most, and holds them inside until the second
    /// flush from then on, as TLS may.
    Holds(usize),
    /// Waits while the test holds the lock [`block`](FakeTransport::block), as no
    /// transport may, and then takes everything.
    Waits,
    /// Is gone.
    Broken,
    /// Has a bug.
    Panics,
}

#[derive(Default)]
struct Recorded {
    steps: VecDeque<Step>,
    held: u32,
    bytes: Vec<u8>,
    ended: u32,
    aborted: u32,
}

/// Follows its steps, and after them takes everything.
#[derive(Clone, Default)]
pub struct FakeTransport {
    seen: Arc<Mutex<Recorded>>,
    in_use: Arc<AtomicBool>,
    /// What `Waits` waits for.
    pub block: Arc<Mutex<()>>,
    waits: Arc<AtomicBool>,
}

impl FakeTransport {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> FakeTransport {
        let transport = FakeTransport::default();
        transport.then(steps);
        transport
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

    /// Whether it waits, or has waited, for that lock.
    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::SeqCst)
    }

    /// How often it was told that nothing more comes.
    pub fn ended(&self) -> u32 {
        self.seen.lock().unwrap().ended
    }

    pub fn is_aborted(&self) -> bool {
        self.seen.lock().unwrap().aborted > 0
    }

    /// Holds against the promise that only one thread is at the transport.
    fn alone<T>(&self, what: impl FnOnce(&mut Recorded) -> T) -> T {
        assert!(!self.in_use.swap(true, Ordering::SeqCst), "two threads at the transport");
        let done = what(&mut self.seen.lock().unwrap());
        self.in_use.store(false, Ordering::SeqCst);
        done
    }
}

impl Transport for FakeTransport {
    fn read(&self, _: &mut [u8], _: Option<std::time::Instant>) -> io::Result<usize> {
        unreachable!("these tests only write")
    }

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
            Step::Waits => {
                self.waits.store(true, Ordering::SeqCst);
                drop(self.block.lock().unwrap());
                usize::MAX
            }
            Step::Full => return Err(io::ErrorKind::WouldBlock.into()),
            Step::Broken => return Err(io::ErrorKind::ConnectionReset.into()),
            Step::Panics => std::panic::resume_unwind(Box::new("a bug in the transport")),
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

    fn shutdown_write(&self) {
        self.alone(|seen| seen.ended += 1);
    }

    fn abort(&self) {
        self.seen.lock().unwrap().aborted += 1;
    }

    fn shutdown_read(&self) {}

    fn as_fd(&self) -> BorrowedFd<'_> {
        unreachable!("the drainer of these tests does not wait")
    }
}

/// Keeps what it is given until [`ManualDrainer::drain`].
#[derive(Default)]
pub struct ManualDrainer(Mutex<Vec<Arc<Outbox>>>);

impl Drainer for ManualDrainer {
    fn register(&self, outbox: Arc<Outbox>) {
        self.0.lock().unwrap().push(outbox);
    }
}

impl ManualDrainer {
    /// Lets every outbox write once. Returns how many are not empty then.
    pub fn drain(&self) -> usize {
        let full = std::mem::take(&mut *self.0.lock().unwrap());
        let left: Vec<_> = full.into_iter().filter(|outbox| outbox.write_until_full()).collect();
        let mut list = self.0.lock().unwrap();
        list.extend(left);
        list.len()
    }
}

/// A configuration with this limit, and its drainer.
pub fn config(limit: usize) -> (Arc<OutboxConfig>, Arc<ManualDrainer>) {
    let drainer = Arc::new(ManualDrainer::default());
    (Arc::new(OutboxConfig { limit, drainer: drainer.clone(), codec: Arc::new(Plaintext) }), drainer)
}

/// One line as it goes over the wire.
pub fn line(text: &str) -> Bytes {
    format!("{text}\n").into()
}
