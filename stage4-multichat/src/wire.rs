//! The wire: what an [outbox](crate::outbox) writes to, and how far a write
//! comes when nobody waits for it.
//!
//! Why a trait, when there is only TCP so far: a TLS connection cannot be split
//! into a reading and a writing half as a `TcpStream` can, since both directions
//! work on one state. So nothing in this stage needs two halves. It needs one
//! thread that reads, and *anybody* who writes, one at a time. Stage 8 puts a
//! TLS state behind a lock and implements [`Wire`] with it; everything above
//! serves unchanged.

use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// The sending side of a connection, and what can be asked of it at any time
/// from any thread.
pub trait Wire: Send + Sync {
    /// Takes as many bytes as can be taken without waiting, and says how many.
    ///
    /// # Errors
    /// `WouldBlock` when it can take nothing now; anything else when the
    /// connection is gone.
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Hands on what was taken and is still held inside: a TLS record that only
    /// went out in part. `WouldBlock` as in [`write`](Wire::write).
    ///
    /// # Errors
    /// As for `write`.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Says that nothing more comes. Reading goes on.
    fn end(&self);

    /// Ends both directions at once, and wakes whoever reads.
    fn cut(&self);

    /// What to wait for until it can take more.
    fn socket(&self) -> BorrowedFd<'_>;
}

/// The plain TCP connection as an outbox sees it.
impl Wire for Arc<TcpStream> {
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        // The socket itself stays blocking, for the thread that reads: only
        // this one write must not wait.
        let written = match bytes {
            [one] => send(self, one, SendFlags::DONTWAIT)?,
            many => sendmsg(self, many, &mut SendAncillaryBuffer::default(), SendFlags::DONTWAIT)?,
        };
        Ok(written)
    }

    fn end(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }

    fn cut(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

/// How lines are put on the wire. Here they go as they are; from stage 6 on each
/// is sealed first.
pub trait Form: Send + Sync {
    /// Appends `lines`, each ended by `\n`, to `out` as they go over the wire:
    /// so many lines again, each ended by `\n`.
    fn put(&self, lines: &str, out: &mut Vec<u8>);

    /// Whether everything that is said may be logged.
    fn may_be_logged(&self) -> bool;
}

/// Lines as they are, in the log too.
pub struct Plain;

impl Form for Plain {
    fn put(&self, lines: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(lines.as_bytes());
    }

    fn may_be_logged(&self) -> bool {
        true
    }
}

/// Bytes that wait, shared by all whom they were sent to.
#[derive(Clone, Debug)]
pub struct Piece {
    bytes: Arc<Vec<u8>>,
    start: usize,
    end: usize,
}

impl Piece {
    /// `bytes[start..end]`, which must not be empty.
    pub fn new(bytes: &Arc<Vec<u8>>, start: usize, end: usize) -> Piece {
        debug_assert!(start < end && end <= bytes.len());
        Piece { bytes: bytes.clone(), start, end }
    }

    /// `lines`, each ended by `\n` and at least one, in the given form.
    pub fn lines(lines: &str, form: &dyn Form) -> Piece {
        let mut bytes = Vec::new();
        form.put(lines, &mut bytes);
        Piece { start: 0, end: bytes.len(), bytes: Arc::new(bytes) }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// How many bytes it has; never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.end - self.start
    }
}

/// How far a [`push`] came.
pub(crate) struct Pushed {
    /// Pieces that are written whole, and bytes of the next one.
    pieces: usize,
    offset: usize,
    /// All of it in bytes.
    pub bytes: usize,
    /// The socket is full, so that something is left, here or in the wire.
    pub stalled: bool,
}

impl Pushed {
    pub fn left_of(&self, pieces: &[Piece]) -> VecDeque<Piece> {
        let mut left: VecDeque<_> = pieces[self.pieces..].iter().cloned().collect();
        if let Some(first) = left.front_mut() {
            first.start += self.offset;
        }
        left
    }
}

/// Pieces in one system call: writev(2) would allow 1024, but the list of them
/// is on the stack, and of that each client's thread has its own.
const AT_ONCE: usize = 32;

/// Writes as much of `pieces` as the wire takes without waiting.
pub(crate) fn push(wire: &impl Wire, pieces: &[Piece]) -> io::Result<Pushed> {
    let mut done = Pushed { pieces: 0, offset: 0, bytes: 0, stalled: false };
    loop {
        let result = match &pieces[done.pieces..] {
            [] => wire.flush().map(|()| 0),
            left => {
                let mut slices = [IoSlice::new(&[]); AT_ONCE];
                for (slice, piece) in slices.iter_mut().zip(left) {
                    *slice = IoSlice::new(piece.as_slice());
                }
                slices[0] = IoSlice::new(&left[0].as_slice()[done.offset..]);
                wire.write(&slices[..left.len().min(AT_ONCE)])
            }
        };
        match result {
            Ok(0) => return Ok(done),
            Ok(n) => done.advance(pieces, n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                done.stalled = true;
                return Ok(done);
            }
            Err(e) => return Err(e),
        }
    }
}

impl Pushed {
    fn advance(&mut self, pieces: &[Piece], written: usize) {
        self.bytes += written;
        self.offset += written;
        while let Some(piece) = pieces.get(self.pieces)
            && self.offset >= piece.len()
        {
            self.offset -= piece.len();
            self.pieces += 1;
        }
    }
}
