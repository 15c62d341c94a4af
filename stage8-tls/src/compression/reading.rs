//! The receiving direction: first the agreement, then a stream of deflate.

use super::AGREEMENT;
use super::writing::Writing;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, ErrorKind};

/// A client may not make more bytes than so many from each that it sends. Deflate comes
/// to 1032. A client that flushes after each line does not come to 256, not even with
/// lines of 4096 equal letters.
const MAX_RATIO: u64 = 256;

/// What came from the other side, and what it is.
pub(super) struct Reading {
    expected: Expected,
    /// Came from below and is not used yet: what one read gave.
    received: Vec<u8>,
    /// What was handed out last ended a line.
    at_line_start: bool,
    /// Nothing more comes from below.
    ended: bool,
}

/// What the next bytes from the other side are.
pub(super) enum Expected {
    /// At the client: the offer, or the first line of a server that offers nothing.
    Offer,
    /// At the client, after it has accepted: plain lines, and then the confirmation.
    Confirmation,
    /// At the server: the acceptance, or the first line of a client that does not want it.
    Acceptance,
    /// Lines, to the end.
    Plain,
    /// A stream of deflate.
    Compressed {
        inflate: Decompress,
        /// The most bytes from one, on average.
        max_ratio: u64,
    },
}

impl Reading {
    pub(super) fn new(expected: Expected) -> Self {
        Reading { expected, received: Vec::new(), at_line_start: true, ended: false }
    }

    /// Takes in what came from below; nothing is the end.
    pub(super) fn add(&mut self, received: &[u8]) {
        self.received.extend_from_slice(received);
        self.ended |= received.is_empty();
    }

    /// Reads what has come. Returns `None` if more has to come first, and 0 at the end.
    /// `writing` is compressed from the moment at which the other side agrees.
    ///
    /// # Errors
    /// When what came is no stream of deflate, or a compression bomb.
    pub(super) fn take(&mut self, into: &mut [u8], writing: &mut Writing) -> io::Result<Option<usize>> {
        while self.at_line_start && self.waits_for_agreement() {
            if self.received.starts_with(AGREEMENT) {
                self.received.drain(..AGREEMENT.len());
                self.agree(writing);
                continue;
            }
            // Perhaps the beginning of that line.
            if AGREEMENT.starts_with(&self.received) && !self.ended {
                return Ok(None);
            }
            if let Expected::Confirmation = self.expected {
                break;
            }
            self.expected = Expected::Plain;
        }
        let n = match self.expected {
            Expected::Compressed { .. } => self.inflate(into)?,
            _ => self.copy(into),
        };
        Ok((n > 0 || self.ended).then_some(n))
    }

    fn waits_for_agreement(&self) -> bool {
        matches!(self.expected, Expected::Offer | Expected::Confirmation | Expected::Acceptance)
    }

    /// The other side has sent the line of the agreement.
    fn agree(&mut self, writing: &mut Writing) {
        let inflate = Decompress::new(false);
        match self.expected {
            Expected::Offer => {
                self.expected = Expected::Confirmation;
                writing.start();
            }
            Expected::Confirmation => {
                // A server sends its history in one piece, however often it repeats itself.
                self.expected = Expected::Compressed { inflate, max_ratio: u64::MAX };
            }
            _ => {
                self.expected = Expected::Compressed { inflate, max_ratio: MAX_RATIO };
                writing.start();
            }
        }
    }

    /// Plain bytes, one line at most: the next one may be the confirmation.
    fn copy(&mut self, into: &mut [u8]) -> usize {
        let line_end = self.received.iter().position(|byte| *byte == b'\n');
        let n = line_end.map_or(self.received.len(), |at| at + 1).min(into.len());
        into[..n].copy_from_slice(&self.received[..n]);
        self.received.drain(..n);
        self.at_line_start = into[..n].ends_with(b"\n");
        n
    }

    /// Makes no more bytes than `into` takes; the rest stays compressed. So a peer cannot
    /// fill the memory, and the reader of lines above finds a line that is too long as ever.
    fn inflate(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Expected::Compressed { inflate, max_ratio } = &mut self.expected else { return Ok(0) };
        let (read, made) = (inflate.total_in(), inflate.total_out());
        let status = inflate
            .decompress(&self.received, into, FlushDecompress::None)
            .map_err(|_| invalid("what came is not compressed with deflate"))?;
        // Lines cost time, and these would cost the peer nothing. A connection may begin
        // with a few long ones.
        if inflate.total_out() > max_ratio.saturating_mul(inflate.total_in() + 256) {
            return Err(invalid("a compression bomb: a few bytes become far too many"));
        }
        self.received.drain(..(inflate.total_in() - read) as usize);
        let n = (inflate.total_out() - made) as usize;
        if status == Status::StreamEnd {
            // The peer ends the stream itself, before TLS does. What follows means nothing.
            self.received.clear();
            (self.expected, self.ended) = (Expected::Plain, true);
        }
        Ok(n)
    }
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text)
}
