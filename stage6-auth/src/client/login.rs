//! The client's side of the login.
//!
//! On a terminal the user answers the server's questions one by one, the password
//! without echo. What cannot be right is not even sent, and a login that fails
//! begins again: a client that ended would leave the user, who types on, at the
//! shell, which shows passwords and keeps them. On a pipe the first lines of the
//! input are the answers, one for each question, and a login that fails is an
//! error.

mod questions;

use crate::auth::login_protocol::Command;
use crate::client::send_queue::{ClientSession, SendQueue};
use anyhow::{Context, bail};
use clap::Args;
use common::terminal::Output;
use questions::{ask, ask_for_password, check_password};
use stage2_echo::line::DISCONNECT;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The user's name, for a client that is not to ask.
#[derive(Args, Clone, Debug)]
pub struct LoginArgs {
    /// Log in with this name
    #[arg(long, value_name = "NAME", conflicts_with = "register")]
    pub login: Option<String>,

    /// Make an account with this name, and log in
    #[arg(long, value_name = "NAME")]
    pub register: Option<String>,
}

impl LoginArgs {
    /// What `--help` has to say about them at its end.
    pub const HELP: &str = "--login and --register ask for the password, or take it from CHAT_PASSWORD.\n\
        Without them the first lines typed answer the server: LOGIN or REGISTER, name, password.";

    /// The answer to all questions of the login, if the options give one.
    ///
    /// # Errors
    /// When there is no password, or it cannot be one.
    pub fn request(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        match std::env::var("CHAT_PASSWORD").map(Zeroizing::new) {
            Ok(password) => self.request_with(|_| Ok(Some(password))),
            Err(_) => self.request_with(ask_for_password),
        }
    }

    fn request_with(
        &self,
        password: impl FnOnce(Command) -> anyhow::Result<Option<Zeroizing<String>>>,
    ) -> anyhow::Result<Option<Zeroizing<String>>> {
        let (command, name) = match (&self.login, &self.register) {
            (Some(name), _) => (Command::Login, name),
            (_, Some(name)) => (Command::Register, name),
            (None, None) => return Ok(None),
        };
        let Some(password) = password(command)? else { bail!("no password, no login") };
        check_password(command, &password)?;
        Ok(Some(Zeroizing::new(format!("{} {name} {}", command.word(), *password))))
    }
}

/// What a line of the server means for the login.
pub enum LoginEvent {
    /// It goes on.
    Pending,
    /// The user is in.
    LoggedIn(ClientSession),
    /// The server has refused the login. The user may try again.
    Refused,
    /// The user wants to leave.
    Leave,
}

/// The client's side of the login, on one connection after another. Owned by the
/// receiver thread.
pub struct LoginClient {
    args: LoginArgs,
    /// The answer to all questions of this connection.
    request: Option<Zeroizing<String>>,
    queue: Arc<SendQueue>,
    output: Output,
    /// What the user has chosen on this connection.
    command: Command,
    /// A question of this connection has its answer.
    answered: bool,
}

impl LoginClient {
    /// `request` is [`LoginArgs::request`], made before the first connection.
    pub fn new(
        args: LoginArgs,
        request: Option<Zeroizing<String>>,
        queue: Arc<SendQueue>,
        output: Output,
    ) -> Self {
        LoginClient { args, request, queue, output, command: Command::Login, answered: false }
    }

    /// A new connection: after the first login the client comes back with its token.
    pub fn begin(&mut self) {
        self.answered = false;
        if let Some(session) = self.queue.session() {
            self.request = Some(Zeroizing::new(format!("RESUME {}", *session.token)));
        }
    }

    /// Takes in a line that came before `AUTH_SUCCESS`, and shows it if there is
    /// nothing better to show.
    ///
    /// # Errors
    /// When the server refuses the login for good, or does not keep to the protocol.
    pub fn on_line(&mut self, line: &str) -> anyhow::Result<LoginEvent> {
        let terminal = self.output.interactive();
        // On a terminal there is something better to show for most of them.
        if !terminal {
            self.output.received(line)?;
        }
        match line.split_once(' ').unwrap_or((line, "")) {
            ("AUTH_REQUIRED" | "ENTER_USERNAME" | "ENTER_PASSWORD", "") => self.answer(line),
            ("AUTH_SUCCESS", rest) => {
                let (name, token) = rest.split_once(' ').context("the server gave no token")?;
                if terminal {
                    self.output.discard_typed_ahead();
                    self.output.hint(&format!("logged in as {name}"));
                }
                let token = Zeroizing::new(token.to_owned());
                Ok(LoginEvent::LoggedIn(ClientSession { name: name.to_owned(), token }))
            }
            ("AUTH_FAILED", reason) => self.refused(line, reason),
            _ => self.pending(line),
        }
    }

    /// The login goes on; a user at a terminal sees the line as it is.
    fn pending(&self, line: &str) -> anyhow::Result<LoginEvent> {
        if self.output.interactive() {
            self.output.received(line)?;
        }
        Ok(LoginEvent::Pending)
    }

    fn refused(&mut self, line: &str, reason: &str) -> anyhow::Result<LoginEvent> {
        let resuming = self.queue.session().is_some();
        // Back too early, maybe together with a thousand others.
        if resuming && reason.ends_with("try again later") {
            return self.pending(line);
        }
        if resuming || !self.output.interactive() {
            bail!("not logged in: {reason}");
        }
        self.output.alarm(&format!("The login failed: {reason}."));
        self.output.discard_typed_ahead();
        // With `--login`, another password may do. Anything else is for the questions.
        self.request = match &self.request {
            Some(_) if reason == "wrong name or password" => self.args.request_with(ask_for_password)?,
            _ => None,
        };
        Ok(LoginEvent::Refused)
    }

    /// Returns `true` if the connection has ended while the user was answering: then
    /// the login begins again.
    pub fn may_try_again(&self) -> bool {
        let by_the_user = self.output.interactive() && self.request.is_none();
        by_the_user && self.answered && self.queue.session().is_none()
    }

    fn answer(&mut self, question: &str) -> anyhow::Result<LoginEvent> {
        let first = !std::mem::replace(&mut self.answered, true);
        match &self.request {
            Some(request) if first => drop(self.queue.send_now(request)),
            // What follows on the input is for the room.
            Some(_) => bail!("the server asks for more than a login needs"),
            None if !self.output.interactive() => self.queue.allow_answer()?,
            None => match ask(question, &mut self.command, &self.output)? {
                Some(answer) => drop(self.queue.send_now(&answer)),
                None => {
                    self.queue.send_now(DISCONNECT);
                    return Ok(LoginEvent::Leave);
                }
            },
        }
        Ok(LoginEvent::Pending)
    }
}
