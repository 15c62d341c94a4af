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

use crate::client_state::{ClientState, StateChange};
use crate::commands::COMMANDS;
use crate::line_style;
use anyhow::bail;
use clap::Parser;
use common::endpoint::Endpoint;
use common::net;
use common::terminal::{self, Output};
use stage2_echo::line;
use stage4_multichat::transport::Transport;
use stage5_aes::keyfile::{self, KeyFile};
use stage6_auth::client::login::{LoginArgs, LoginClient};
use stage6_auth::client::receiver::{ClientLogic, Receiver};
use stage6_auth::client::send_queue::{ClientSession, SendQueue};
use stage6_auth::envelope::Envelope;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use zeroize::Zeroizing;

/// Chat client: sends what is typed, sealed, and shows what other users send.
#[derive(Parser, Debug)]
#[command(name = "stage7-client", version)]
#[command(after_help = LoginArgs::HELP)]
pub struct Options {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9007")]
    pub connect: Endpoint,

    /// File with the key, the same for all users
    #[arg(long, value_name = "FILE", default_value = keyfile::DEFAULT_PATH)]
    pub key: PathBuf,

    #[command(flatten)]
    login: LoginArgs,
}

/// What `/help` shows before the commands.
const HELP: &str = "Type a line and press Enter; all users in the room see it,
and your subscribers in other rooms.";

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
    let commands = COMMANDS;
    // The room for the prompt, and the words that Tab completes.
    let state = ClientState::new(&commands);
    // Both know the one screen: a line that comes in does not tear what is being typed.
    let (mut input, output) = terminal::open_with(line_style::style, Some(state.clone()))?;
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
        let (connect, state) = (options.connect.clone(), state.clone());
        let logic = Logic { connect, envelope, queue: queue.clone(), state, output: output.clone() };
        move || Receiver { logic, login, queue, output }.run(connection)
    })?;
    // On a terminal the login asks its own questions, and what is typed after it is
    // for the room. On a pipe the first lines are the answers: the queue gives the
    // server no more of them than it asks for.
    if output.interactive() {
        queue.wait_for_login();
    }
    while let Some(text) = input.next(&state.wait_for_prompt())?.map(Zeroizing::new) {
        match text.as_str() {
            // For this user alone: nothing is sent.
            "/help" if output.interactive() => {
                HELP.lines().for_each(|line| output.hint(line));
                commands.iter().for_each(|c| output.hint(&format!("{}: {}", c.usage, c.help)));
            }
            // To the server, after all that was typed before: it is a line like any
            // other, and the last one.
            "/quit" | line::DISCONNECT => {
                queue.submit(Zeroizing::new(line::DISCONNECT.to_owned()), &output)?;
                break;
            }
            // The server would not say it.
            "" => {}
            _ => {
                if output.interactive() {
                    // The prompt may have to wait for what that changes.
                    state.typed(&text);
                }
                queue.submit(text, &output)?;
            }
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
    /// For what the client itself has to say.
    queue: Arc<SendQueue>,
    /// Shared with the main thread.
    state: Arc<ClientState>,
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

    /// A client that has come back begins in the lobby, as every client does.
    fn logged_in(&self, session: &ClientSession) -> anyhow::Result<()> {
        if let Some(room) = self.state.logged_in(&session.name) {
            // Before what was typed for that room.
            self.queue.send_now(&format!("/join {room}"));
            self.output.hint(&format!("Going back to the room {room}."));
        }
        Ok(())
    }

    /// Shows a line, after taking in what it changes.
    fn show(&self, text: &str) -> anyhow::Result<()> {
        match self.state.on_line(text) {
            StateChange::Moved { prompt } => self.output.change_prompt(&prompt),
            StateChange::Kicked => self.queue.leave(),
            StateChange::Nothing => {}
        }
        self.output.received(text)
    }
}
