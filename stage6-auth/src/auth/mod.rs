//! The door: from a connection to somebody with a name, within a bounded time.

mod args;
mod deadline_reader;
pub mod login_protocol;

pub use args::AuthArgs;
pub use deadline_reader::{ClientLine, DeadlineReader, REJECTED, read_line};

use crate::accounts::{Accounts, AuthError};
use crate::sessions::name_registry::NameInUse;
use crate::sessions::{SessionTokens, Token};
use crate::store::{Store, StoreError, User};
use common::log::Log;
pub use login_protocol::AUTH_REQUIRED;
use login_protocol::{Action, Credentials, LoginProtocol, Malformed, Request};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Why somebody did not come in.
#[derive(Debug, Error)]
pub enum LoginError {
    /// The dialogue was not followed.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Name or password; or the database.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The token is unknown, or its session has ended.
    #[error("session unknown or over, log in again")]
    NoSession,
    /// The dialogue took too long.
    #[error("not logged in within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// It left by itself.
    #[error("has left")]
    Left,
    /// Somebody of this name is in.
    #[error(transparent)]
    NameInUse(#[from] NameInUse),
    /// Its line was none: told so, in other words than AUTH_FAILED.
    #[error("{0}")]
    InvalidLine(&'static str),
    /// More connections than the server takes.
    #[error("server is full")]
    ServerFull,
    /// The connection broke off.
    #[error("{0}")]
    Lost(io::Error),
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        LoginError::Auth(error.into())
    }
}

impl LoginError {
    /// The last line for the client, if it is still there.
    pub fn answer(&self) -> Option<String> {
        match self {
            LoginError::Left | LoginError::Lost(_) => None,
            LoginError::InvalidLine(line) => Some((*line).to_owned()),
            LoginError::ServerFull => Some(format!("[SERVER] error: {self}")),
            reason => Some(format!("AUTH_FAILED {reason}")),
        }
    }

    /// What the administrator should know, which is more.
    pub fn for_the_log(&self) -> String {
        match self {
            LoginError::Auth(AuthError::Store(error)) => error.to_string(),
            reason => reason.to_string(),
        }
    }
}

/// Somebody who has proved to be who it is.
pub struct AuthenticatedUser {
    /// Who.
    pub user: User,
    /// Its session, a new one or that which it came back to.
    pub token: Token,
    /// Whether it came back.
    pub resumed: bool,
}

/// What it takes to decide who comes in.
pub struct Authenticator {
    store: Arc<dyn Store>,
    accounts: Accounts,
    sessions: Arc<SessionTokens>,
    /// How long the dialogue may take.
    pub timeout: Duration,
    log: Log,
}

impl Authenticator {
    /// The door to what `store` knows; see [`Accounts::new`] and [`SessionTokens::new`].
    pub fn new(
        store: &Arc<dyn Store>,
        accounts: Accounts,
        sessions: Arc<SessionTokens>,
        timeout: Duration,
        log: &Log,
    ) -> Self {
        Authenticator { store: store.clone(), accounts, sessions, timeout, log: log.clone() }
    }

    /// Has the dialogue, and checks what comes out of it. `read_line` gives the next
    /// line, `say` sends one.
    ///
    /// # Errors
    /// Whatever keeps the client out.
    pub fn authenticate(
        &self,
        read_line: impl FnMut() -> io::Result<ClientLine>,
        say: impl Fn(&str),
        peer: SocketAddr,
        deadline: Instant,
    ) -> Result<AuthenticatedUser, LoginError> {
        say(AUTH_REQUIRED);
        self.authenticate_greeted(read_line, say, peer, deadline)
    }

    /// As [`authenticate`](Authenticator::authenticate), for somebody who has been told [`AUTH_REQUIRED`].
    ///
    /// # Errors
    /// Whatever keeps the client out.
    pub fn authenticate_greeted(
        &self,
        read_line: impl FnMut() -> io::Result<ClientLine>,
        say: impl Fn(&str),
        peer: SocketAddr,
        deadline: Instant,
    ) -> Result<AuthenticatedUser, LoginError> {
        let request = self.ask(read_line, say)?;
        let (user, what) = match request {
            Request::Resume(token) => {
                let user = self.sessions.resume(&token)?.ok_or(LoginError::NoSession)?;
                return Ok(AuthenticatedUser { user, token, resumed: true });
            }
            Request::Login(Credentials { name, password }) => {
                let user = self.accounts.login(&name, &password, peer.ip(), deadline);
                (user.inspect_err(|error| self.log_failure(&name, peer, error))?, "logged in")
            }
            Request::Register(Credentials { name, password }) => {
                (self.accounts.register(&name, &password, peer.ip(), deadline)?, "registered")
            }
        };
        self.log.info(format_args!("{} {what} from {peer}", user.name));
        let token = self.sessions.start(&user)?;
        Ok(AuthenticatedUser { user, token, resumed: false })
    }

    fn ask(
        &self,
        mut read_line: impl FnMut() -> io::Result<ClientLine>,
        say: impl Fn(&str),
    ) -> Result<Request, LoginError> {
        let mut dialogue = LoginProtocol::default();
        loop {
            let heard = read_line().map_err(|error| match error.kind() {
                // Both are what a socket says whose time is over (recv(2)).
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => LoginError::TooSlow(self.timeout),
                _ => LoginError::Lost(error),
            })?;
            let text = match heard {
                ClientLine::Text(text) => zeroize::Zeroizing::new(text),
                ClientLine::Invalid(answer) => return Err(LoginError::InvalidLine(answer)),
                ClientLine::End => return Err(LoginError::Left),
            };
            match dialogue.line(&text) {
                Action::Ask(question) => say(question),
                Action::Ignore => {}
                Action::Check(request) => return Ok(request),
                Action::Quit => return Err(LoginError::Left),
                Action::Fail(malformed) => return Err(malformed.into()),
            }
        }
    }

    /// The name is logged if there is such an account: that is what an
    /// administrator has to know. What else was typed may be a password, in the
    /// wrong place.
    fn log_failure(&self, name: &str, peer: SocketAddr, error: &AuthError) {
        match self.store.user(name) {
            Ok(Some(user)) => self.log.warn(format_args!("{} not logged in from {peer}: {error}", user.name)),
            _ => self.log.warn(format_args!("an unknown name not logged in from {peer}: {error}")),
        }
    }
}
