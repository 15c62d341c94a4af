//! The client's part in the dialogue.

use crate::send_queue::{Prompt, SendQueue};
use anyhow::{Context, bail};
use clap::Args;
use common::terminal::Output;
use zeroize::Zeroizing;

/// Who we are, for a client that is not to be asked.
#[derive(Args, Debug)]
pub struct LoginArgs {
    /// Log in by this name
    #[arg(long, value_name = "NAME", conflicts_with = "register")]
    pub login: Option<String>,

    /// Make an account of this name, and log in
    #[arg(long, value_name = "NAME")]
    pub register: Option<String>,
}

impl LoginArgs {
    /// What `--help` has to say about them at its end.
    pub const HELP: &str = "--login and --register ask for the password, or take it from CHAT_PASSWORD.\n\
        Without them the first lines typed answer the server: LOGIN or REGISTER, name, password.";

    /// The answer to the whole dialogue, if the options give one.
    ///
    /// # Errors
    /// When the password can neither be found nor asked for.
    pub fn request(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        let (command, name) = match (&self.login, &self.register) {
            (Some(name), _) => ("LOGIN", name),
            (_, Some(name)) => ("REGISTER", name),
            (None, None) => return Ok(None),
        };
        let password = match std::env::var("CHAT_PASSWORD") {
            Ok(password) => Zeroizing::new(password),
            Err(_) => ask_for_password().context("set CHAT_PASSWORD where there is no terminal")?,
        };
        Ok(Some(Zeroizing::new(format!("{command} {name} {}", *password))))
    }
}

/// Without an echo, and never in the history of what was typed.
///
/// # Errors
/// When there is no terminal.
pub fn ask_for_password() -> anyhow::Result<Zeroizing<String>> {
    rpassword::prompt_password("password: ").map(Zeroizing::new).context("cannot ask for the password")
}

/// Our part in the dialogue. Whether `text` need not be shown: on a terminal
/// there are prompts in its place, and no token.
///
/// # Errors
/// When the server lets us in under no name and token, or does not let us in.
pub fn answered(
    text: &str,
    request: Option<&Zeroizing<String>>,
    attempts: &mut u32,
    queue: &SendQueue,
    output: &Output,
) -> anyhow::Result<bool> {
    match text.split_once(' ') {
        None if text == "AUTH_REQUIRED" => match request {
            Some(request) => queue.send_now(request),
            None => queue.asked(Prompt::Answer("LOGIN or REGISTER? ")),
        },
        None if text == "ENTER_USERNAME" => queue.asked(Prompt::Answer("name: ")),
        None if text == "ENTER_PASSWORD" => queue.asked(Prompt::Password),
        Some(("AUTH_SUCCESS", rest)) => {
            let (name, token) = rest.split_once(' ').context("the server gave no token")?;
            *attempts = 0;
            queue.logged_in(name, token);
            if output.interactive() {
                output.hint(&format!("logged in as {name}"));
            }
        }
        // Back too early, maybe together with a thousand others.
        Some(("AUTH_FAILED", reason)) if queue.token().is_some() && reason.ends_with("try again later") => {
            return Ok(false);
        }
        Some(("AUTH_FAILED", reason)) => {
            if !output.interactive() {
                output.received(text)?;
            }
            bail!("not logged in: {reason}")
        }
        Some(("[SERVER]", "you logged in elsewhere")) => {
            queue.leaving(true);
            return Ok(false);
        }
        Some(("[SERVER]", "error: not logged out, try again")) => {
            queue.leaving(false);
            return Ok(false);
        }
        _ => return Ok(false),
    }
    Ok(output.interactive())
}
