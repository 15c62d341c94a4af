//! Paper: a wire that takes everything and keeps it, for tests of what is above
//! it, here and in later stages.

use crate::outbox::{Helper, Outbox, Terms};
use crate::wire::{Plain, Wire};
use common::poison::IgnorePoison;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

/// See the [module](self).
pub struct Paper {
    written: Mutex<Vec<u8>>,
    /// A wire has a socket, and nobody ever waits for this one.
    socket: File,
}

impl Paper {
    /// An outbox in front of fresh paper, which accepts `bound` bytes at once.
    ///
    /// # Errors
    /// When there is no `/dev/null`.
    pub fn outbox(bound: usize) -> io::Result<Arc<Outbox<Paper>>> {
        let paper = Paper { written: Mutex::default(), socket: File::open("/dev/null")? };
        Ok(Outbox::new(paper, Arc::new(Terms { bound, helper: Arc::new(Nobody), form: Arc::new(Plain) })))
    }

    /// The lines written so far.
    pub fn lines(&self) -> Vec<String> {
        let written = self.written.lock().ignore_poison();
        String::from_utf8_lossy(&written).lines().map(str::to_owned).collect()
    }
}

impl Wire for Paper {
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut written = self.written.lock().ignore_poison();
        bytes.iter().for_each(|slice| written.extend_from_slice(slice));
        Ok(bytes.iter().map(|slice| slice.len()).sum())
    }

    fn end(&self) {}

    fn cut(&self) {}

    fn stop_reading(&self) {}

    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

struct Nobody;

impl Helper<Paper> for Nobody {
    fn take_on(&self, _: Arc<Outbox<Paper>>) {
        unreachable!("paper is never full");
    }
}
