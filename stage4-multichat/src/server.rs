//! The server's flow: one thread per client, and every line to all the others.

use crate::outbox::{Outbox, Terms};
use crate::rate::{Rate, Verdict};
use crate::registry::{Full, Registry};
use crate::stalled::Stalled;
use crate::wire::{Form, Plain};
use clap::Parser;
use common::cli::LogFileArgs;
use common::endpoint::Endpoint;
use common::fd_limit::raise_fd_limit;
use common::listener::Listener;
use common::log::Log;
use stage2_echo::line::{self, LineReader, Received};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// A member of this stage's room, at the other end of a plain TCP connection.
type Member = crate::registry::Member<Arc<TcpStream>>;

/// Relays what each client says to all the others.
#[derive(Parser, Clone, Debug)]
#[command(name = "stage4-server", version)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9004")]
    pub listen: Endpoint,

    /// Clients at once; one more is told that the server is full
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_clients: usize,

    /// Lines a second that each client may send, with bursts of twice that; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rate: u32,

    /// Bytes that may wait for a client that does not read, before it is disconnected
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    pub queue: usize,

    #[command(flatten)]
    log: LogFileArgs,
}

/// What every client's thread needs.
struct Server {
    listener: Listener,
    registry: Arc<Registry<Arc<TcpStream>>>,
    terms: Arc<Terms<Arc<TcpStream>>>,
    rate: u32,
    log: Log,
}

/// The stack of a client's thread. Only what is used of it costs memory, but
/// addresses run out too: the usual 2 MiB, ten thousand times, are 20 GiB.
const STACK: usize = 128 << 10;

/// How long a client that is leaving, or that is thrown out, has to read what
/// was sent to it before.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Runs the server until a signal stops it.
///
/// # Errors
/// When it cannot listen, or not write its log.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let (level, file) = options.log.settings();
    let (log, _written_at_the_end) = Log::start(level, file)?;
    raise_fd_limit(options.max_clients, &log);
    let form: Arc<dyn Form> = Arc::new(Plain);
    let server = Arc::new(Server {
        listener: Listener::open(&options.listen, &log)?,
        registry: Registry::new(options.max_clients, form.clone(), &log),
        terms: Arc::new(Terms { bound: options.queue, helper: Stalled::start()?, form }),
        rate: options.rate,
        log,
    });
    server.log.info(format_args!("room for {} clients", options.max_clients));
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
    server.registry.say_farewell(line::SHUTTING_DOWN, Duration::from_secs(1));
    server.listener.finish();
    Ok(())
}

/// One client, from its first line to the end of the connection, whichever way
/// that comes. Nothing that happens here may end the server.
fn serve(stream: &Arc<TcpStream>, peer: SocketAddr, server: &Server) {
    let _open = server.listener.track(stream);
    let outbox = Outbox::new(stream.clone(), server.terms.clone());
    match server.registry.join(peer.to_string(), outbox.clone()) {
        // It leaves when `member` is dropped, even if this thread panics.
        Ok(member) => {
            if let Err(e) = converse(stream, &member, server) {
                server.log.info(format_args!("{peer} lost: {e}"));
            }
            if server.listener.stopping() {
                server.registry.await_farewell();
            }
        }
        Err(Full) => {
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

/// Passes on line by line until the client has had enough.
///
/// This thread only reads. What the others say reaches this client through its
/// outbox, from their threads, at any time.
fn converse(stream: &TcpStream, member: &Member, server: &Server) -> io::Result<()> {
    let mut lines = LineReader::new(stream);
    let mut rate = Rate::new(server.rate);
    loop {
        let mut said = String::new();
        let goes_on = hear(&mut lines, &mut said, &mut rate, member, server)?;
        // All that one `read` has brought is said at once: each of the others
        // gets it in one write.
        server.registry.say(member, &said);
        if !goes_on {
            return Ok(());
        }
    }
}

/// Gathers in `said` what the client sends, as the others will see it; waits
/// for the first line only. Whether more may come.
fn hear(
    lines: &mut LineReader<&TcpStream>,
    said: &mut String,
    rate: &mut Rate,
    member: &Member,
    server: &Server,
) -> io::Result<bool> {
    loop {
        match lines.next()? {
            Received::Line(line::DISCONNECT | "/quit") => return Ok(false),
            Received::Line("") => {}
            Received::Line(text) => match rate.line(Instant::now()) {
                Verdict::Allowed => said.extend(["[", member.name(), "] ", text, "\n"]),
                Verdict::FirstOver => {
                    let allowed = server.rate;
                    member.tell(&format!("[SERVER] error: too fast, {allowed} lines per second allowed"));
                    server.log.warn(format_args!("{} is too fast: lines dropped", member.name()));
                }
                Verdict::Over => {}
            },
            Received::NotUtf8 => member.tell(line::NOT_UTF8),
            Received::TooLong => {
                member.tell(line::TOO_LONG);
                return Ok(false);
            }
            Received::End => return Ok(false),
        }
        if !lines.has_buffered_line() {
            return Ok(true);
        }
    }
}
