//! The handshake: from a TCP connection to an encrypted one, or to a reason why
//! not, before a deadline.

use super::engine::{Engine, Side};
use super::stream::TlsStream;
use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, recv};
use rustls::{Error as TlsError, InvalidMessage};
use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

/// Why there is no encrypted connection. What it says is about the other side
/// in general; [`error_text`](super::error_text) has it for servers' logs and for people.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// What came first was no TLS.
    #[error("speaks no TLS")]
    NotTls,
    /// Not a byte came in time.
    #[error("said nothing in time")]
    Silent,
    /// It has begun, and was not done in time.
    #[error("did not finish the handshake in time")]
    TooSlow,
    /// So many shake hands that the computing for this one had no turn in time.
    #[error("had no turn in time: too many handshakes at once")]
    Crowded,
    /// It closed the connection before the end of the handshake.
    #[error("left during the handshake")]
    Left,
    /// TLS says no, on this side or, as an alert, on the other.
    #[error(transparent)]
    Tls(TlsError),
    /// The connection broke off.
    #[error(transparent)]
    Lost(io::Error),
}

/// Who does the computing, of which a handshake needs a lot: a server bounds how
/// many do that at once.
pub(super) trait Computer {
    /// What `work` returns.
    fn compute<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R, HandshakeError>;
}

/// Shakes hands until `deadline` at the latest. A time-out of the socket begins
/// anew with every byte; this one does not.
pub(super) fn shake_hands(
    socket: &Arc<TcpStream>,
    deadline: Instant,
    side: impl FnOnce() -> Result<Side, TlsError> + Send,
    computer: &impl Computer,
) -> Result<TlsStream, HandshakeError> {
    let begin = || {
        let mut engine = Engine::new(side()?);
        engine.advance().map(|()| engine)
    };
    let mut engine = computer.compute(begin)?.map_err(HandshakeError::Tls)?;
    let mut heard = false;
    loop {
        write(socket, &mut engine, deadline)?;
        if !engine.common().is_handshaking() {
            break;
        }
        match read(socket, &mut engine, deadline) {
            Ok(0) => return Err(HandshakeError::Left),
            Err(HandshakeError::TooSlow) if !heard => return Err(HandshakeError::Silent),
            read => read?,
        };
        if let Err(error) = computer.compute(|| engine.advance())? {
            if !heard && is_no_record(&error) {
                return Err(HandshakeError::NotTls);
            }
            // The alert says why.
            let _ = write(socket, &mut engine, deadline);
            return Err(HandshakeError::Tls(error));
        }
        heard = true;
    }
    socket
        .set_read_timeout(None)
        .and_then(|()| socket.set_write_timeout(None))
        .map_err(HandshakeError::Lost)?;
    engine.rest();
    Ok(TlsStream::new(socket.clone(), Box::new(engine)))
}

/// Whose first bytes are not even the form of a record has another protocol in
/// mind.
fn is_no_record(error: &TlsError) -> bool {
    use InvalidMessage as Invalid;
    let TlsError::InvalidMessage(error) = error else { return false };
    matches!(
        error,
        Invalid::InvalidContentType
            | Invalid::UnknownProtocolVersion
            | Invalid::MessageTooLarge
            | Invalid::InvalidEmptyPayload
    )
}

fn write(socket: &TcpStream, engine: &mut Engine, deadline: Instant) -> Result<(), HandshakeError> {
    let mut out = std::mem::take(&mut engine.outgoing);
    let mut to = socket;
    while !out.is_empty() {
        socket.set_write_timeout(Some(left(deadline)?)).map_err(HandshakeError::Lost)?;
        match to.write(&out) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            written => drop(out.drain(..written.map_err(failed)?)),
        }
    }
    Ok(())
}

/// What is read at once: a client's first message, or a server's.
const MESSAGE: usize = 2 << 10;

fn read(socket: &TcpStream, engine: &mut Engine, deadline: Instant) -> Result<usize, HandshakeError> {
    let incoming = engine.incoming();
    incoming.reserve(MESSAGE);
    loop {
        socket.set_read_timeout(Some(left(deadline)?)).map_err(HandshakeError::Lost)?;
        match recv(socket, spare_capacity(incoming), RecvFlags::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            read => return read.map(|(_, n)| n).map_err(|e| failed(e.into())),
        }
    }
}

fn left(deadline: Instant) -> Result<std::time::Duration, HandshakeError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(HandshakeError::TooSlow) } else { Ok(left) }
}

fn failed(error: io::Error) -> HandshakeError {
    match error.kind() {
        // Both are what a socket says whose time is over (recv(2)).
        ErrorKind::WouldBlock | ErrorKind::TimedOut => HandshakeError::TooSlow,
        _ => HandshakeError::Lost(error),
    }
}
