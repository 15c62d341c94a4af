//! A client's lines, read and opened.

use crate::envelope::Envelope;
use stage2_echo::line::{self, LineReader, Received};
use std::io::{self, Read};

/// The last line to a client whose line could not be opened. A client that has the
/// key never sends such a line.
pub const REJECTED: &str = "[SERVER] error: message rejected";

/// A client's line.
pub enum ClientLine {
    /// A text, without a line end.
    Text(String),
    /// Not a line of this protocol: the connection ends, with this as its last line.
    Invalid(&'static str),
    /// The client has finished.
    End,
}

/// Reads the next line that is not empty, and opens it.
///
/// # Errors
/// When the connection breaks, or its deadline is over.
pub fn read_line<R: Read>(lines: &mut LineReader<R>, envelope: &Envelope) -> io::Result<ClientLine> {
    loop {
        return Ok(match lines.next()? {
            Received::Line("") => continue,
            Received::Line(sealed) => match envelope.open(sealed) {
                // A text with a line end would be two lines for the next reader, and
                // the second could begin with any user's name.
                Ok(text) if !text.contains('\n') => ClientLine::Text(text),
                _ => ClientLine::Invalid(REJECTED),
            },
            Received::NotUtf8 => ClientLine::Invalid(REJECTED),
            Received::TooLong => ClientLine::Invalid(line::TOO_LONG),
            Received::End => ClientLine::End,
        });
    }
}
