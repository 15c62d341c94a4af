//! The client's flow: send a line, wait for the answer, show it, repeat.

use crate::line::{self, LineReader, Received};
use anyhow::{Context, bail};
use clap::Parser;
use common::endpoint::Endpoint;
use common::net;
use common::terminal::{self, Output};
use std::net::{Shutdown, TcpStream};

/// Sends line by line and shows the server's answer to each.
#[derive(Parser, Debug)]
#[command(name = "stage2-client", version)]
pub struct Options {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9002")]
    pub connect: Endpoint,
}

/// What `/help` shows.
const HELP: &str = "Type a line and press Enter; the server's answer follows.
/quit, !DISCONNECT or Ctrl-D: end the connection
/help: this text";

/// Runs the client until the user or the server ends the connection.
///
/// # Errors
/// When no server answers, the connection breaks, or standard output is closed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let stream = net::connect(&options.connect)?;
    let (mut input, output) = terminal::open()?;
    if output.interactive() {
        output.hint(&format!("Connected to {}. /help shows what you can type.", options.connect));
    }
    let mut answers = LineReader::new(&stream);
    while let Some(text) = input.next("you> ")? {
        match text.as_str() {
            "/help" if output.interactive() => HELP.lines().for_each(|line| output.hint(line)),
            "/quit" if output.interactive() => return say_goodbye(&stream, &mut answers, &output),
            line::DISCONNECT => return say_goodbye(&stream, &mut answers, &output),
            text => {
                line::send_line(&stream, text).context("cannot send: the connection is gone")?;
                // Lock-step: nothing is typed until the answer is here.
                if !show_answer(&mut answers, &output)? {
                    return Ok(());
                }
            }
        }
    }
    finish(&stream, &mut answers, &output)
}

/// Waits for one line and shows it. Returns `true` if more may follow.
fn show_answer(answers: &mut LineReader<&TcpStream>, output: &Output) -> anyhow::Result<bool> {
    match answers.next().context("no answer: the connection is gone")? {
        Received::Line(line::DISCONNECT) => {
            output.hint("The server has ended the connection.");
            Ok(false)
        }
        Received::Line(text) => {
            output.received(&format!("server: {text}"))?;
            Ok(text != line::SHUTTING_DOWN)
        }
        Received::NotUtf8 => bail!("the server's answer is not valid UTF-8"),
        Received::TooLong => bail!("the server's answer is longer than {} bytes", line::MAX_LINE),
        Received::End => bail!("the server closed the connection without an answer"),
    }
}

/// Says `!DISCONNECT`, then ends the connection.
fn say_goodbye(
    stream: &TcpStream,
    answers: &mut LineReader<&TcpStream>,
    output: &Output,
) -> anyhow::Result<()> {
    line::send_line(stream, line::DISCONNECT).context("cannot send: the connection is gone")?;
    finish(stream, answers, output)
}

/// Closes the sending half only: this client sends nothing more, but the server
/// may. What is still on its way arrives and is shown.
fn finish(stream: &TcpStream, answers: &mut LineReader<&TcpStream>, output: &Output) -> anyhow::Result<()> {
    // If the connection is gone already, the reading below returns the error.
    let _ = stream.shutdown(Shutdown::Write);
    while let Received::Line(text) = answers.next().context("the connection broke off")? {
        output.received(&format!("server: {text}"))?;
    }
    Ok(())
}
