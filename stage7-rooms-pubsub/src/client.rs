//! The client's flow: one thread shows what comes in, the other takes what is
//! typed. A connection that is lost is replaced by the next one, without anybody
//! having to type the password again.

use crate::client_state::{ClientState, StateChange};
use crate::line_style;
use anyhow::{Context, bail, ensure};
use clap::Parser;
use common::endpoint::Endpoint;
use common::net;
use common::terminal::{self, Input, Output};
use stage2_echo::line::{self, LineReader, Received};
use stage4_multichat::client::MAX_FROM_SERVER;
use stage5_aes::keyfile::{self, KeyFile};
use stage6_auth::connection::Connection;
use stage6_auth::envelope::{Envelope, MAX_TEXT};
use stage6_auth::login_client::{LoginArgs, answered, ask_for_password};
use stage6_auth::reconnect::reconnect;
use stage6_auth::send_queue::{MOST_KEPT, Prompt, SendQueue};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use zeroize::Zeroizing;

/// Sends what is typed, sealed, and shows what the others say.
#[derive(Parser, Debug)]
#[command(name = "stage7-client", version)]
#[command(after_help = LoginArgs::HELP)]
pub struct Options {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9007")]
    pub connect: Endpoint,

    /// File with the key, the same for everybody
    #[arg(long, value_name = "FILE", default_value = keyfile::DEFAULT_PATH)]
    pub key: PathBuf,

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
/msg USER TEXT: for USER alone; the server can read it
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
/// When the key file cannot be used, there is no server, it lets nobody of this
/// name in, or standard output is closed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    // First of all: without the key there is nothing to connect for.
    let envelope = Arc::new(Envelope::new(&KeyFile::load(&options.key)?.key));
    let queue = SendQueue::new(envelope.clone());
    let request = options.login.request()?;
    let connection = Arc::new(net::connect(&options.connect)?);
    let state = ClientState::new(HELP);
    let (mut input, output) = terminal::open_with(line_style::style, Some(state.clone()))?;
    if output.interactive() {
        output.hint(&format!("Connected to {}. /help shows what you can type.", options.connect));
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
        let receiver = Receiver { connect, envelope, queue, state: state.clone(), output };
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
    if text.len() > MAX_TEXT {
        let problem = format!("not sent: sealed, a line holds {MAX_TEXT} bytes of text at most");
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
    envelope: Arc<Envelope>,
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
            let connect = || Ok(net::connect(&self.connect).ok());
            let next = if goes_on { reconnect(connect, &mut attempts, &self.queue)? } else { None };
            let Some(next) = next else {
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
            let sealed = match lines.next() {
                Ok(Received::Line(sealed)) => sealed,
                Ok(Received::End) => return Ok(Ok(())),
                Ok(Received::NotUtf8) => "",
                Ok(Received::TooLong) => bail!("the server sent a line above {MAX_FROM_SERVER} bytes"),
                Err(e) => return Ok(Err(e)),
            };
            // Nothing of it is shown: whoever wrote it is not in the chat.
            let Ok(text) = self.envelope.open(sealed) else {
                bail!("received a line that is not sealed with this key: is it the server's (--key FILE)?")
            };
            if text == line::DISCONNECT {
                return Ok(Ok(()));
            }
            self.take_in(&text, request.as_ref(), attempts)?;
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
