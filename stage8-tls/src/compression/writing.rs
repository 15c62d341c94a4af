//! The sending direction: plain at first, then a stream of deflate.

use super::AGREEMENT;
use flate2::{Compress, Compression, FlushCompress};
use stage4_multichat::transport::Transport;
use std::io::{self, ErrorKind, IoSlice};

/// What goes to the other side.
pub(super) struct Writing {
    /// `None` while lines are plain.
    deflate: Option<Compress>,
    /// What the connection below has not taken yet.
    unsent: Vec<u8>,
}

impl Writing {
    /// Plain, and `first` is sent before all else.
    pub(super) fn plain(first: &[u8]) -> Self {
        Writing { deflate: None, unsent: first.to_vec() }
    }

    /// The other side has agreed. It is told so in the last plain line.
    pub(super) fn start(&mut self) {
        self.unsent.extend_from_slice(AGREEMENT);
        // The fastest level saves half as much, in half the time; the slower ones save no more.
        self.deflate = Some(Compress::new(Compression::default(), false));
    }

    /// Returns `true` if what is sent now is compressed.
    pub(super) fn is_compressed(&self) -> bool {
        self.deflate.is_some()
    }

    /// Appends `plain` to what is unsent, compressed, if it is time for that. A sync flush
    /// ends it on a whole byte: without it, deflate would keep a line until more comes.
    pub(super) fn add(&mut self, mut plain: &[u8]) -> io::Result<()> {
        let Some(deflate) = &mut self.deflate else {
            self.unsent.extend_from_slice(plain);
            return Ok(());
        };
        loop {
            self.unsent.reserve(plain.len() / 2 + 64);
            let read = deflate.total_in();
            deflate.compress_vec(plain, &mut self.unsent, FlushCompress::Sync).map_err(io::Error::other)?;
            plain = &plain[(deflate.total_in() - read) as usize..];
            // It leaves room only when it has given out everything.
            if plain.is_empty() && self.unsent.len() < self.unsent.capacity() {
                return Ok(());
            }
        }
    }

    /// Gives to the connection below what it takes without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when something is left; anything else when the connection is gone.
    pub(super) fn send(&mut self, below: &dyn Transport) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match below.write(&[IoSlice::new(&self.unsent)])? {
                0 => return Err(ErrorKind::WriteZero.into()),
                taken => drop(self.unsent.drain(..taken)),
            }
        }
        Ok(())
    }
}
