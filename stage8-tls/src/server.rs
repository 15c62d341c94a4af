//! The server's flow: one thread per client. First it has to say who it is; then
//! every line goes into the database, and from there to those for whom it is.

use crate::certs::{CertificateFolder, own_names};
use crate::commands::Commands;
use crate::hear::read_line;
use crate::public_keys::{Database, SCHEMA};
use crate::tls::{Acceptor, TlsStream};
use clap::Parser;
use common::aside::aside;
use common::cli::LogFileArgs;
use common::endpoint::Endpoint;
use common::fd_limit::raise_fd_limit;
use common::listener::Listener;
use common::log::Log;
use stage2_echo::line::{self, LineReader};
use stage4_multichat::outbox::{Outbox, Terms};
use stage4_multichat::rate::{Rate, Verdict};
use stage4_multichat::stalled::Stalled;
use stage4_multichat::wire::{Form, Plain};
use stage6_auth::auth::{AUTH_REQUIRED, AuthArgs, Authenticator, ClientLine, DeadlineReader, LoginError};
use stage6_auth::members::OnDuplicate;
use stage6_auth::people::People;
use stage6_auth::semaphore::Semaphore;
use stage6_auth::speaker::Speaker;
use stage6_auth::store::DbArgs;
use stage7_rooms_pubsub::chat::Chat;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How a client is connected: encrypted.
type Connection = TlsStream;

/// Somebody who is logged in.
type Person = Speaker<Connection>;

/// Lets in who has an account, keeps what they say, and relays it to those for whom it is.
#[derive(Parser, Clone, Debug)]
#[command(name = "stage8-server", version)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9008")]
    pub listen: Endpoint,

    /// Connections at once, logged in or not; one more is told that the server is full
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_clients: usize,

    /// Lines a second that each client may send, with bursts of twice that; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rate: u32,

    /// Bytes that may wait for a client that does not read, before it is disconnected
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    pub queue: usize,

    /// Folder with ca.pem, server.pem and server.key; when there are none, they are made
    #[arg(long, value_name = "FOLDER", default_value = "certs")]
    pub certs: PathBuf,

    #[command(flatten)]
    db: DbArgs,

    #[command(flatten)]
    auth: AuthArgs,

    /// Who has to yield when a name logs in a second time: the second or the first
    #[arg(long, value_enum, default_value_t = OnDuplicate::Replace)]
    pub on_duplicate: OnDuplicate,

    /// Earlier messages that a newcomer is sent
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(..=10_000))]
    pub history: u16,

    #[command(flatten)]
    log: LogFileArgs,
}

/// What every client's thread needs.
struct Server {
    listener: Listener,
    tls: Acceptor,
    /// Connections that may still come: those in the dialogue need a bound as well.
    places: Semaphore,
    auth: Authenticator,
    people: People<Connection, Chat<Connection>>,
    database: Database,
    history: usize,
    terms: Arc<Terms<Connection>>,
    rate: u32,
    log: Log,
}

/// The stack of a client's thread. Only what is used of it costs memory, but
/// addresses run out too: the usual 2 MiB, ten thousand times, are 20 GiB. More
/// than in stage 4, since this thread encrypts. What goes deeper is done aside.
const STACK: usize = 256 << 10;

/// How long a client that is leaving, or that is thrown out, has to read what
/// was sent to it before.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// At the end: how long what was received may take to be committed and
/// delivered. A database that hangs is given up after two seconds.
const LAST_COMMIT: Duration = Duration::from_millis(2500);

/// Runs the server until a signal stops it.
///
/// # Errors
/// When it has no certificate or no database, cannot listen, or not write its log.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let (level, file) = options.log.settings();
    let (log, _written_at_the_end) = Log::start(level, file)?;
    raise_fd_limit(options.max_clients, &log);
    let certificate = CertificateFolder::new(&options.certs).open(&own_names(options.listen.host()), &log)?;
    let form: Arc<dyn Form> = Arc::new(Plain);
    let database = Database::open(&options.db.db, &SCHEMA)?;
    if let Some(warning) = database.users.durability_warning()? {
        log.warn(warning);
    }
    let sessions = options.auth.session_tokens(&database.users);
    let chat = Chat::open(&database.messages, &form, options.history.into(), &log)?;
    let server = Arc::new(Server {
        listener: Listener::open(&options.listen, &log)?,
        tls: Acceptor::new(&certificate)?,
        places: Semaphore::new(options.max_clients),
        people: People::new(options.on_duplicate, &sessions, chat, &log),
        auth: options.auth.authenticator(&database.users, sessions, &log),
        database,
        history: options.history.into(),
        terms: Arc::new(Terms { bound: options.queue, helper: Stalled::start()?, form }),
        rate: options.rate,
        log,
    });
    server
        .log
        .info(format_args!("room for {} clients; messages go to {}", options.max_clients, options.db.db));
    while let Some((stream, peer)) = server.listener.accept() {
        // Stage 3 keeps a handle of each thread to join it. Ten thousand handles
        // are a megabyte, and whoever leaves the room is gone: so these run on
        // their own, and `finish` waits for their connections instead.
        let thread = thread::Builder::new().stack_size(STACK).spawn({
            let server = server.clone();
            move || serve(&Arc::new(stream), peer, &server)
        });
        if let Err(e) = thread {
            server.log.error(format_args!("{peer} turned away: cannot start a thread: {e}"));
        }
    }
    server.people.place.say_farewell(line::SHUTTING_DOWN, LAST_COMMIT);
    server.listener.finish();
    if !server.people.place.close(Duration::from_millis(500)) {
        server.log.error("the database does not answer: what it was given last may be stored or not");
    }
    Ok(())
}

/// One client, from its first line to the end of the connection, whichever way
/// that comes. Nothing that happens here may end the server.
fn serve(stream: &Arc<TcpStream>, peer: SocketAddr, server: &Server) {
    let _open = server.listener.track(stream);
    let place = server.places.acquire_for(Duration::ZERO);
    let wire = match server.tls.accept(stream) {
        Ok(wire) => wire,
        Err(failure) => {
            server.log.warn(format_args!("{peer} not let in: {}", failure.for_the_log()));
            return line::lingering_close(stream);
        }
    };
    let outbox = Outbox::new(wire, server.terms.clone());
    match place {
        // Free again before the client can see the end of the connection.
        Some(_place) => {
            if let Err(error) = attend(stream, &outbox, peer, server) {
                turn_away(&error, &outbox, peer, server);
            }
        }
        None => {
            server.log.warn(format_args!("{peer} turned away: server is full"));
            outbox.send_line("[SERVER] error: server is full");
        }
    }
    outbox.end();
    if outbox.wait_until_written(LAST_WORDS) {
        line::lingering_close(stream);
    }
    outbox.cut();
}

/// Lets the client in, if it can prove who it is, and lets it talk.
#[inline(never)] // or a handshake would begin where this ends on the stack: a page more for all
fn attend(
    stream: &Arc<TcpStream>,
    outbox: &Arc<Outbox<Connection>>,
    peer: SocketAddr,
    server: &Server,
) -> Result<(), LoginError> {
    let deadline = Instant::now() + server.auth.timeout;
    let input = DeadlineReader::over(stream, outbox.wire(), deadline);
    let mut lines = LineReader::new(&input);
    let say = |line: &str| {
        let _ = outbox.send_line(line);
    };
    server.log.info(format_args!("{peer} connected, {}", outbox.wire().negotiated()));
    say(AUTH_REQUIRED);
    let (login, person, here) = aside(|| {
        let login =
            server.auth.authenticate_greeted(|| read_line(&mut lines, outbox), say, peer, deadline)?;
        let person = Person::new(&login.user.name, peer, outbox, login.token.clone());
        // It leaves when `here` is dropped, even if this thread panics.
        let here = server.people.enter(&person, &login, deadline)?;
        Ok::<_, LoginError>((login, person, here))
    })
    .map_err(LoginError::Lost)??;
    input.no_deadline().map_err(LoginError::Lost)?;
    let Server { people, database, history, log, .. } = server;
    let commands = Commands::new(people, database, *history, log, &person, login.user);
    let ended = converse(&mut lines, commands, &person, server);
    if let Some(e) = ended.err().filter(|_| !server.listener.stopping()) {
        server.log.info(format_args!("{} lost: {e}", person.name));
    }
    if server.listener.stopping() {
        // What it said is to be committed and delivered before the farewell.
        person.settle(LAST_COMMIT);
        server.people.place.await_farewell();
    }
    drop(here);
    Ok(())
}

fn turn_away(error: &LoginError, outbox: &Arc<Outbox<Connection>>, peer: SocketAddr, server: &Server) {
    server.log.warn(format_args!("{peer} not let in: {}", error.for_the_log()));
    if let Some(answer) = error.answer() {
        outbox.send_line(&answer);
    } else if server.listener.stopping() {
        outbox.send_line(line::SHUTTING_DOWN);
    }
}

/// Passes on line by line until the client has had enough.
///
/// This thread only reads. What the others say reaches this client through its
/// outbox, from the committer's thread, at any time.
#[inline(never)] // for the same reason
fn converse(
    lines: &mut LineReader<&DeadlineReader<'_, Connection>>,
    mut commands: Commands<'_>,
    person: &Arc<Person>,
    server: &Server,
) -> io::Result<()> {
    let mut rate = Rate::new(server.rate);
    loop {
        match read_line(lines, &person.outbox)? {
            ClientLine::Text(text) => match text.as_str() {
                line::DISCONNECT | "/quit" => return Ok(()),
                "/logout" if server.people.log_out(person) => return Ok(()),
                "" | "/logout" => {}
                _ => match rate.line(Instant::now()) {
                    Verdict::Allowed => commands.obey(&text)?,
                    Verdict::FirstOver => {
                        let allowed = server.rate;
                        person.tell(&format!("[SERVER] error: too fast, {allowed} lines per second allowed"));
                        server.log.warn(format_args!("{} is too fast: lines dropped", person.name));
                    }
                    Verdict::Over => {}
                },
            },
            ClientLine::Invalid(answer) => {
                server.log.warn(format_args!("{} from {}: {answer}", person.name, person.peer));
                person.tell(answer);
                return Ok(());
            }
            ClientLine::End => return Ok(()),
        }
    }
}
