//! Lines at the server, which TLS has opened already.

use crate::tls::TlsStream;
use stage2_echo::line::{self, LineReader, Received};
use stage4_multichat::outbox::Outbox;
use stage6_auth::auth::{ClientLine, DeadlineReader};
use std::io;
use std::sync::Arc;

/// As [`hear`], for somebody who is in and may be silent for hours. It waits here,
/// and not down there: from here, the thread's stack has two pages, from there three.
///
/// # Errors
/// What the connection says.
pub fn listen(
    lines: &mut LineReader<&DeadlineReader<'_, TlsStream>>,
    outbox: &Arc<Outbox<TlsStream>>,
) -> io::Result<ClientLine> {
    if !lines.has_buffered_line() && !outbox.wire().holds_more() {
        // What came of it, reading finds out.
        let _ = outbox.wire().wait();
    }
    hear(lines, outbox)
}

/// The next line that is one. Whoever sends something else is told so through its
/// `outbox`, and can go on: unlike in stage 6, that says nothing about who it is.
///
/// # Errors
/// What the connection says.
#[inline(never)]
pub fn hear(
    lines: &mut LineReader<&DeadlineReader<'_, TlsStream>>,
    outbox: &Arc<Outbox<TlsStream>>,
) -> io::Result<ClientLine> {
    loop {
        return Ok(match lines.next()? {
            Received::Line("") => continue,
            Received::Line(text) => ClientLine::Text(text.to_owned()),
            Received::NotUtf8 => {
                outbox.send_line(line::NOT_UTF8);
                continue;
            }
            Received::TooLong => ClientLine::Invalid(line::TOO_LONG),
            Received::End => ClientLine::End,
        });
    }
}
