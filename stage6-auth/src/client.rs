//! The client's flow.
//!
//! ```text
//! keyboard or pipe ──► main thread ──► SendQueue ──► sender thread ──► socket
//! screen or pipe   ◄── receiver thread ◄──────────────────────────────── socket
//! ```
//!
//! - The **main** thread takes what is typed. It never touches the socket, so the user
//!   can type while there is no connection.
//! - The **sender** thread takes lines from the queue and sends them, when the queue
//!   allows it.
//! - The **receiver** thread owns the connection: it logs in on it, shows what comes, and
//!   makes the next one when it is lost. It ends the program,
//!   since only it knows when everything is shown; the main thread may be waiting for
//!   a key, and nothing can wake it.

pub mod connection;
pub mod login;
pub mod receiver;
pub mod send_queue;

use crate::client::login::{LoginArgs, LoginClient};
use crate::client::receiver::{ClientLogic, Receiver};
use crate::client::send_queue::SendQueue;
use crate::envelope::Envelope;
use anyhow::bail;
use clap::Parser;
use common::endpoint::Endpoint;
use common::net;
use common::terminal::{self, CommandGuard, Output};
use stage2_echo::line;
use stage4_multichat::transport::Transport;
use stage5_aes::keyfile::{self, KeyFile};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use zeroize::Zeroizing;

/// Chat client: sends what is typed, sealed, and shows what other users send.
#[derive(Parser, Debug)]
#[command(name = "stage6-client", version)]
#[command(after_help = LoginArgs::HELP)]
pub struct Options {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9006")]
    pub connect: Endpoint,

    /// File with the key, the same for all users
    #[arg(long, value_name = "FILE", default_value = keyfile::DEFAULT_PATH)]
    pub key: PathBuf,

    #[command(flatten)]
    login: LoginArgs,
}

/// What `/help` shows.
const HELP: &str = "Type a line and press Enter; all users who are logged in see it.
/quit, !DISCONNECT or Ctrl-D: leave
/logout: leave, and end the session
/help: this text";

/// Runs the client until the user or the server ends it.
///
/// # Errors
/// When the key file cannot be used, there is no server, it refuses the login, or
/// standard output is closed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    // First of all: without the key there is nothing to connect for.
    let envelope = Arc::new(Envelope::new(&KeyFile::load(&options.key)?.key));
    // Before there is a connection: the server gives a login only so much time, and a
    // user who looks for the password should not use it up.
    let request = options.login.request()?;
    let connection = Arc::new(net::connect(&options.connect)?);
    // Both know the one screen: a line that comes in does not tear what is being typed.
    let (mut input, output) = terminal::open()?;
    // Prompts and hints are for users. On a pipe there is nothing but the lines.
    if output.interactive() {
        output.hint(&format!("Connected to {}. /help shows what you can type.", options.connect));
    }
    let queue = SendQueue::new(envelope.clone());
    // It waits in the queue for a connection, in a write for the server, and later for
    // the server's answers. No other thread waits with it.
    thread::Builder::new().name("sender".into()).spawn({
        let queue = queue.clone();
        move || queue.send_all()
    })?;
    // It gets everything that belongs to the connection. What both threads need is
    // shared: the queue, and the output.
    let receiver = thread::Builder::new().name("receiver".into()).spawn({
        // Answers the questions of the server, on each connection anew.
        let login = LoginClient::new(options.login.clone(), request, queue.clone(), output.clone());
        let (queue, output) = (queue.clone(), output.clone());
        let logic = Logic { connect: options.connect.clone(), envelope, output: output.clone() };
        move || Receiver { logic, login, queue, output }.run(connection)
    })?;
    // On a terminal the login asks its own questions, and what is typed after it is
    // for the room. On a pipe the first lines are the answers: the queue gives the
    // server no more of them than it asks for.
    let mut prompt = String::new();
    if output.interactive() {
        prompt = format!("{}> ", queue.wait_for_login().name);
    }
    // For words such as /hlep: most likely the user did not mean to say them.
    let mut guard = CommandGuard::new(&["/logout"]);
    while let Some(text) = input.next(&prompt)?.map(Zeroizing::new) {
        match text.as_str() {
            // For this user alone: nothing is sent.
            "/help" if output.interactive() => {
                HELP.lines().for_each(|line| output.hint(line));
            }
            // To the server, after all that was typed before: it is a line like any
            // other, and the last one.
            "/quit" | line::DISCONNECT => {
                queue.submit(Zeroizing::new(line::DISCONNECT.to_owned()), &output)?;
                break;
            }
            // The server would not say it.
            "" => {}
            line if guard.holds_back(line, &output) => {}
            // It waits for the connection, if need be.
            _ => queue.submit(text, &output)?,
        }
    }
    // What is still under way arrives and is shown. The server closes when it has
    // sent everything.
    queue.end_input();
    // The receiver ends the program. To return from here instead could cut off what it
    // has not shown yet.
    receiver.join().expect("the receiver ends the program and does not return")
}

/// What this stage's client does on the receiver thread. When it connects, logs in and
/// shows a line is decided in [`Receiver`], for all stages.
struct Logic {
    /// Where the server is, for the next connection.
    connect: Endpoint,
    envelope: Arc<Envelope>,
    /// Where lines are shown.
    output: Output,
}

impl ClientLogic for Logic {
    /// Called after a lost connection, and after a login that was refused.
    fn connect(&self) -> anyhow::Result<Arc<dyn Transport>> {
        Ok(Arc::new(net::connect(&self.connect)?))
    }

    /// Nothing of a line that is not sealed is shown: its author is not in the chat.
    fn open(&self, line: &str) -> anyhow::Result<String> {
        let Ok(text) = self.envelope.open(line) else {
            bail!("received a line that is not sealed with this key: is it the server's (--key FILE)?")
        };
        Ok(text)
    }

    fn show(&self, text: &str) -> anyhow::Result<()> {
        self.output.received(text)
    }
}
