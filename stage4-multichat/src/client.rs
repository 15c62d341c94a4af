//! The client's flow: one thread shows what comes in, the other sends what is
//! typed.

use anyhow::Context;
use clap::Parser;
use common::endpoint::Endpoint;
use common::net;
use common::poison::IgnorePoison;
use common::terminal::{self, Output};
use stage2_echo::line::{self, LineReader, Received};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Sends what is typed and shows what the others say.
#[derive(Parser, Debug)]
#[command(name = "stage4-client", version)]
pub struct Options {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9004")]
    pub connect: Endpoint,
}

/// What `/help` shows.
const HELP: &str = "Type a line and press Enter; everybody else in the room sees it.
/quit, !DISCONNECT or Ctrl-D: leave
/help: this text";

/// The longest line from a server, in bytes: the speaker's name stands before
/// what may have been as long as allowed, and later stages send lists.
pub const MAX_FROM_SERVER: usize = 1 << 20;

/// The words with which every client leaves and explains itself.
const COMMANDS: [&str; 2] = ["/quit", "/help"];

/// Keeps a person from saying to the room what was meant as a command: `/quit now`
/// or `/h`. To the server they are text like any other.
pub struct CommandGuard {
    more: &'static [&'static str],
    /// What was held back last.
    held_back: String,
}

impl CommandGuard {
    /// `more` are the commands of a later stage.
    pub fn new(more: &'static [&'static str]) -> Self {
        CommandGuard { more, held_back: String::new() }
    }

    /// Returns `true` if the line is not to be sent, and says why: on a terminal,
    /// the first time that it is typed.
    pub fn holds_back(&mut self, line: &str, output: &Output) -> bool {
        let known = COMMANDS.contains(&line) || self.more.contains(&line);
        if known || !line.starts_with('/') || !output.interactive() || self.held_back == line {
            self.held_back.clear();
            return false;
        }
        let commands = COMMANDS.iter().chain(self.more).copied().collect::<Vec<_>>().join(" ");
        output.hint(&format!(
            "Not sent: no such command; there are {commands}. To say it to the room, type it again."
        ));
        line.clone_into(&mut self.held_back);
        true
    }
}

/// Runs the client until either side has had enough.
///
/// # Errors
/// When there is no server, the connection breaks off, or standard output is
/// closed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let stream = Arc::new(net::connect(&options.connect)?);
    let (mut input, output) = terminal::open()?;
    if output.interactive() {
        output.hint(&format!("Connected to {}. /help shows what you can type.", options.connect));
    }
    // The others speak when they like: what comes in cannot wait until we have
    // typed something. So this thread types, and another one shows.
    let unsent = Arc::new(Mutex::new(None));
    let receiver = thread::Builder::new().name("receiver".into()).spawn({
        let (stream, output, unsent) = (stream.clone(), output.clone(), unsent.clone());
        move || end_program(receive(&stream, &output), &stream, &unsent, &output)
    })?;
    let mut guard = CommandGuard::new(&[]);
    while let Some(text) = input.next("> ")? {
        let mut failed = unsent.lock().ignore_poison();
        let sent = match text.as_str() {
            "/help" if output.interactive() => {
                HELP.lines().for_each(|line| output.hint(line));
                Ok(())
            }
            "/quit" | line::DISCONNECT => {
                // If the server is gone, the receiver says so.
                let _ = send(&stream, line::DISCONNECT);
                break;
            }
            "" => Ok(()),
            text if guard.holds_back(text, &output) => Ok(()),
            text if fits(text, &output) => send(&stream, text),
            _ => Ok(()),
        };
        // Why the server has closed is among what is still to be shown, so only
        // the receiver ends the program.
        *failed = sent.err();
        if failed.is_some() {
            break;
        }
    }
    // Only the sending half: what is still under way arrives and is shown. The
    // server closes when it has sent it all.
    let _ = stream.shutdown(Shutdown::Write);
    receiver.join().expect("the receiver ends the program, and does not return")
}

fn send(stream: &TcpStream, line: &str) -> anyhow::Result<()> {
    line::send_line(stream, line).context("cannot send: the server has closed the connection")
}

/// Whether the line can be sent. A person who is told no can try again; on a
/// pipe the server says so.
fn fits(line: &str, output: &Output) -> bool {
    if line.len() <= line::MAX_LINE || !output.interactive() {
        return true;
    }
    output.hint(&format!("Not sent: longer than {} bytes.", line::MAX_LINE));
    false
}

/// Shows line by line until the server closes the connection.
fn receive(stream: &TcpStream, output: &Output) -> anyhow::Result<()> {
    let mut lines = LineReader::with_limit(stream, MAX_FROM_SERVER);
    loop {
        match lines.next().context("the connection broke off")? {
            Received::Line(line::DISCONNECT) | Received::End => return Ok(()),
            Received::Line(text) => output.received(text)?,
            Received::NotUtf8 => output.hint("(a line that is not valid UTF-8)"),
            Received::TooLong => anyhow::bail!("the server sent a line above {MAX_FROM_SERVER} bytes"),
        }
    }
}

/// The server has closed, and with it ends the program, even if the other
/// thread waits for somebody to type.
fn end_program(
    ended: anyhow::Result<()>,
    stream: &TcpStream,
    unsent: &Mutex<Option<anyhow::Error>>,
    output: &Output,
) -> ! {
    // Whoever is just sending stops, and knows whether it has failed.
    let _ = stream.shutdown(Shutdown::Both);
    let unsent = unsent.lock().ignore_poison();
    match ended.as_ref().err().or(unsent.as_ref()) {
        None if output.interactive() => output.hint("The connection is closed."),
        None => {}
        Some(e) => output.fail(e),
    }
    output.exit(0)
}
