//! The questions of the login to a user at a terminal, and what may be answered.

use crate::accounts::{
    AccountError, check_name, check_new_name, check_one_line, check_password as check_new_password,
};
use crate::auth::login_protocol::Command;
use anyhow::Context;
use common::terminal::{Echo, Output, Questions};
use stage2_echo::line::DISCONNECT;
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

/// Asks the server's question, again until the answer can be sent. `None`: the user
/// wants to leave. `command` is what the user has chosen on this connection.
pub fn ask(
    question: &str,
    command: &mut Command,
    output: &Output,
) -> anyhow::Result<Option<Zeroizing<String>>> {
    if question == "ENTER_PASSWORD" {
        return ask_for_password(*command);
    }
    let prompt = if question == "AUTH_REQUIRED" { "LOGIN or REGISTER? " } else { "name: " };
    let mut questions = Questions::open()?;
    loop {
        let Some(answer) = questions.ask(prompt, Echo::Shown)? else { return Ok(None) };
        let answer = Zeroizing::new(answer.trim().to_owned());
        let problem = match answer.as_str() {
            "/quit" | DISCONNECT => return Ok(None),
            "/help" => {
                HELP.lines().for_each(|line| output.hint(line));
                continue;
            }
            name if question == "ENTER_USERNAME" => match check_name_for(*command, name) {
                Ok(()) => return Ok(Some(answer)),
                Err(_) if command_of(name).is_some_and(|(_, rest)| !rest.is_empty()) => {
                    ONLY_THE_NAME.to_owned()
                }
                Err(error) => error.to_string(),
            },
            answer => match chosen(answer, command) {
                Ok(request) => return Ok(Some(request)),
                Err(problem) => problem,
            },
        };
        // What was typed after a wrong answer answers a question that is not asked.
        output.discard_typed_ahead();
        output.hint(&problem);
    }
}

/// Without echo, and again until it can be one. `None`: the user wants to leave.
pub fn ask_for_password(command: Command) -> anyhow::Result<Option<Zeroizing<String>>> {
    let mut questions = Questions::open().context("cannot ask for the password; set CHAT_PASSWORD")?;
    loop {
        let answer = questions.ask("password: ", Echo::Hidden)?;
        let Some(Err(problem)) = answer.as_ref().map(|password| check_password(command, password)) else {
            return Ok(answer);
        };
        common::cli::print_error(problem);
    }
}

/// `LOGIN` and `REGISTER` in any case, alone or with a name and a password.
///
/// # Errors
/// What is wrong with the answer, for the user.
fn chosen(answer: &str, command: &mut Command) -> Result<Zeroizing<String>, String> {
    let (chosen, rest) = command_of(answer).ok_or(EXPECTED)?;
    *command = chosen;
    if rest.is_empty() {
        return Ok(Zeroizing::new(chosen.word().to_owned()));
    }
    let (name, password) = rest.split_once(' ').ok_or(EXPECTED)?;
    check_name_for(chosen, name).map_err(|error| error.to_string())?;
    check_password(chosen, password).map_err(|error| error.to_string())?;
    Ok(Zeroizing::new(format!("{} {rest}", chosen.word())))
}

/// The command that an answer begins with, in any case, and what follows it.
fn command_of(answer: &str) -> Option<(Command, &str)> {
    let (word, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    let is_it = |command: &Command| word.eq_ignore_ascii_case(command.word());
    Some(([Command::Login, Command::Register].into_iter().find(is_it)?, rest))
}

/// # Errors
/// What is wrong with the name, for the user. It is not sent then.
fn check_name_for(command: Command, name: &str) -> Result<(), AccountError> {
    match command {
        Command::Login => check_name(name),
        Command::Register => check_new_name(name),
    }
}

/// # Errors
/// What is wrong with the password, as for the name.
pub fn check_password(command: Command, password: &str) -> Result<(), AccountError> {
    match command {
        // An empty line counts nowhere: the server would go on waiting.
        Command::Login if password.is_empty() => Err(AccountError::BadPassword),
        // Imported accounts may have other passwords than new ones can have.
        Command::Login => check_one_line(password),
        Command::Register => check_new_password(password),
    }
}
