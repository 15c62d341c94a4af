//! The handshake: from a TCP connection to an encrypted one, or to a reason why
//! not, before a deadline.

use super::wire::TlsWire;
use rustls::{Connection, Error as TlsError, InvalidMessage};
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

/// Why there is no encrypted connection. What it says is about the other side
/// in general; [`words`](super::words) has it for servers' logs and for people.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
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

/// The computing part of a handshake: takes in what was read. Apart from the
/// rest, since a server bounds how many do this at once.
pub(super) type Compute<'a> = &'a dyn Fn(&mut Connection) -> Result<(), Failure>;

/// Shakes hands until `deadline` at the latest. A time-out of the socket begins
/// anew with every byte; this one does not.
pub(super) fn shake_hands(
    socket: &Arc<TcpStream>,
    mut connection: Box<Connection>,
    deadline: Instant,
    compute: Compute<'_>,
) -> Result<TlsWire, Failure> {
    let mut heard = false;
    while connection.is_handshaking() || connection.wants_write() {
        if connection.wants_write() {
            socket.set_write_timeout(Some(left(deadline)?)).map_err(Failure::Lost)?;
            connection.write_tls(&mut &**socket).map_err(failed)?;
            continue;
        }
        let read = read(socket, &mut connection, deadline);
        if read.map_err(|failure| if heard { failure } else { failure.of_the_silent() })? == 0 {
            return Err(Failure::Left);
        }
        let taken = compute(&mut connection);
        if taken.is_err() {
            // The alert says why, to those who understand it.
            let _ = connection.write_tls(&mut &**socket);
        }
        taken.map_err(|failure| if heard { failure } else { failure.of_the_first() })?;
        heard = true;
    }
    socket.set_read_timeout(None).and_then(|()| socket.set_write_timeout(None)).map_err(Failure::Lost)?;
    Ok(TlsWire::new(socket.clone(), connection))
}

fn read(socket: &Arc<TcpStream>, connection: &mut Connection, deadline: Instant) -> Result<usize, Failure> {
    loop {
        socket.set_read_timeout(Some(left(deadline)?)).map_err(Failure::Lost)?;
        match connection.read_tls(&mut &**socket) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            read => return read.map_err(failed),
        }
    }
}

fn left(deadline: Instant) -> Result<std::time::Duration, Failure> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Failure::TooSlow) } else { Ok(left) }
}

fn failed(error: io::Error) -> Failure {
    match error.kind() {
        // Both are what a socket says whose time is over (recv(2)).
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Failure::TooSlow,
        _ => Failure::Lost(error),
    }
}

impl Failure {
    fn of_the_silent(self) -> Failure {
        if matches!(self, Failure::TooSlow) { Failure::Silent } else { self }
    }

    /// Whose first bytes are not even the form of a record has another protocol
    /// in mind.
    fn of_the_first(self) -> Failure {
        match self {
            Failure::Tls(TlsError::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::InvalidEmptyPayload,
            )) => Failure::NotTls,
            other => other,
        }
    }
}
