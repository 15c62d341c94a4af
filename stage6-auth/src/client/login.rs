//! The client's side of the login.
//!
//! On a terminal the user answers the server's questions one by one, the password
//! without echo. What cannot be right is not even sent, and a login that fails
//! begins again: a client that ended would leave the user, who types on, at the
//! shell, which shows passwords and keeps them. On a pipe the first lines of the
//! input are the answers, one for each question, and a login that fails is an
//! error.

use crate::accounts::{AuthError, check_name, check_new_name, check_one_line, check_password};
use crate::client::send_queue::{ClientSession, SendQueue};
use anyhow::{Context, bail};
use clap::Args;
use common::terminal::{Echo, Output, Questions};
use stage2_echo::line::DISCONNECT;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What `/help` shows before the login.
const HELP: &str = "LOGIN: you have an account. REGISTER: you want to make one. Then you are asked
for the name, 1 to 32 of the characters A-Z a-z 0-9 _ . -, and for the password,
which is not shown.
/quit, !DISCONNECT or Ctrl-D: leave";

/// At the first question.
const EXPECTED: &str = "type LOGIN, or REGISTER to make an account; /help explains";

/// At the question for the name, to a user who types the whole request there.
const ONLY_THE_NAME: &str = "type only the name here; the password is asked for next, and is not shown. \
    A password that was typed here could be seen: take another one.";

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
        password: impl FnOnce(Choice) -> anyhow::Result<Option<Zeroizing<String>>>,
    ) -> anyhow::Result<Option<Zeroizing<String>>> {
        let (choice, name) = match (&self.login, &self.register) {
            (Some(name), _) => (Choice::Login, name),
            (_, Some(name)) => (Choice::Register, name),
            (None, None) => return Ok(None),
        };
        let Some(password) = password(choice)? else { bail!("no password, no login") };
        choice.check_password(&password)?;
        Ok(Some(Zeroizing::new(format!("{} {name} {}", choice.word(), *password))))
    }
}

/// What the user wants: it makes a difference for what a password may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    Login,
    Register,
}

impl Choice {
    /// The choice that an answer begins with, in any case, and what follows it.
    fn of(answer: &str) -> Option<(Choice, &str)> {
        let (word, rest) = answer.split_once(' ').unwrap_or((answer, ""));
        let choices = [Choice::Login, Choice::Register];
        Some((choices.into_iter().find(|choice| word.eq_ignore_ascii_case(choice.word()))?, rest))
    }

    fn word(self) -> &'static str {
        match self {
            Choice::Login => "LOGIN",
            Choice::Register => "REGISTER",
        }
    }

    /// # Errors
    /// What is wrong with the name, for the user. It is not sent then.
    fn check_name(self, name: &str) -> Result<(), AuthError> {
        match self {
            Choice::Login => check_name(name),
            Choice::Register => check_new_name(name),
        }
    }

    /// # Errors
    /// What is wrong with the password, as for the name.
    fn check_password(self, password: &str) -> Result<(), AuthError> {
        match self {
            // An empty line counts nowhere: the server would go on waiting.
            Choice::Login if password.is_empty() => Err(AuthError::BadPassword),
            // Imported accounts may have other passwords than new ones can have.
            Choice::Login => check_one_line(password),
            Choice::Register => check_password(password),
        }
    }
}

/// Without echo, and again until it can be one. `None`: the user wants to leave.
fn ask_for_password(choice: Choice) -> anyhow::Result<Option<Zeroizing<String>>> {
    let mut questions = Questions::open().context("cannot ask for the password; set CHAT_PASSWORD")?;
    loop {
        let answer = questions.ask("password: ", Echo::Hidden)?;
        let Some(Err(problem)) = answer.as_ref().map(|password| choice.check_password(password)) else {
            return Ok(answer);
        };
        common::cli::print_error(problem);
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
    pub(crate) queue: Arc<SendQueue>,
    pub(crate) output: Output,
    /// What the user has chosen on this connection.
    choice: Choice,
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
        LoginClient { args, request, queue, output, choice: Choice::Login, answered: false }
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
            None => match self.ask(question)? {
                Some(answer) => drop(self.queue.send_now(&answer)),
                None => {
                    self.queue.send_now(DISCONNECT);
                    return Ok(LoginEvent::Leave);
                }
            },
        }
        Ok(LoginEvent::Pending)
    }

    /// Asks the user, again until the answer can be sent. `None`: the user wants to
    /// leave.
    fn ask(&mut self, question: &str) -> anyhow::Result<Option<Zeroizing<String>>> {
        if question == "ENTER_PASSWORD" {
            return ask_for_password(self.choice);
        }
        let prompt = if question == "AUTH_REQUIRED" { "LOGIN or REGISTER? " } else { "name: " };
        let mut questions = Questions::open()?;
        loop {
            let Some(answer) = questions.ask(prompt, Echo::Shown)? else { return Ok(None) };
            let answer = Zeroizing::new(answer.trim().to_owned());
            match answer.as_str() {
                "/quit" | DISCONNECT => return Ok(None),
                "/help" => HELP.lines().for_each(|line| self.output.hint(line)),
                name if question == "ENTER_USERNAME" => match self.choice.check_name(name) {
                    Ok(()) => return Ok(Some(answer)),
                    Err(_) if Choice::of(name).is_some_and(|(_, rest)| !rest.is_empty()) => {
                        self.ask_again(ONLY_THE_NAME);
                    }
                    Err(error) => self.ask_again(&error.to_string()),
                },
                answer => match self.chosen(answer) {
                    Ok(request) => return Ok(Some(request)),
                    Err(problem) => self.ask_again(&problem),
                },
            }
        }
    }

    /// What was typed behind a wrong answer answers a question that is not asked.
    fn ask_again(&self, problem: &str) {
        self.output.discard_typed_ahead();
        self.output.hint(problem);
    }

    /// `LOGIN` and `REGISTER` in any case, alone or with a name and a password.
    ///
    /// # Errors
    /// What is wrong with the answer, for the user.
    fn chosen(&mut self, answer: &str) -> Result<Zeroizing<String>, String> {
        let (choice, rest) = Choice::of(answer).ok_or(EXPECTED)?;
        self.choice = choice;
        if rest.is_empty() {
            return Ok(Zeroizing::new(choice.word().to_owned()));
        }
        let (name, password) = rest.split_once(' ').ok_or(EXPECTED)?;
        choice.check_name(name).map_err(|error| error.to_string())?;
        choice.check_password(password).map_err(|error| error.to_string())?;
        Ok(Zeroizing::new(format!("{} {rest}", choice.word())))
    }
}
