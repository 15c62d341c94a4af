//! One client's connection, as the server has it: from its start to its end.

use super::{Authenticator, LoginError, PendingLogin};
use crate::read_line::ReadError;
use crate::sessions::{Presence, PresenceGuard};
use common::listener::{ConnectionGuard, Listener};
use common::log::Log;
use stage2_echo::line::{self, LineReader};
use stage4_multichat::outbox::{Outbox, OutboxConfig};
use stage4_multichat::transport::Transport;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The lines of a client, as they come.
pub type Lines = LineReader<DeadlineReader>;

/// One client's connection. The login thread hands it to the reader thread. It is closed
/// at once when this is dropped.
pub struct AcceptedConnection {
    /// What comes from the client, for one thread.
    pub lines: Lines,
    peer: SocketAddr,
    /// What is sent to the client, by any thread.
    outbox: Arc<Outbox>,
    /// By which the client has to be logged in.
    deadline: Instant,
    stream: Arc<TcpStream>,
    /// As long as it lives, the listener can end the client's input.
    _open: ConnectionGuard,
}

impl AcceptedConnection {
    /// A client that has `timeout` to log in. Lines are read from `transport` and
    /// written to it: it is the stream itself, or TLS over it.
    pub fn new(
        stream: &Arc<TcpStream>,
        transport: Arc<dyn Transport>,
        peer: SocketAddr,
        open: ConnectionGuard,
        outboxes: &Arc<OutboxConfig>,
        timeout: Duration,
    ) -> Self {
        let deadline = Instant::now() + timeout;
        AcceptedConnection {
            lines: LineReader::new(DeadlineReader { transport: transport.clone(), deadline: Some(deadline) }),
            peer,
            outbox: Outbox::new(transport, outboxes.clone()),
            deadline,
            stream: stream.clone(),
            _open: open,
        }
    }

    /// Lets the client in, if it can prove who it is. `read_line` reads its next line.
    ///
    /// # Errors
    /// Why it is not let in. It has not been told so yet.
    pub fn log_in(
        &mut self,
        pending: PendingLogin,
        auth: &Authenticator,
        presence: &Arc<Presence>,
        mut read_line: impl FnMut(&mut Lines, &Arc<Outbox>) -> Result<Option<String>, ReadError>,
    ) -> Result<PresenceGuard, LoginError> {
        let AcceptedConnection { peer, outbox, lines, deadline, .. } = self;
        let login = auth.authenticate(|| read_line(lines, outbox), outbox, *peer, *deadline);
        let (session, slot) = pending.finish(login)?;
        let session = Arc::new(session);
        // From here on the client has its name, and the room thread sends it what is said.
        let online = presence.enter(&session, slot, *deadline)?;
        // From here on the client may be silent for as long as it likes.
        lines.get_mut().deadline = None;
        Ok(online)
    }

    /// Says to a client why it is not let in, and closes its connection.
    pub fn turn_away(self, error: &LoginError, listener: &Listener, log: &Log) {
        let peer = self.peer;
        match error {
            LoginError::ServerFull(_) => log.warn(format_args!("{peer} turned away: {error}")),
            _ => log.warn(format_args!("{peer} not let in: {}", error.for_the_log())),
        }
        // A client that has left gets no answer.
        if let Some(answer) = error.answer() {
            self.outbox.send_line(&answer);
        } else if listener.stopping() {
            self.outbox.send_line(line::SHUTTING_DOWN);
        }
        self.outbox.close();
        self.close();
    }

    /// Takes a client out of the room, and closes its connection. `ended` says how its
    /// input ended.
    pub fn leave(
        self,
        mut online: PresenceGuard,
        ended: Result<(), ReadError>,
        listener: &Listener,
        log: &Log,
    ) {
        let name = &online.session().name;
        match ended {
            _ if self.outbox.is_overrun() => log.warn(format_args!("{name} does not read: disconnected")),
            Err(ReadError::Invalid(answer)) if !self.outbox.is_closing() => {
                log.warn(format_args!("{name} from {}: {answer}", self.peer));
                self.outbox.send_line(answer);
            }
            // A server that stops reads no further, so it cannot see how the client ends.
            Err(ReadError::Lost(error)) if !listener.stopping() => {
                log.info(format_args!("{name} lost: {error}"));
            }
            _ => {}
        }
        if listener.stopping() {
            // It stays for the last line, which comes after all that was said.
            online.wait_for_shutdown();
        }
        // It leaves after the last line that it has said, and this waits for that.
        drop(online);
        self.close();
    }

    /// Ends the connection, when its outbox is closed and the client has read
    /// what was sent to it, or did not read it in time.
    fn close(self) {
        if self.outbox.wait_closed() {
            line::lingering_close(&self.stream);
        }
    }
}

impl Drop for AcceptedConnection {
    fn drop(&mut self) {
        self.outbox.disconnect();
    }
}

/// Reads until a deadline, while there is one. The deadline is for all reads
/// together, so a client that sends a byte now and then gains no time.
pub struct DeadlineReader {
    transport: Arc<dyn Transport>,
    deadline: Option<Instant>,
}

impl Read for DeadlineReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.transport.read(into, self.deadline)
    }
}
