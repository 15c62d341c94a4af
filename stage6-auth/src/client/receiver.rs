//! The client's receiver thread: it shows what comes, over one connection after another.
//!
//! It owns the connection. On each one it logs in first, and then shows line by line
//! until the connection ends. A connection that was lost is replaced by a new one, after
//! pauses that grow (exponential back-off, with jitter). What the stages do differently,
//! each of them says in its [`ClientLogic`].

use crate::client::connection::Reader;
use crate::client::login::{LoginClient, LoginEvent};
use crate::client::send_queue::{ClientSession, SendQueue};
use anyhow::{Context, bail};
use common::terminal::Output;
use stage2_echo::line::{self, LineReader, Received};
use stage4_multichat::client::MAX_FROM_SERVER;
use stage4_multichat::transport::Transport;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The first pause before an attempt, and the longest. Each is about twice as
/// long as the one before, so that a server that has trouble gets less of it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the client of one stage does on the receiver thread.
pub trait ClientLogic: Send {
    /// Makes a new connection to the same server.
    ///
    /// # Errors
    /// Why it could not be made.
    fn connect(&self) -> anyhow::Result<Arc<dyn Transport>>;

    /// Returns `true` if `error`, from [`connect`](Self::connect), will be the same at
    /// every later attempt.
    fn is_final(&self, _error: &anyhow::Error) -> bool {
        false
    }

    /// The text of a line that was received: here the line itself.
    ///
    /// # Errors
    /// When it was not sent by a server that this client can talk to. Nothing of it is
    /// shown.
    fn open(&self, line: &str) -> anyhow::Result<String> {
        Ok(line.to_owned())
    }

    /// The user is logged in. What was typed is sent after this.
    ///
    /// # Errors
    /// When the client cannot go on.
    fn logged_in(&self, _session: &ClientSession) -> anyhow::Result<()> {
        Ok(())
    }

    /// The lines to be shown in place of one that came after the login: here the same.
    fn received(&self, text: String) -> Vec<String> {
        vec![text]
    }

    /// Shows a line, after the login.
    ///
    /// # Errors
    /// When standard output is closed.
    fn show(&self, text: &str) -> anyhow::Result<()>;

    /// There will be no other connection. Returns the lines that are still to be shown.
    fn end(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What the receiver thread owns.
pub struct Receiver<L> {
    /// What this stage does.
    pub logic: L,
    /// Answers the server until the user is logged in.
    pub login: LoginClient,
    /// What was typed; shared with the main thread and the sender thread.
    pub queue: Arc<SendQueue>,
    /// Where lines are shown; shared with the main thread.
    pub output: Output,
}

/// How a connection ended.
enum Ended {
    /// In good order, or it broke off.
    Closed(io::Result<()>),
    /// The user may log in on another one.
    Refused,
}

impl<L: ClientLogic> Receiver<L> {
    /// The receiver thread. When the server has closed, the program ends with it, even
    /// if the main thread waits for a key.
    pub fn run(mut self, connection: Arc<dyn Transport>) -> ! {
        match self.receive_all(connection) {
            Ok(()) if self.output.interactive() => self.output.hint("The connection is closed."),
            Ok(()) => {}
            Err(e) => self.output.fail(&e),
        }
        self.output.exit(0)
    }

    fn receive_all(&mut self, mut connection: Arc<dyn Transport>) -> anyhow::Result<()> {
        // Attempts to connect since the last login: the pauses between them grow.
        let mut attempts = 0;
        loop {
            self.queue.connected(&connection);
            self.login.begin();
            let ended = self.receive(&*connection, &mut attempts)?;
            // Lost is a connection that neither side meant to end. From now on nothing
            // leaves the queue.
            let lost = self.queue.disconnected();
            // After a refused login at once, since the user waits; after a lost
            // connection with pauses, since a thousand clients may have lost theirs.
            let next = match &ended {
                Ended::Refused => Some(self.logic.connect()?),
                _ if lost => self.reconnect(&mut attempts)?,
                _ => None,
            };
            if let Some(next) = next {
                connection = next;
                continue;
            }
            self.logic.end().iter().try_for_each(|text| self.logic.show(text))?;
            // What was typed and not sent is an error, or a script would not notice.
            self.queue.require_all_sent()?;
            return match ended {
                Ended::Closed(Err(e)) if !lost => Err(e).context("the connection broke off"),
                _ => Ok(()),
            };
        }
    }

    /// A new connection, after one attempt or many; `None` when it is no longer wanted.
    fn reconnect(&self, attempts: &mut u32) -> anyhow::Result<Option<Arc<dyn Transport>>> {
        if *attempts == 0 {
            self.output.hint("The connection is lost. Reconnecting; what you type is sent then.");
        }
        loop {
            let pause = LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.saturating_pow((*attempts).min(16)));
            *attempts += 1;
            // Not all clients of a server that was started again at the same moment.
            let jitter = rand::random_range(0.75..1.0);
            if !self.queue.pause(pause.mul_f64(jitter)) {
                return Ok(None);
            }
            match self.logic.connect() {
                Ok(connection) => return Ok(Some(connection)),
                Err(e) if self.logic.is_final(&e) => return Err(e),
                Err(_) => {}
            }
        }
    }

    /// Shows line by line until the connection ends: first the login, then the room.
    fn receive(&mut self, connection: &dyn Transport, attempts: &mut u32) -> anyhow::Result<Ended> {
        // A connection of its own, and so a buffer of its own: half a line that came
        // before the connection broke is not a line.
        let mut lines = LineReader::with_limit(Reader(connection), MAX_FROM_SERVER);
        let mut logged_in = false;
        loop {
            let line = match lines.next() {
                Ok(Received::Line(line)) => line,
                Ok(Received::NotUtf8) => {
                    // Where lines are sealed, it ends the client: it cannot be opened.
                    self.output.hint(&self.logic.open("(a line that is not valid UTF-8)")?);
                    continue;
                }
                Ok(Received::TooLong) => bail!("the server sent a line above {MAX_FROM_SERVER} bytes"),
                // The server did not wait for the answer that was just typed.
                Ok(Received::End) | Err(_) if self.login.may_try_again() => return Ok(Ended::Refused),
                Ok(Received::End) => return Ok(Ended::Closed(Ok(()))),
                Err(e) => return Ok(Ended::Closed(Err(e))),
            };
            let text = self.logic.open(line)?;
            if text == line::DISCONNECT {
                return Ok(Ended::Closed(Ok(())));
            }
            if logged_in {
                self.queue.on_server_line(&text);
                self.logic.received(text).iter().try_for_each(|text| self.logic.show(text))?;
                continue;
            }
            // Until here the server has not let the user in, and what is typed for the
            // room stays in the queue.
            match self.login.on_line(&text)? {
                LoginEvent::Pending => {}
                LoginEvent::LoggedIn(session) => {
                    (logged_in, *attempts) = (true, 0);
                    self.logic.logged_in(&session)?;
                    // And now the queue goes out, on this connection.
                    self.queue.logged_in(session);
                }
                LoginEvent::Refused => return Ok(Ended::Refused),
                LoginEvent::Leave => return Ok(Ended::Closed(Ok(()))),
            }
        }
    }
}
