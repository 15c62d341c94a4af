//! The client's flow: one thread shows what comes in, the other takes what is
//! typed. A connection that is lost is replaced by the next one, without anybody
//! having to type the password again.

use crate::e2e::{EndToEnd, fits};
use crate::tls::{ServerTrust, TrustArgs};
use anyhow::{Context, bail, ensure};
use clap::Parser;
use common::endpoint::Endpoint;
use common::terminal::{self, Input, Output};
use stage2_echo::line::{self, LineReader, Received};
use stage4_multichat::client::MAX_FROM_SERVER;
use stage6_auth::connection::Connection;
use stage6_auth::login_client::{LoginArgs, answered, ask_for_password};
use stage6_auth::reconnect::reconnect;
use stage6_auth::send_queue::{MOST_KEPT, Prompt, SendQueue};
use stage7_rooms_pubsub::client_state::{ClientState, StateChange};
use stage7_rooms_pubsub::line_style;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use zeroize::Zeroizing;

/// Sends what is typed, over TLS, and shows what the others say.
#[derive(Parser, Debug)]
#[command(name = "stage8-client", version)]
#[command(after_help = LoginArgs::HELP)]
pub struct Options {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9008")]
    pub connect: Endpoint,

    #[command(flatten)]
    trust: TrustArgs,

    /// File with your private key, made when missing [default: NAME.identity]
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,

    #[command(flatten)]
    login: LoginArgs,
}

/// What `/help` shows.
const HELP: &str =
    "Type a line and press Enter; everybody in the room sees it, and so do those who subscribed to you.
Rooms
/join ROOM: go into a room; it is there as long as somebody is in it
/leave: go back to the lobby
/rooms: the rooms, and how many are in each
/users: who is in this room
/history [N]: what was said in this room, the last N messages
People
/publish TEXT: for those who subscribed to you, in whichever room they are
/subscribe USER: see what USER says in other rooms, and publishes
/unsubscribe USER: and no longer
/subs: to whom you are subscribed
/msg USER TEXT: for USER alone; nobody else can read it, the server neither
/fingerprint [USER]: what the two of you compare, to be sure that it is USER
/trust USER: accept a key of USER that has changed, after comparing
Admins
/kick USER: put USER out
/announce TEXT: for everybody in all rooms
This program
/logout: leave, and end the session
/quit, !DISCONNECT or Ctrl-D: leave
/help: this text. Tab completes commands, rooms and names";

/// Runs the client until either side has had enough.
///
/// # Errors
/// When nobody is known whom to trust, there is no server, it is another one, it
/// lets nobody of this name in, or standard output is closed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    // First of all: without knowing whom to trust there is nobody to connect to.
    let trust = options.trust.load(&options.connect)?;
    let request = options.login.request()?;
    let connection = Arc::new(trust.connect(&options.connect)?);
    let state = ClientState::new(HELP);
    let (mut input, output) = terminal::open_with(line_style::style, Some(state.clone()))?;
    let e2e = EndToEnd::new(options.identity.clone(), &options.connect.to_string(), output.clone());
    let queue = SendQueue::new(e2e.clone());
    if output.interactive() {
        let agreed = connection.negotiated();
        output.hint(&format!("Connected to {}, {agreed}. /help shows what you can type.", options.connect));
    }
    // What is typed may have to wait for the next connection, and the person
    // must not: so another thread sends it.
    thread::Builder::new().name("sender".into()).spawn({
        let queue = queue.clone();
        move || queue.send_all()
    })?;
    // The others speak when they like: what comes in cannot wait until we have
    // typed something. So this thread types, and another one shows.
    let receiver = thread::Builder::new().name("receiver".into()).spawn({
        let (queue, output, connect) = (queue.clone(), output.clone(), options.connect.clone());
        let receiver = Receiver { connect, trust, e2e, queue, state: state.clone(), output };
        move || end_program(receiver.receive_all(connection, request), &receiver.output)
    })?;
    while let Some(text) = next(&mut input, &queue, &state, &output)? {
        match text.as_str() {
            "/help" if output.interactive() => HELP.lines().for_each(|line| output.hint(line)),
            "/quit" | line::DISCONNECT => {
                queue.leaving(true);
                send(&queue, Zeroizing::new(line::DISCONNECT.to_owned()), &output)?;
                break;
            }
            "" => {}
            command => {
                if command == "/logout" {
                    queue.leaving(true);
                }
                state.typed(&text);
                send(&queue, text, &output)?;
            }
        }
    }
    // What is still under way arrives and is shown. The server closes when it
    // has sent it all.
    queue.end();
    receiver.join().expect("the receiver ends the program, it does not come back")
}

/// The next line typed. A person is asked for one when the server waits for one;
/// on a pipe the lines are there when they are there.
fn next(
    input: &mut Input,
    queue: &SendQueue,
    state: &ClientState,
    output: &Output,
) -> anyhow::Result<Option<Zeroizing<String>>> {
    let prompt = match output.interactive().then(|| queue.wait_until_asked()) {
        None | Some(Prompt::Nothing) => "> ".to_owned(),
        Some(Prompt::Answer(prompt)) => prompt.to_owned(),
        Some(Prompt::Anything(_)) => state.prompt(),
        Some(Prompt::Password) => return ask_for_password().map(Some),
    };
    Ok(input.next(&prompt)?.map(Zeroizing::new))
}

fn send(queue: &SendQueue, text: Zeroizing<String>, output: &Output) -> anyhow::Result<()> {
    if let Err(problem) = fits(&text) {
        // A person can try again. On a pipe nobody would see that a line is missing.
        ensure!(output.interactive(), problem);
        output.hint(&problem);
        return Ok(());
    }
    if !queue.put(text, !output.interactive()) {
        output.hint(&format!("not sent: {MOST_KEPT} lines are waiting for the connection already"));
    }
    Ok(())
}

/// What the receiving thread works with.
struct Receiver {
    connect: Endpoint,
    trust: ServerTrust,
    e2e: Arc<EndToEnd>,
    queue: Arc<SendQueue>,
    state: Arc<ClientState>,
    output: Output,
}

impl Receiver {
    /// Shows what comes, over one connection after the other, until that is all.
    fn receive_all(
        &self,
        mut connection: Arc<dyn Connection>,
        mut request: Option<Zeroizing<String>>,
    ) -> anyhow::Result<()> {
        let mut attempts = 0;
        loop {
            self.queue.connected(&connection);
            let ended = self.receive(&*connection, request.take(), &mut attempts)?;
            let goes_on = self.queue.disconnected();
            if goes_on && attempts == 0 {
                self.output.hint(&format!(
                    "The connection is lost. Coming back; what you type meanwhile, {MOST_KEPT} lines at most, is sent then."
                ));
            }
            let connect = || Ok(self.trust.reconnect(&self.connect)?);
            let next = if goes_on { reconnect(connect, &mut attempts, &self.queue)? } else { None };
            let Some(next) = next else {
                self.e2e.end().iter().try_for_each(|line| self.output.received(line))?;
                let unsent = self.queue.unsent();
                ensure!(unsent == 0, "the connection is closed, and {unsent} lines were not sent");
                return if goes_on { Ok(()) } else { ended.context("the connection broke off") };
            };
            connection = Arc::new(next);
        }
    }

    /// Shows line by line until the connection ends. The inner result is how.
    fn receive(
        &self,
        connection: &dyn Connection,
        request: Option<Zeroizing<String>>,
        attempts: &mut u32,
    ) -> anyhow::Result<std::io::Result<()>> {
        let token = self.queue.token().map(|token| Zeroizing::new(format!("RESUME {}", *token)));
        let request = token.or(request);
        let mut lines = LineReader::with_limit(connection.reader(), MAX_FROM_SERVER);
        loop {
            let text = match lines.next() {
                Ok(Received::Line(text)) => text,
                Ok(Received::End) => return Ok(Ok(())),
                Ok(Received::NotUtf8) => "(a line that is not valid UTF-8)",
                Ok(Received::TooLong) => bail!("the server sent a line above {MAX_FROM_SERVER} bytes"),
                Err(e) => return Ok(Err(e)),
            };
            if text == line::DISCONNECT {
                return Ok(Ok(()));
            }
            for text in self.e2e.heard(text, &self.queue)? {
                self.take_in(&text, request.as_ref(), attempts)?;
            }
        }
    }

    /// What a line changes, and whether it is shown.
    fn take_in(
        &self,
        text: &str,
        request: Option<&Zeroizing<String>>,
        attempts: &mut u32,
    ) -> anyhow::Result<()> {
        match self.state.heard(text) {
            StateChange::BackInLobby { from } => {
                // Before what was typed for that room.
                self.queue.send_now(&format!("/join {from}"));
                self.output.hint(&format!("Going back to the room {from}."));
            }
            StateChange::Moved { prompt } => self.output.change_prompt(&prompt),
            StateChange::PutOut => self.queue.leaving(true),
            StateChange::Nothing => {}
        }
        if !answered(text, request, attempts, &self.queue, &self.output)? {
            self.output.received(text)?;
        }
        Ok(())
    }
}

/// The server has closed, and with it ends the program, even if the other
/// thread waits for somebody to type.
fn end_program(ended: anyhow::Result<()>, output: &Output) -> ! {
    match ended {
        Ok(()) if output.interactive() => output.hint("The connection is closed."),
        Ok(()) => {}
        Err(e) => output.fail(&e),
    }
    output.exit(0)
}
