//! One client's connection, as the server has it: from its start to its end.

use super::{DeadlineReader, LoginError};
use crate::sessions::PresenceGuard;
use common::listener::{ConnectionGuard, Listener};
use common::log::Log;
use stage2_echo::line::{self, LineReader};
use stage4_multichat::outbox::{Outbox, OutboxConfig};
use stage4_multichat::transport::Transport;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a client that leaves, or that is disconnected, has to read what was
/// sent to it before.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// The lines of a client, as they come.
pub type Lines = LineReader<DeadlineReader>;

/// One client's connection. The login thread hands it to the reader thread.
pub struct AcceptedConnection {
    /// The client's address.
    pub peer: SocketAddr,
    /// What is sent to the client, by any thread.
    pub outbox: Arc<Outbox>,
    /// What comes from the client, for one thread.
    pub lines: Lines,
    /// By which the client has to be logged in.
    pub deadline: Instant,
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
            peer,
            outbox: Outbox::new(transport.clone(), outboxes.clone()),
            lines: LineReader::new(DeadlineReader::new(transport, deadline)),
            deadline,
            stream: stream.clone(),
            _open: open,
        }
    }

    /// Says to a client why it is not let in, and closes its connection.
    pub fn turn_away(self, error: &LoginError, listener: &Listener, log: &Log) {
        let peer = self.peer;
        match error {
            LoginError::ServerFull => log.warn(format_args!("{peer} turned away: {error}")),
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
    pub fn leave(self, mut online: PresenceGuard, ended: io::Result<()>, listener: &Listener, log: &Log) {
        let name = &online.session().name;
        // A server that stops reads no further, so it cannot see how the client ends.
        if self.outbox.is_overrun() {
            log.warn(format_args!("{name} does not read: disconnected"));
        } else if let Some(e) = ended.err().filter(|_| !listener.stopping()) {
            log.info(format_args!("{name} lost: {e}"));
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
    /// what was sent to it.
    fn close(self) {
        if self.outbox.wait_closed(FLUSH_TIMEOUT) {
            line::lingering_close(&self.stream);
        }
        // This is for a client that did not read in time.
        self.outbox.disconnect();
    }
}
