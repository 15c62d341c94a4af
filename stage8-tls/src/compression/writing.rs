//! The sending direction: plain at first, then a stream of deflate.

use super::{AGREEMENT, MAX_WRITE};
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

    /// Appends `bytes` to what is unsent, compressed, and returns how many; `None` while
    /// lines are plain. A sync flush ends it on a whole byte: without it, deflate would
    /// keep a line until more comes.
    pub(super) fn compress(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        let Some(deflate) = &mut self.deflate else { return Ok(None) };
        // Together: what several lines repeat is found, and one flush is enough.
        let bytes: Vec<u8> = bytes.iter().flat_map(|piece| piece.iter().copied()).take(MAX_WRITE).collect();
        let mut plain = bytes.as_slice();
        loop {
            self.unsent.reserve(plain.len() / 2 + 64);
            let read = deflate.total_in();
            deflate.compress_vec(plain, &mut self.unsent, FlushCompress::Sync).map_err(io::Error::other)?;
            plain = &plain[(deflate.total_in() - read) as usize..];
            // It leaves room only when it has given out everything.
            if plain.is_empty() && self.unsent.len() < self.unsent.capacity() {
                return Ok(Some(bytes.len()));
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
