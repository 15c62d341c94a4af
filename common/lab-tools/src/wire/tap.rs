//! The tap: a pair of sockets between a client and a server, and a thread that
//! carries bytes from one to the other and never changes one.
//!
//! It has to be one thread for both directions. With a thread each, the one that
//! waits until the server takes more would not notice that the client has reset
//! its connection, and the server would be told too late or never. And what a
//! side does other than sending bytes is passed on as well: a half-close as a
//! half-close, a reset as a reset, and to be slow as being slow.
//!
//! What a network does to connections can be done to those through a tap: see [`Link`].

mod end;
mod link;

pub use end::reset_at_close;
pub use link::Link;

use end::End;
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::thread;

/// One end of a connection, as seen from the tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one that has connected.
    Client,
    /// The one that was connected to.
    Server,
}

impl Side {
    /// Both, the client first.
    pub const BOTH: [Side; 2] = [Side::Client, Side::Server];

    /// The one at the other end.
    pub fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// What a side did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SideEvent<'a> {
    /// It sent these.
    Sent(&'a [u8]),
    /// It will send nothing more: a FIN.
    Ended,
    /// It has broken the connection off: an RST.
    Reset,
}

/// Bytes that are taken from one side at once. No more is held for a side that
/// is slow to take them.
const PIECE: usize = 64 * 1024;

/// Carries bytes between `client` and `server` until both have ended or one has
/// reset, over a `link` that may be disturbed, if there is one. Each thing is told to
/// `see` before the other side gets it, so that an answer is never seen before its
/// question.
///
/// # Errors
/// When a socket cannot be set up; both are closed then.
pub fn carry(
    client: TcpStream,
    server: TcpStream,
    link: Option<&Link>,
    mut see: impl FnMut(Side, SideEvent<'_>),
) -> io::Result<()> {
    let losses = link.map_or(0, Link::losses);
    let mut pair = Pair { ends: [End::new(client)?, End::new(server)?], link, losses, see: &mut see };
    let begun = link.map(Link::resets);
    let half_closes = link.map(Link::half_closes);
    let mut piece = vec![0; PIECE];
    while !pair.is_over() {
        if link.map(Link::resets) != begun {
            pair.reset();
            break;
        }
        if pair.carries_nothing() {
            thread::sleep(Link::POLL_INTERVAL);
            continue;
        }
        if link.map(Link::half_closes) != half_closes {
            pair.half_close();
        }
        if pair.poll_once(&mut piece)? == PollResult::Reset {
            pair.reset();
            break;
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum PollResult {
    Continue,
    /// A side has reset; the other is to be reset as well.
    Reset,
}

struct Pair<'a> {
    ends: [End; 2],
    link: Option<&'a Link>,
    /// How often the link had lost its connections when this one began.
    losses: u64,
    see: &'a mut dyn FnMut(Side, SideEvent<'_>),
}

impl Pair<'_> {
    fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.ended && end.waiting.is_empty())
    }

    /// The link is frozen or down, or has lost this connection.
    fn carries_nothing(&self) -> bool {
        self.link.is_some_and(|link| link.is_closed() || link.losses() != self.losses)
    }

    fn end(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    /// Returns `true` if a side takes nothing more and nothing more will be read from
    /// it.
    fn is_gone(&self, side: Side) -> bool {
        let (end, other) = (&self.ends[side as usize], &self.ends[side.other() as usize]);
        end.broken && (end.ended || other.broken)
    }

    /// What to wait for at one side. Nothing is read from a side before the
    /// other has taken what it sent: that is how slowness is passed on.
    fn wants(&self, side: Side) -> PollFlags {
        let (end, other) = (&self.ends[side as usize], &self.ends[side.other() as usize]);
        let mut wants = PollFlags::empty();
        let is_blocked = side == Side::Server && self.link.is_some_and(Link::blocks_answers);
        if !end.ended && !is_blocked && other.waiting.is_empty() && !other.broken {
            wants |= PollFlags::IN;
        }
        if !end.waiting.is_empty() {
            wants |= PollFlags::OUT;
        }
        wants
    }

    /// Waits until something can be done, and does it.
    fn poll_once(&mut self, piece: &mut [u8]) -> io::Result<PollResult> {
        if let Some(gone) = Side::BOTH.into_iter().find(|side| self.is_gone(*side)) {
            return Ok(self.saw_reset(gone));
        }
        let asked = Side::BOTH.map(|side| (side, self.wants(side)));
        // A side from which nothing is wanted is watched for a reset, but not
        // one that has hung up already: that would be a loop without a pause.
        let asked = asked.into_iter().filter(|(side, wants)| !wants.is_empty() || !self.end(*side).hung_up);
        let asked: Vec<_> = asked.collect();
        let mut fds: Vec<_> = asked
            .iter()
            .map(|(side, wants)| PollFd::new(&self.ends[*side as usize].stream, *wants))
            .collect();
        match poll(&mut fds, self.link.map(|_| Link::POLL_TIMEOUT).as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(PollResult::Continue),
            done => done?,
        };
        // While this waited, the link may have been frozen or reset, or have lost this.
        if self.carries_nothing() {
            return Ok(PollResult::Continue);
        }
        let found: Vec<_> = fds.iter().map(PollFd::revents).collect();
        for ((side, wants), found) in asked.into_iter().zip(found) {
            if self.serve(side, wants, found, piece) == PollResult::Reset {
                return Ok(PollResult::Reset);
            }
        }
        Ok(PollResult::Continue)
    }

    fn serve(&mut self, side: Side, wants: PollFlags, found: PollFlags, piece: &mut [u8]) -> PollResult {
        let bad = found.intersects(PollFlags::ERR | PollFlags::NVAL);
        self.end(side).hung_up |= found.contains(PollFlags::HUP);
        if found.intersects(PollFlags::OUT | PollFlags::ERR) && wants.contains(PollFlags::OUT) {
            self.end(side).write();
        }
        // What was sent before a reset can still be read, and the error after it.
        if wants.contains(PollFlags::IN) && (bad || found.intersects(PollFlags::IN | PollFlags::HUP)) {
            return self.read(side, piece);
        }
        match bad {
            true => self.saw_reset(side),
            false => PollResult::Continue,
        }
    }

    fn read(&mut self, side: Side, piece: &mut [u8]) -> PollResult {
        let length = self.link.map_or(piece.len(), |link| link.piece(piece.len()));
        let end = self.end(side);
        match end.stream.read(&mut piece[..length]) {
            // The end of what one could read from a side that takes nothing more.
            Ok(0) if end.broken => self.saw_reset(side),
            Ok(0) => {
                self.ends_sending(side);
                PollResult::Continue
            }
            Ok(n) => {
                (self.see)(side, SideEvent::Sent(&piece[..n]));
                self.link.into_iter().for_each(|link| link.delay(n));
                let other = self.end(side.other());
                other.waiting.extend_from_slice(&piece[..n]);
                // It will take them at once nearly always.
                other.write();
                PollResult::Continue
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                PollResult::Continue
            }
            Err(_) => self.saw_reset(side),
        }
    }

    /// Ends what comes from the client, behind what the server has still to take.
    fn half_close(&mut self) {
        if !self.end(Side::Client).ended && self.end(Side::Server).waiting.is_empty() {
            self.ends_sending(Side::Client);
        }
    }

    /// Nothing more comes from this side.
    fn ends_sending(&mut self, side: Side) {
        self.end(side).ended = true;
        (self.see)(side, SideEvent::Ended);
        // It fails where that side has reset; the next poll finds that.
        let _ = self.end(side.other()).stream.shutdown(Shutdown::Write);
    }

    fn saw_reset(&mut self, side: Side) -> PollResult {
        (self.see)(side, SideEvent::Reset);
        PollResult::Reset
    }

    /// A socket that is closed while it would linger for no time sends an RST.
    fn reset(&self) {
        for end in &self.ends {
            reset_at_close(&end.stream);
        }
    }
}

#[cfg(test)]
mod tests;
