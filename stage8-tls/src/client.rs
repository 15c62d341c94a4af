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

use crate::commands::CLIENT_COMMANDS;
use crate::compression::CompressionArgs;
use crate::e2e::EndToEnd;
use crate::tls::{ConnectError, TlsConnector, TrustArgs};
use clap::Parser;
use common::endpoint::Endpoint;
use common::terminal::{self, Output};
use stage2_echo::line;
use stage4_multichat::transport::Transport;
use stage6_auth::client::login::{LoginArgs, LoginClient};
use stage6_auth::client::receiver::{ClientLogic, Receiver};
use stage6_auth::client::send_queue::{ClientSession, SendQueue};
use stage7_rooms_pubsub::client_state::{ClientState, StateChange};
use stage7_rooms_pubsub::commands::commands_with;
use stage7_rooms_pubsub::line_style;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use zeroize::Zeroizing;

/// Chat client: sends what is typed, over TLS, and shows what other users send.
#[derive(Parser, Debug)]
#[command(name = "stage8-client", version)]
#[command(after_help = LoginArgs::HELP)]
pub struct Options {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9008")]
    pub connect: Endpoint,

    #[command(flatten)]
    trust: TrustArgs,

    #[command(flatten)]
    compression: CompressionArgs,

    /// File with your private key; it is made if it does not exist [default: NAME.identity]
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,

    #[command(flatten)]
    login: LoginArgs,
}

/// What `/help` shows before the commands.
const HELP: &str = "Type a line and press Enter; all users in the room see it,
and your subscribers in other rooms.";

/// Runs the client until the user or the server ends it.
///
/// # Errors
/// When the CA file cannot be used, there is no server, its certificate is not
/// trusted, it refuses the login, or standard output is closed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    // First of all: without knowing whom to trust there is no server to connect to.
    let tls = options.trust.load(&options.connect)?;
    // Before there is a connection: the server gives a login only so much time, and a
    // user who looks for the password should not use it up.
    let request = options.login.request()?;
    let connection = Arc::new(tls.connect()?);
    let commands = commands_with(&CLIENT_COMMANDS);
    // The room for the prompt, and the words that Tab completes.
    let state = ClientState::new(&commands);
    // Both know the one screen: a line that comes in does not tear what is being typed.
    let (mut input, output) = terminal::open_with(line_style::style, Some(state.clone()))?;
    // Prompts and hints are for users. On a pipe there is nothing but the lines.
    if output.interactive() {
        output.hint(&format!("Connected to {}, {}.", options.connect, connection.negotiated()));
        output.hint("/help shows what you can type.");
    }
    // Whatever is sent goes through it: a private message leaves this program sealed.
    let e2e = EndToEnd::new(options.identity.clone(), &options.connect.to_string(), output.clone());
    let queue = SendQueue::new(e2e.clone());
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
        let (state, compression) = (state.clone(), options.compression);
        let connection = compression.accept(connection);
        let logic = Logic { tls, compression, e2e, queue: queue.clone(), state, output: output.clone() };
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
    /// For the next connection.
    tls: TlsConnector,
    compression: CompressionArgs,
    e2e: Arc<EndToEnd>,
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
        Ok(self.compression.accept(Arc::new(self.tls.connect()?)))
    }

    /// A server that is not trusted will not be trusted a second later.
    fn is_final(&self, error: &anyhow::Error) -> bool {
        matches!(error.downcast_ref(), Some(ConnectError::Handshake { is_not_trusted: true, .. }))
    }

    /// A client that has come back begins in the lobby, as every client does.
    fn logged_in(&self, session: &ClientSession) -> anyhow::Result<()> {
        self.e2e.logged_in(&session.name, &self.queue)?;
        if let Some(room) = self.state.logged_in(&session.name) {
            // Before what was typed for that room.
            self.queue.send_now(&format!("/join {room}"));
            self.output.hint(&format!("Going back to the room {room}."));
        }
        Ok(())
    }

    /// Private messages are opened here, if the key of the sender is known.
    fn received(&self, text: String) -> Vec<String> {
        self.e2e.on_line(&text, &self.queue)
    }

    fn end(&self) -> Vec<String> {
        self.e2e.end()
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
