//! The wire: what an [outbox](crate::outbox) writes to, and how far a write
//! comes when nobody waits for it.
//!
//! Why a trait, when there is only TCP so far: a TLS connection cannot be split
//! into a reading and a writing half as a `TcpStream` can, since both directions
//! work on one state. So nothing in this stage needs two halves. It needs one
//! thread that reads, and *anybody* who writes, one at a time. Stage 8 puts a
//! TLS state behind a lock and implements [`Wire`] with it; everything above
//! serves unchanged. The promises of [`Wire`] are what trying that taught, before
//! anything was built on it.

use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// The sending side of a connection, and what can be asked of it at any time
/// from any thread.
///
/// The outbox promises that never two threads are in `write`, `flush` and `end`
/// at once, that it calls `flush` whenever all it had is written and again each
/// time the socket can take more until nothing is held inside, that `end` comes
/// once, after the last `write`, and a `flush` after it. `cut` comes at any
/// time, also beside the others, and more than once.
pub trait Wire: Send + Sync {
    /// Takes as many bytes as can be taken without waiting, and says how many.
    ///
    /// Taken need not be written: a TLS record that only went out in part has to
    /// be kept inside until the rest of it can go. So that this has a bound, a
    /// wire takes nothing more before what it holds is handed on.
    ///
    /// # Errors
    /// `WouldBlock` when it can take nothing now; anything else when the
    /// connection is gone.
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Hands on what was taken and is still held inside.
    ///
    /// Reading can put something there too: the answer to the other side's new
    /// key, an alert. Nobody is woken for that. It goes out before the next
    /// line or at the end, and TLS demands no more (RFC 8446, 4.6.3), so the
    /// thread that reads never has to write.
    ///
    /// # Errors
    /// `WouldBlock` when something is still held inside; anything else when the
    /// connection is gone.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Says that nothing more comes. Reading goes on. What this adds (TLS has a
    /// word for it) may stay inside: a `flush` follows, which is also where a
    /// wire that holds something shuts down its socket.
    fn end(&self);

    /// Ends both directions at once, and wakes whoever reads. Must not wait for
    /// a lock that is held during anything but memory operations and writes
    /// that do not wait.
    fn cut(&self);

    /// Has whoever reads find the end of the input, while writing goes on. For a
    /// server that wants a client to go and still has something to tell it. Like
    /// `cut` it never waits.
    fn stop_reading(&self);

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

    fn stop_reading(&self) {
        let _ = self.shutdown(Shutdown::Read);
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

    pub(crate) fn as_slice(&self) -> &[u8] {
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
    /// Puts what is left of `pieces`, which were pushed, before what is
    /// `waiting`. How many bytes that is.
    pub fn put_back(&self, pieces: &[Piece], waiting: &mut Vec<Piece>) -> usize {
        let mut left = pieces[self.pieces..].to_vec();
        if let Some(first) = left.first_mut() {
            first.start += self.offset;
        }
        let bytes = left.iter().map(Piece::len).sum();
        left.append(waiting);
        *waiting = left;
        bytes
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fake::{FakeWire, Step, Step::*, line};

    /// Pushes these lines through a wire with these steps: what it got, and what
    /// was put back, before something that waited.
    fn pushed(steps: &[Step], lines: &[&str]) -> (Pushed, String, String) {
        let wire = FakeWire::new(steps.iter().copied());
        let pieces: Vec<_> = lines.iter().map(|text| line(text)).collect();
        let pushed = push(&wire, &pieces).unwrap();
        let mut waiting = vec![line("later")];
        let bytes = pushed.put_back(&pieces, &mut waiting);
        let left: Vec<u8> = waiting.iter().flat_map(|piece| piece.as_slice().to_vec()).collect();
        let left = String::from_utf8(left).unwrap();
        assert_eq!(bytes + "later\n".len(), left.len());
        (pushed, wire.text(), left)
    }

    #[test]
    fn what_does_not_fit_is_put_back_in_front_to_the_byte() {
        for fits in 1..8 {
            let (pushed, text, left) = pushed(&[Takes(fits), Full], &["one", "two"]);
            assert!(pushed.stalled);
            assert_eq!(text, "one\ntwo\n"[..fits]);
            assert_eq!(left, "one\ntwo\nlater\n"[fits..]);
        }
    }

    #[test]
    fn it_goes_on_until_the_wire_is_full_however_little_it_takes_at_once() {
        let (pushed, text, left) = pushed(&[Takes(1); 8], &["one", "two"]);
        assert!(!pushed.stalled);
        assert_eq!((text.as_str(), left.as_str()), ("one\ntwo\n", "later\n"));
    }

    #[test]
    fn more_pieces_than_one_call_takes_are_all_pushed() {
        let lines: Vec<_> = (0..5 * AT_ONCE).map(|n| n.to_string()).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let (_, text, left) = pushed(&[], &lines);
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
        assert_eq!(left, "later\n");
    }

    #[test]
    fn what_the_wire_holds_inside_is_a_stall_too() {
        let (pushed, text, left) = pushed(&[Holds(8)], &["one", "two"]);
        assert!(pushed.stalled);
        assert_eq!((text.as_str(), left.as_str()), ("one\ntwo\n", "later\n"));
    }

    #[test]
    fn a_broken_wire_is_an_error() {
        assert!(push(&FakeWire::new([Takes(2), Broken]), &[line("hello")]).is_err());
    }
}
