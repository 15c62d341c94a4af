//! The door: from a connection to somebody with a name, within a bounded time.

mod args;
mod hear;

pub use args::DoorArgs;
pub use hear::{Heard, REJECTED, Timed, hear};

use crate::accounts::{Accounts, AuthError};
use crate::dialogue::{AUTH_REQUIRED, Credentials, Dialogue, Malformed, Request, Step};
use crate::members::AlreadyIn;
use crate::sessions::{Sessions, Token};
use crate::store::{Store, StoreError, User};
use common::log::Log;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Why somebody did not come in.
#[derive(Debug, Error)]
pub enum Refusal {
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
    AlreadyIn(#[from] AlreadyIn),
    /// Its line was none: told so, in other words than AUTH_FAILED.
    #[error("{0}")]
    Bad(&'static str),
    /// The connection broke off.
    #[error("{0}")]
    Lost(io::Error),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Auth(error.into())
    }
}

impl Refusal {
    /// The last line for the client, if it is still there.
    pub fn answer(&self) -> Option<String> {
        match self {
            Refusal::Left | Refusal::Lost(_) => None,
            Refusal::Bad(line) => Some((*line).to_owned()),
            reason => Some(format!("AUTH_FAILED {reason}")),
        }
    }

    /// What the administrator should know, which is more.
    pub fn for_the_log(&self) -> String {
        match self {
            Refusal::Auth(AuthError::Store(error)) => error.to_string(),
            reason => reason.to_string(),
        }
    }
}

/// Somebody who has proved to be who it is.
pub struct Guest {
    /// Who.
    pub user: User,
    /// Its session, a new one or that which it came back to.
    pub token: Token,
    /// Whether it came back.
    pub resumed: bool,
}

/// What it takes to decide who comes in.
pub struct Door {
    store: Arc<dyn Store>,
    accounts: Accounts,
    sessions: Arc<Sessions>,
    /// How long the dialogue may take.
    pub timeout: Duration,
    log: Log,
}

impl Door {
    /// The door to what `store` knows; see [`Accounts::new`] and [`Sessions::new`].
    pub fn new(
        store: &Arc<dyn Store>,
        accounts: Accounts,
        sessions: Arc<Sessions>,
        timeout: Duration,
        log: &Log,
    ) -> Self {
        Door { store: store.clone(), accounts, sessions, timeout, log: log.clone() }
    }

    /// Has the dialogue, and checks what comes out of it. `hear` gives the next
    /// line, `say` sends one.
    ///
    /// # Errors
    /// Whatever keeps the client out.
    pub fn admit(
        &self,
        hear: impl FnMut() -> io::Result<Heard>,
        say: impl Fn(&str),
        peer: SocketAddr,
        deadline: Instant,
    ) -> Result<Guest, Refusal> {
        say(AUTH_REQUIRED);
        self.admit_greeted(hear, say, peer, deadline)
    }

    /// As [`admit`](Door::admit), for somebody who has been told [`AUTH_REQUIRED`].
    ///
    /// # Errors
    /// Whatever keeps the client out.
    pub fn admit_greeted(
        &self,
        hear: impl FnMut() -> io::Result<Heard>,
        say: impl Fn(&str),
        peer: SocketAddr,
        deadline: Instant,
    ) -> Result<Guest, Refusal> {
        let request = self.ask(hear, say)?;
        let (user, what) = match request {
            Request::Resume(token) => {
                let user = self.sessions.resume(&token)?.ok_or(Refusal::NoSession)?;
                return Ok(Guest { user, token, resumed: true });
            }
            Request::Login(Credentials { name, password }) => {
                let user = self.accounts.login(&name, &password, peer.ip(), deadline);
                (user.inspect_err(|error| self.log_failure(&name, peer, error))?, "logged in")
            }
            Request::Register(Credentials { name, password }) => {
                (self.accounts.register(&name, &password, deadline)?, "registered")
            }
        };
        self.log.info(format_args!("{} {what} from {peer}", user.name));
        let token = self.sessions.start(&user)?;
        Ok(Guest { user, token, resumed: false })
    }

    fn ask(
        &self,
        mut hear: impl FnMut() -> io::Result<Heard>,
        say: impl Fn(&str),
    ) -> Result<Request, Refusal> {
        let mut dialogue = Dialogue::default();
        loop {
            let heard = hear().map_err(|error| match error.kind() {
                // Both are what a socket says whose time is over (recv(2)).
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Refusal::TooSlow(self.timeout),
                _ => Refusal::Lost(error),
            })?;
            let text = match heard {
                Heard::Text(text) => zeroize::Zeroizing::new(text),
                Heard::Bad(answer) => return Err(Refusal::Bad(answer)),
                Heard::End => return Err(Refusal::Left),
            };
            match dialogue.line(&text) {
                Step::Ask(question) => say(question),
                Step::Ignore => {}
                Step::Check(request) => return Ok(request),
                Step::Quit => return Err(Refusal::Left),
                Step::Fail(malformed) => return Err(malformed.into()),
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
