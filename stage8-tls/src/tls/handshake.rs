//! The handshake: from a TCP connection to an encrypted one, or to a reason why
//! not, before a deadline.

use super::handshake_error::HandshakeError;
use super::stream::TlsStream;
use rustix::event::PollFlags;
use rustls::{Connection, Error as TlsError, InvalidMessage};
use stage4_multichat::transport::wait_ready;
use stage6_auth::semaphore::Semaphore;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

/// Shakes hands until `deadline` at the latest. The time-out of a socket would start
/// again with each byte: a peer that sends one byte a second could take hours.
///
/// Each step of the computation needs a permit from `computing`, if there is one.
pub(super) fn shake_hands(
    socket: &Arc<TcpStream>,
    mut connection: Connection,
    deadline: Instant,
    computing: Option<&Semaphore>,
) -> Result<TlsStream, HandshakeError> {
    // From here on, no call on the socket waits: whatever has to wait does so in poll(2).
    socket.set_nonblocking(true).map_err(HandshakeError::Lost)?;
    let mut silent = true;
    loop {
        send(socket, &mut connection, deadline)?;
        if !connection.is_handshaking() {
            return Ok(TlsStream::new(socket.clone(), connection));
        }
        let received = retry(socket, PollFlags::IN, deadline, || connection.read_tls(&mut &**socket));
        match received {
            Ok(0) => return Err(HandshakeError::Left),
            Ok(_) => silent = false,
            Err(HandshakeError::TooSlow) if silent => return Err(HandshakeError::Silent),
            Err(error) => return Err(error),
        }
        let permit = match computing {
            Some(semaphore) => Some(semaphore.acquire(deadline).ok_or(HandshakeError::TooMany)?),
            None => None,
        };
        let processed = connection.process_new_packets();
        // The network may be slow, and a permit must not wait for it.
        drop(permit);
        if let Err(error) = processed {
            if connection.protocol_version().is_none() && is_no_record(&error) {
                return Err(HandshakeError::NotTls);
            }
            // rustls has an alert ready, which tells the peer the reason.
            let _ = send(socket, &mut connection, deadline);
            return Err(HandshakeError::Tls(error));
        }
    }
}

/// Returns `true` if what came does not even have the form of a TLS record (RFC 8446,
/// 5.1): the peer speaks another protocol.
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

/// Sends all that rustls has ready.
fn send(socket: &TcpStream, connection: &mut Connection, deadline: Instant) -> Result<(), HandshakeError> {
    while connection.wants_write() {
        retry(socket, PollFlags::OUT, deadline, || connection.write_tls(&mut &*socket))?;
    }
    Ok(())
}

/// Does what fails with `WouldBlock` again, each time the socket is ready for it.
fn retry(
    socket: &TcpStream,
    flags: PollFlags,
    deadline: Instant,
    mut attempt: impl FnMut() -> io::Result<usize>,
) -> Result<usize, HandshakeError> {
    loop {
        match attempt() {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            done => return done.map_err(HandshakeError::Lost),
        }
        wait_ready(socket.as_fd(), flags, Some(deadline)).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => HandshakeError::TooSlow,
            _ => HandshakeError::Lost(error),
        })?;
    }
}
