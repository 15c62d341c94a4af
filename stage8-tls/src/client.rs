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

use crate::e2e::{EndToEnd, fits};
use crate::tls::{ServerTrust, TrustArgs};
use anyhow::{Context, bail, ensure};
use clap::Parser;
use common::endpoint::Endpoint;
use common::terminal::{self, Output};
use stage2_echo::line::{self, LineReader, Received};
use stage4_multichat::client::MAX_FROM_SERVER;
use stage6_auth::connection::Connection;
use stage6_auth::login_client::{LoginArgs, LoginClient, LoginEvent};
use stage6_auth::reconnect::reconnect;
use stage6_auth::send_queue::{MAX_QUEUED, SendQueue};
use stage7_rooms_pubsub::client_state::{ClientState, StateChange};
use stage7_rooms_pubsub::commands::{self, CommandInfo};
use stage7_rooms_pubsub::line_style;
use std::io;
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

    /// File with your private key; it is made if it does not exist [default: NAME.identity]
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,

    #[command(flatten)]
    login: LoginArgs,
}

/// What `/help` shows before the commands.
const HELP: &str = "Type a line and press Enter; all users in the room see it,
and your subscribers in other rooms.";

/// Commands that stage 7 does not have, or that do something else there.
const CHANGED_COMMANDS: [CommandInfo; 3] = [
    CommandInfo { usage: "/msg USER TEXT", help: "for USER alone; the server cannot read it" },
    CommandInfo { usage: "/fingerprint [USER]", help: "what you two compare, to be sure that it is USER" },
    CommandInfo { usage: "/trust USER", help: "accept a changed key of USER, after comparing" },
];

/// Runs the client until the user or the server ends it.
///
/// # Errors
/// When the CA file cannot be used, there is no server, its certificate is not
/// trusted, it refuses the login, or standard output is closed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    // First of all: without knowing whom to trust there is no server to connect to.
    let trust = options.trust.load(&options.connect)?;
    // Before there is a connection: the server gives a login only so much time, and a
    // user who looks for the password should not use it up.
    let request = options.login.request()?;
    let connection = Arc::new(trust.connect(&options.connect)?);
    let commands = commands::changed(&CHANGED_COMMANDS);
    let state = ClientState::new(&commands);
    let (mut input, output) = terminal::open_with(line_style::style, Some(state.clone()))?;
    if output.interactive() {
        let negotiated = connection.negotiated();
        output.hint(&format!("Connected to {}, {negotiated}.", options.connect));
        output.hint("/help shows what you can type.");
    }
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
        let login = LoginClient::new(options.login.clone(), request, queue.clone(), output.clone());
        let (connect, queue, output) = (options.connect.clone(), queue.clone(), output.clone());
        let mut receiver = Receiver { connect, trust, e2e, login, queue, state: state.clone(), output };
        move || end_program(receiver.receive_all(connection), &receiver.output)
    })?;
    // On a terminal the login asks its own questions, and what is typed after it is
    // for the room. On a pipe the first lines are the answers: the queue gives the
    // server no more of them than it asks for.
    if output.interactive() {
        queue.wait_for_login();
    }
    while let Some(text) = input.next(&state.prompt())?.map(Zeroizing::new) {
        match text.as_str() {
            "/help" if output.interactive() => {
                HELP.lines().for_each(|line| output.hint(line));
                commands.iter().for_each(|c| output.hint(&format!("{}: {}", c.usage, c.help)));
            }
            // To the server, behind all that was typed before: it is a line like any
            // other, and the last one.
            "/quit" | line::DISCONNECT => {
                send(&queue, Zeroizing::new(line::DISCONNECT.to_owned()), &output)?;
                break;
            }
            // The server would not say it.
            "" => {}
            _ => {
                if output.interactive() {
                    // The prompt may have to wait for what that changes.
                    state.typed(&text);
                }
                send(&queue, text, &output)?;
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

/// Queues a line, if it can be sent. On a pipe this waits when the queue is full: the
/// lines are there when they are there. A user at a terminal is told instead.
fn send(queue: &SendQueue, text: Zeroizing<String>, output: &Output) -> anyhow::Result<()> {
    if let Err(problem) = fits(&text) {
        // A user can try again. On a pipe it would not be noticed that a line is missing.
        ensure!(output.interactive(), problem);
        output.hint(&problem);
    } else if !queue.push(text, !output.interactive()) {
        output.hint(&format!("not sent: {MAX_QUEUED} lines are waiting for the connection already"));
    }
    Ok(())
}

/// What the receiver thread works with. It alone uses the login; the rest has its own
/// locks.
struct Receiver {
    connect: Endpoint,
    trust: ServerTrust,
    e2e: Arc<EndToEnd>,
    login: LoginClient,
    queue: Arc<SendQueue>,
    state: Arc<ClientState>,
    output: Output,
}

/// How a connection ended.
enum Ended {
    /// In good order, or it broke off.
    Closed(io::Result<()>),
    /// The user may log in on another one.
    Refused,
}

impl Receiver {
    /// Shows what comes, over one connection after another.
    fn receive_all(&mut self, mut connection: Arc<dyn Connection>) -> anyhow::Result<()> {
        // Attempts to connect since the last login: the pauses between them grow.
        let mut attempts = 0;
        loop {
            self.queue.connected(&connection);
            self.login.begin();
            let ended = self.receive(&*connection, &mut attempts)?;
            // Lost is a connection that neither side meant to end. From now on nothing
            // leaves the queue.
            let lost = self.queue.disconnected();
            self.e2e.disconnected();
            if lost && attempts == 0 {
                self.output.hint("The connection is lost. Reconnecting; what you type is sent then.");
            }
            let connect = || Ok(self.trust.reconnect(&self.connect)?);
            // After a refused login at once, since the user waits; after a lost
            // connection with pauses, since a thousand clients may have lost theirs.
            let next = match &ended {
                Ended::Refused => Some(self.trust.connect(&self.connect)?),
                _ if lost => reconnect(connect, &mut attempts, &self.queue)?,
                _ => None,
            };
            if let Some(next) = next {
                connection = Arc::new(next);
                continue;
            }
            self.e2e.end().iter().try_for_each(|line| self.output.received(line))?;
            // What was typed and not sent is an error, or a script would not notice.
            self.queue.require_all_sent()?;
            return match ended {
                Ended::Closed(Err(e)) if !lost => Err(e).context("the connection broke off"),
                _ => Ok(()),
            };
        }
    }

    /// Shows line by line until the connection ends: first the login, then the room.
    fn receive(&mut self, connection: &dyn Connection, attempts: &mut u32) -> anyhow::Result<Ended> {
        // A connection of its own, and so a buffer of its own: half a line that came
        // before the connection broke is not a line.
        let mut lines = LineReader::with_limit(connection.reader(), MAX_FROM_SERVER);
        let mut logged_in = false;
        loop {
            let text = match lines.next() {
                Ok(Received::Line(text)) => text,
                Ok(Received::NotUtf8) => "(a line that is not valid UTF-8)",
                Ok(Received::TooLong) => bail!("the server sent a line above {MAX_FROM_SERVER} bytes"),
                // The server did not wait for the answer that was just typed.
                Ok(Received::End) | Err(_) if self.login.may_try_again() => return Ok(Ended::Refused),
                Ok(Received::End) => return Ok(Ended::Closed(Ok(()))),
                Err(e) => return Ok(Ended::Closed(Err(e))),
            };
            if text == line::DISCONNECT {
                return Ok(Ended::Closed(Ok(())));
            }
            if logged_in {
                for text in self.e2e.heard(text, &self.queue) {
                    self.show(&text)?;
                }
                continue;
            }
            // Until here the server has not let the user in, and what is typed for the
            // room stays in the queue.
            match self.login.on_line(text)? {
                LoginEvent::Pending => {}
                LoginEvent::LoggedIn(session) => {
                    (logged_in, *attempts) = (true, 0);
                    let room = self.state.logged_in(&session.name);
                    // Before anything that was typed.
                    self.e2e.logged_in(&session.name, &self.queue)?;
                    self.queue.logged_in(session);
                    if let Some(room) = room {
                        // Before what was typed for that room.
                        self.queue.send_now(&format!("/join {room}"));
                        self.output.hint(&format!("Going back to the room {room}."));
                    }
                    // And now the queue goes out, on this connection.
                    self.queue.open();
                }
                LoginEvent::Refused => return Ok(Ended::Refused),
                LoginEvent::Leave => return Ok(Ended::Closed(Ok(()))),
            }
        }
    }

    /// Shows a line, after taking in what it changes.
    fn show(&self, text: &str) -> anyhow::Result<()> {
        self.queue.heed(text);
        match self.state.heard(text) {
            StateChange::Moved { prompt } => self.output.change_prompt(&prompt),
            StateChange::Kicked => self.queue.leave(),
            StateChange::Nothing => {}
        }
        self.output.received(text)
    }
}

/// The server has closed, and with it ends the program, even if the main thread
/// waits for a key.
fn end_program(ended: anyhow::Result<()>, output: &Output) -> ! {
    match ended {
        Ok(()) if output.interactive() => output.hint("The connection is closed."),
        Ok(()) => {}
        Err(e) => output.fail(&e),
    }
    output.exit(0)
}
