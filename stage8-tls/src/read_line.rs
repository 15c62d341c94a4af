//! Lines at the server, which TLS has decrypted already.

use stage2_echo::line::{self, Received};
use stage4_multichat::outbox::Outbox;
use stage6_auth::auth::Lines;
use stage6_auth::read_line::ReadError;
use std::sync::Arc;

/// Reads the next line that is not empty; `None` at the end. A client that sends bytes that are no UTF-8
/// is told so through its `outbox`, and can go on. (In stage 6 that was the end: such
/// bytes cannot come from a client that has the key. Here they say nothing about who
/// it is.)
///
/// # Errors
/// [`ReadError`]; a line is invalid if it is too long.
pub fn read_line(lines: &mut Lines, outbox: &Arc<Outbox>) -> Result<Option<String>, ReadError> {
    loop {
        return match lines.next()? {
            Received::Line("") => continue,
            Received::Line(text) => Ok(Some(text.to_owned())),
            Received::NotUtf8 => {
                outbox.send_line(line::NOT_UTF8);
                continue;
            }
            Received::TooLong => Err(ReadError::Invalid(line::TOO_LONG)),
            Received::End => Ok(None),
        };
    }
}
