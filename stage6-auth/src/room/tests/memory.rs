//! A transport in memory, for tests of what is above it. Stage 7's tests include this
//! file too.

use stage4_multichat::limits::{ClientSlot, ClientSlots};
use stage4_multichat::line_codec::Plaintext;
use stage4_multichat::outbox::{Drainer, Outbox, OutboxConfig};
use stage4_multichat::transport::Transport;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

/// Takes everything and keeps it.
pub struct MemoryTransport {
    written: Mutex<Vec<u8>>,
    /// A transport has a socket, and nothing ever waits for this one.
    socket: File,
}

impl MemoryTransport {
    /// A transport, and an outbox in front of it that accepts `limit` bytes.
    pub fn with_outbox(limit: usize) -> (Arc<MemoryTransport>, Arc<Outbox>) {
        let socket = File::open("/dev/null").unwrap();
        let transport = Arc::new(MemoryTransport { written: Mutex::default(), socket });
        let outbox = Outbox::new(transport.clone(), config(limit));
        (transport, outbox)
    }

    /// The lines written so far.
    pub fn lines(&self) -> Vec<String> {
        let written = self.written.lock().unwrap();
        String::from_utf8_lossy(&written).lines().map(str::to_owned).collect()
    }
}

impl Transport for MemoryTransport {
    fn read(&self, _: &mut [u8], _: Option<std::time::Instant>) -> io::Result<usize> {
        unreachable!("these tests only write")
    }

    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut written = self.written.lock().unwrap();
        bytes.iter().for_each(|slice| written.extend_from_slice(slice));
        Ok(bytes.iter().map(|slice| slice.len()).sum())
    }

    fn shutdown_write(&self) {}

    fn abort(&self) {}

    fn shutdown_read(&self) {}

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// For outboxes that accept `limit` bytes.
pub fn config(limit: usize) -> Arc<OutboxConfig> {
    Arc::new(OutboxConfig { limit, drainer: Arc::new(NeverFull), codec: Arc::new(Plaintext) })
}

struct NeverFull;

impl Drainer for NeverFull {
    fn register(&self, _: Arc<Outbox>) {
        unreachable!("a transport in memory is never full");
    }
}

/// A slot for a client of a test.
pub fn slot() -> ClientSlot {
    ClientSlots::new(1).try_acquire().unwrap()
}
