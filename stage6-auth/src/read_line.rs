//! A client's lines, read and opened.

use crate::auth::Lines;
use crate::envelope::Envelope;
use stage2_echo::line::{self, Received};
use std::io;

/// The last line to a client whose line could not be opened. A client that has the
/// key never sends such a line.
pub const REJECTED: &str = "[SERVER] error: message rejected";

/// Why nothing more is read from a client.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A line that this protocol does not have. Where the next line begins, or by which key
    /// it is sealed, cannot be known: the connection ends, with this text as its last line.
    #[error("{0}")]
    Invalid(&'static str),
    /// The connection broke, or its deadline is over.
    #[error(transparent)]
    Lost(#[from] io::Error),
}

/// Reads the next line that is not empty, and opens it: a text without a line end.
/// `None`: the client has finished.
///
/// # Errors
/// [`ReadError`].
pub fn read_line(lines: &mut Lines, envelope: &Envelope) -> Result<Option<String>, ReadError> {
    loop {
        return match lines.next()? {
            Received::Line("") => continue,
            Received::Line(sealed) => match envelope.open(sealed) {
                // A text with a line end would be two lines for the next reader, and
                // the second could begin with any user's name.
                Ok(text) if !text.contains('\n') => Ok(Some(text)),
                _ => Err(ReadError::Invalid(REJECTED)),
            },
            Received::NotUtf8 => Err(ReadError::Invalid(REJECTED)),
            Received::TooLong => Err(ReadError::Invalid(line::TOO_LONG)),
            Received::End => Ok(None),
        };
    }
}
