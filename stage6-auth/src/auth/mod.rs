//! Authentication: which user a client is, within a bounded time.

mod accepted_connection;
mod args;
pub mod login_protocol;
mod pending_logins;

pub use accepted_connection::{AcceptedConnection, Lines};
pub use args::AuthArgs;
pub use pending_logins::{PendingLogin, PendingLogins};

use crate::accounts::{AccountError, Accounts};
use crate::read_line::ReadError;
use crate::sessions::{Session, SessionTokens};
use crate::store::StoreError;
use common::log::Log;
use login_protocol::{AUTH_REQUIRED, Action, Command, LoginProtocol, PasswordLogin, Request};
use stage4_multichat::limits::ClientSlot;
use stage4_multichat::outbox::Outbox;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use zeroize::Zeroizing;

/// Why a client was not logged in.
#[derive(Debug, Error)]
pub enum LoginError {
    /// A line that the login does not have.
    #[error("{0}")]
    Malformed(&'static str),
    /// Name or password; or the database.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The token is unknown, or its session has ended.
    #[error("session unknown or over, log in again")]
    NoSession,
    /// The login took too long.
    #[error("not logged in within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The client left.
    #[error("has left")]
    Left,
    /// A client with this name is in the room, and stays there.
    #[error("already logged in")]
    NameInUse,
    /// Its line could not be opened, or was too long. The answer is not AUTH_FAILED.
    #[error("{0}")]
    InvalidLine(&'static str),
    /// More connections than the server takes; or a new connection has got the slot
    /// of this one. The slot is that of a client that is told so, until its connection is
    /// closed.
    #[error("server is full")]
    ServerFull(Option<ClientSlot>),
    /// The connection broke off.
    #[error("{0}")]
    Lost(io::Error),
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        LoginError::Account(error.into())
    }
}

impl LoginError {
    /// The last line for the client, if it is still there.
    pub fn answer(&self) -> Option<String> {
        match self {
            LoginError::Left | LoginError::Lost(_) => None,
            LoginError::InvalidLine(line) => Some((*line).to_owned()),
            LoginError::ServerFull(_) => Some(format!("[SERVER] error: {self}")),
            reason => Some(format!("AUTH_FAILED {reason}")),
        }
    }

    /// The text for the log: more than the client is told.
    pub fn for_the_log(&self) -> String {
        match self {
            LoginError::Account(AccountError::Store(error)) => error.to_string(),
            reason => reason.to_string(),
        }
    }
}

/// The stack of a login thread: a hash and a query go deep into it. More than four times
/// that of a reader thread, so that none of its used pages can become a reader thread's;
/// see [`Workers::spawn`](stage3_threads::workers::Workers::spawn).
pub const LOGIN_STACK: usize = 2 << 20;

/// The stack of a reader thread: twice that of stage 4, since some lines ask the
/// database. What a thread has used of its stack stays in memory until the thread ends. A
/// login uses 20 KiB, and then the client may listen for hours: so its reader is a new
/// thread with a small stack, and the login thread ends.
pub const READER_STACK: usize = 256 << 10;

/// Logs clients in. Made by [`AuthArgs::authenticator`].
pub struct Authenticator {
    accounts: Accounts,
    tokens: Arc<SessionTokens>,
    /// How long a login may take.
    pub timeout: Duration,
    log: Log,
}

impl Authenticator {
    /// Asks for a name and a proof, and checks them. `read_line` gives the client's
    /// next line; the questions go to its `outbox`.
    ///
    /// # Errors
    /// Why the client is not logged in. It has not been told so yet.
    pub fn authenticate(
        &self,
        read_line: impl FnMut() -> Result<Option<String>, ReadError>,
        outbox: &Arc<Outbox>,
        peer: SocketAddr,
        deadline: Instant,
    ) -> Result<Session, LoginError> {
        let PasswordLogin { command, name, password } = match self.ask(read_line, outbox)? {
            Request::Password(credentials) => credentials,
            Request::Resume(token) => {
                let user = self.tokens.user_of(&token)?.ok_or(LoginError::NoSession)?;
                return Ok(Session { resumed: true, ..Session::new(user, token, peer, outbox) });
            }
        };
        let (user, what) = match command {
            Command::Login => {
                let user = self.accounts.login(&name, &password, peer.ip(), deadline);
                (user.inspect_err(|error| self.log_failure(error, peer))?, "logged in")
            }
            Command::Register => {
                (self.accounts.register(&name, &password, peer.ip(), deadline)?, "registered")
            }
        };
        self.log.info(format_args!("{} {what} from {peer}", user.name));
        let token = self.tokens.start(&user)?;
        Ok(Session::new(user, token, peer, outbox))
    }

    fn ask(
        &self,
        mut read_line: impl FnMut() -> Result<Option<String>, ReadError>,
        outbox: &Arc<Outbox>,
    ) -> Result<Request, LoginError> {
        outbox.send_line(AUTH_REQUIRED);
        let mut protocol = LoginProtocol::default();
        loop {
            let line = read_line().map_err(|error| match error {
                ReadError::Invalid(answer) => LoginError::InvalidLine(answer),
                ReadError::Lost(error) if error.kind() == io::ErrorKind::TimedOut => {
                    LoginError::TooSlow(self.timeout)
                }
                ReadError::Lost(error) => LoginError::Lost(error),
            })?;
            // It may be a password.
            let line = Zeroizing::new(line.ok_or(LoginError::Left)?);
            match protocol.line(&line) {
                Action::Ask(question) => outbox.send_line(question),
                Action::Ignore => {}
                Action::Check(request) => return Ok(request),
                Action::Quit => return Err(LoginError::Left),
                Action::Fail(why) => return Err(LoginError::Malformed(why)),
            }
        }
    }

    /// Logs a wrong password, with the name if it is that of an account, since an
    /// administrator has to know which one is attacked. Any other name may be a
    /// password that was typed in the wrong place.
    fn log_failure(&self, error: &AccountError, peer: SocketAddr) {
        if let AccountError::WrongNameOrPassword { registered } = error {
            let name = registered.as_deref().unwrap_or("an unknown name");
            self.log.warn(format_args!("{name} not logged in from {peer}: {error}"));
        }
    }
}
