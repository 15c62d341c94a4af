//! The client's flow.
//!
//! ```text
//! keyboard or pipe ──► main thread ──────────────────────────────────► socket
//! screen or pipe   ◄── receiver thread ◄──────────────────────────────── socket
//! ```
//!
//! - The **main** thread takes what is typed and sends it.
//! - The **receiver** thread shows what comes: other users speak when they like, and
//!   that cannot wait until this user has typed something. It ends the program,
//!   since only it knows when everything is shown; the main thread may be waiting for
//!   a key, and nothing can wake it.

use anyhow::Context;
use clap::Parser;
use common::endpoint::Endpoint;
use common::net;
use common::poison::IgnorePoison;
use common::terminal::{self, CommandGuard, Output};
use stage2_echo::line::{self, LineReader, Received};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Chat client: sends what is typed and shows what other users send.
#[derive(Parser, Debug)]
#[command(name = "stage4-client", version)]
pub struct Options {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9004")]
    pub connect: Endpoint,
}

/// What `/help` shows.
const HELP: &str = "Type a line and press Enter; all other users in the room see it.
/quit, !DISCONNECT or Ctrl-D: leave
/help: this text";

/// The longest line from a server, in bytes: the sender's name stands before
/// what may have been as long as allowed, and later stages send lists.
pub const MAX_FROM_SERVER: usize = 1 << 20;

/// Runs the client until the user or the server ends it.
///
/// # Errors
/// When there is no server, the connection breaks off, or standard output is
/// closed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let stream = Arc::new(net::connect(&options.connect)?);
    let (mut input, output) = terminal::open()?;
    // Prompts and hints are for users. On a pipe there is nothing but the lines.
    if output.interactive() {
        output.hint(&format!("Connected to {}. /help shows what you can type.", options.connect));
    }
    // Why sending failed. Held by the main thread while it sends, so that the
    // receiver, which reads it at the end, knows of a line that is just being sent.
    let unsent = Arc::new(Mutex::new(None));
    // It reads from the socket to which this thread writes: the two directions of a
    // TCP connection are independent.
    let receiver = thread::Builder::new().name("receiver".into()).spawn({
        let (stream, output, unsent) = (stream.clone(), output.clone(), unsent.clone());
        move || end_program(receive(&stream, &output), &stream, &unsent, &output)
    })?;
    // For words such as /hlep: most likely the user did not mean to say them.
    let mut guard = CommandGuard::new(&[]);
    while let Some(text) = input.next("> ")? {
        // Taken before each line and given back after it, so never held while this
        // thread waits for a key.
        let mut failed = unsent.lock().ignore_poison();
        let sent = match text.as_str() {
            // For this user alone: nothing is sent.
            "/help" if output.interactive() => {
                HELP.lines().for_each(|line| output.hint(line));
                Ok(())
            }
            "/quit" | line::DISCONNECT => {
                // If the server is gone, the receiver says so.
                let _ = send(&stream, line::DISCONNECT);
                break;
            }
            // The server would ignore it.
            "" => Ok(()),
            text if guard.holds_back(text, &output) => Ok(()),
            text if fits(text, &output) => send(&stream, text),
            _ => Ok(()),
        };
        // The program goes on: why the server has closed is among what is still to
        // be shown.
        *failed = sent.err();
        if failed.is_some() {
            break;
        }
    }
    // What is still under way arrives and is shown. The server closes when it has
    // sent everything.
    let _ = stream.shutdown(Shutdown::Write);
    receiver.join().expect("the receiver ends the program, and does not return")
}

/// Waits while the server does not read: TCP makes this side wait (back-pressure).
fn send(stream: &TcpStream, line: &str) -> anyhow::Result<()> {
    line::send_line(stream, line).context("cannot send: the server has closed the connection")
}

/// Returns `true` if the line can be sent. A user at a terminal can try again; on a
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
            // The end in good order. A server may say the word for it first.
            Received::Line(line::DISCONNECT) | Received::End => return Ok(()),
            Received::Line(text) => output.received(text)?,
            // Nothing of it is shown: what a terminal makes of such bytes is not known.
            Received::NotUtf8 => output.hint("(a line that is not valid UTF-8)"),
            // Where the next line begins cannot be known.
            Received::TooLong => anyhow::bail!("the server sent a line above {MAX_FROM_SERVER} bytes"),
        }
    }
}

/// The server has closed, and with it ends the program, even if the main thread
/// waits for a key.
fn end_program(
    ended: anyhow::Result<()>,
    stream: &TcpStream,
    unsent: &Mutex<Option<anyhow::Error>>,
    output: &Output,
) -> ! {
    // If the main thread is just sending, it stops, and knows whether that failed.
    let _ = stream.shutdown(Shutdown::Both);
    let unsent = unsent.lock().ignore_poison();
    // A line that was not sent is no success, or a script would not notice.
    match ended.as_ref().err().or(unsent.as_ref()) {
        None if output.interactive() => output.hint("The connection is closed."),
        None => {}
        Some(e) => output.fail(e),
    }
    output.exit(0)
}
