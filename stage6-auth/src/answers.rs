//! The client's part in the dialogue.

use crate::link::{Asked, Link};
use anyhow::{Context, bail};
use common::terminal::Output;
use stage2_echo::line;
use std::net::TcpStream;
use zeroize::Zeroizing;

/// Without an echo, and never in the history of what was typed.
///
/// # Errors
/// When there is no terminal.
pub(crate) fn ask_for_password() -> anyhow::Result<Zeroizing<String>> {
    rpassword::prompt_password("password: ").map(Zeroizing::new).context("cannot ask for the password")
}

/// Our part in the dialogue. Whether `text` need not be shown: on a terminal
/// there are prompts in its place, and no token.
pub(crate) fn answered(
    text: &str,
    stream: &TcpStream,
    request: Option<&Zeroizing<String>>,
    attempts: &mut u32,
    link: &Link,
    output: &Output,
) -> anyhow::Result<bool> {
    match text.split_once(' ') {
        None if text == "AUTH_REQUIRED" => match request {
            // When that fails, so does the next read.
            Some(request) => drop(line::send_line(stream, &link.envelope().seal(request))),
            None => link.asked(Asked::Answer("LOGIN or REGISTER? ")),
        },
        None if text == "ENTER_USERNAME" => link.asked(Asked::Answer("name: ")),
        None if text == "ENTER_PASSWORD" => link.asked(Asked::Password),
        Some(("AUTH_SUCCESS", rest)) => {
            let (name, token) = rest.split_once(' ').context("the server gave no token")?;
            *attempts = 0;
            link.logged_in(name, token);
            if output.interactive() {
                output.hint(&format!("logged in as {name}"));
            }
        }
        // Back too early, maybe together with a thousand others.
        Some(("AUTH_FAILED", reason)) if link.token().is_some() && reason.ends_with("try again later") => {
            return Ok(false);
        }
        Some(("AUTH_FAILED", reason)) => {
            if !output.interactive() {
                output.received(text)?;
            }
            bail!("not logged in: {reason}")
        }
        Some(("[SERVER]", "you logged in elsewhere")) => {
            link.leaving(true);
            return Ok(false);
        }
        Some(("[SERVER]", "error: not logged out, try again")) => {
            link.leaving(false);
            return Ok(false);
        }
        _ => return Ok(false),
    }
    Ok(output.interactive())
}
