//! The server's flow: one thread per client, and every line to all the others.

use crate::outbox::{Outbox, Terms, Wire};
use crate::rate::{Rate, Verdict};
use crate::registry::{Full, Member, Registry};
use crate::stalled::Stalled;
use clap::Parser;
use common::endpoint::Endpoint;
use common::limits;
use common::listener::Listener;
use common::log::Log;
use common::program::{LogFileArgs, endpoint};
use stage2_echo::line::{self, LineReader, Received};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Relays what each client says to all the others.
#[derive(Parser, Clone, Debug)]
#[command(name = "stage4-server", version)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9004", value_parser = endpoint)]
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
    options: Options,
    listener: Listener,
    registry: Registry<Arc<TcpStream>>,
    terms: Arc<Terms<Arc<TcpStream>>>,
    log: Log,
}

/// The stack of a client's thread. Only what is used of it costs memory; but
/// ten thousand times the usual 2 MiB is a lot even of addresses.
const STACK: usize = 128 << 10;

/// How long a client that has gone quiet, or that is thrown out, has to read
/// what was sent to it before.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Runs the server until a signal stops it.
///
/// # Errors
/// When it cannot listen, or not write its log.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let (level, file) = options.log.settings();
    let (log, _written_at_the_end) = Log::start(level, file)?;
    let most = limits::allow_connections(options.max_clients);
    if most < options.max_clients {
        log.warn(format_args!(
            "the limit on open files allows {most} clients, not {}; raise it with `ulimit -n`",
            options.max_clients
        ));
    }
    let server = Arc::new(Server {
        listener: Listener::open(&options.listen, &log)?,
        registry: Registry::new(most, &log),
        terms: Arc::new(Terms { bound: options.queue, helper: Stalled::start()? }),
        options: options.clone(),
        log,
    });
    server.log.info(format_args!("room for {most} clients"));
    while let Some((stream, peer)) = server.listener.accept() {
        let worker = thread::Builder::new().stack_size(STACK).spawn({
            let server = server.clone();
            move || server.serve(Arc::new(stream), peer)
        });
        if let Err(e) = worker {
            server.log.error(format_args!("{peer} turned away: cannot start a thread: {e}"));
        }
    }
    server.registry.say_farewell(line::SHUTTING_DOWN, Duration::from_secs(1));
    server.listener.finish();
    Ok(())
}

impl Server {
    /// One client, from its arrival to the end of the connection, whichever way
    /// that comes. Nothing that happens here may end the server.
    fn serve(&self, stream: Arc<TcpStream>, peer: SocketAddr) {
        let _open = self.listener.watch(&stream);
        let outbox = Outbox::new(stream.clone(), self.terms.clone());
        match self.registry.join(peer.to_string(), outbox.clone()) {
            Ok(member) => {
                let present = Present { server: self, member };
                if let Err(e) = self.converse(&stream, &present.member) {
                    self.log.info(format_args!("{peer} lost: {e}"));
                }
                if self.listener.stopping() {
                    self.registry.await_farewell();
                }
            }
            Err(Full) => {
                self.log.warn(format_args!("{peer} turned away: server is full"));
                outbox.send_line("[SERVER] error: server is full");
            }
        }
        outbox.end();
        if outbox.wait_until_written(LAST_WORDS) {
            line::close_in_good_order(&stream);
        }
        outbox.cut();
    }

    /// Passes on line by line until the client has had enough.
    ///
    /// This thread only reads. What the others say reaches this client through
    /// its outbox, from their threads, at any time.
    fn converse(&self, stream: &TcpStream, member: &Member<Arc<TcpStream>>) -> io::Result<()> {
        let mut lines = LineReader::new(stream);
        let mut rate = Rate::new(self.options.rate);
        loop {
            let mut said = String::new();
            let goes_on = self.listen(&mut lines, &mut rate, member, &mut said)?;
            // All that one `read` has brought is said at once: the others get
            // it in one write each.
            self.registry.say(member, &said);
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Gathers in `said` what has come from the client, as the others will see
    /// it; waits for the first line only. Whether more may come.
    fn listen(
        &self,
        lines: &mut LineReader<&TcpStream>,
        rate: &mut Rate,
        member: &Member<Arc<TcpStream>>,
        said: &mut String,
    ) -> io::Result<bool> {
        loop {
            match lines.next()? {
                Received::Line(line::DISCONNECT | "/quit") | Received::End => return Ok(false),
                Received::Line("") => {}
                Received::Line(text) => match rate.line(Instant::now()) {
                    Verdict::Allowed => said.extend(["[", member.name(), "] ", text, "\n"]),
                    Verdict::FirstOver => self.tell_too_fast(member),
                    Verdict::Over => {}
                },
                Received::NotUtf8 => {
                    member.outbox().send_line(line::NOT_UTF8);
                }
                Received::TooLong => {
                    member.outbox().send_line(line::TOO_LONG);
                    return Ok(false);
                }
            }
            if !lines.holds_answer() {
                return Ok(true);
            }
        }
    }

    fn tell_too_fast(&self, member: &Member<Arc<TcpStream>>) {
        let allowed = self.options.rate;
        member.outbox().send_line(&format!("[SERVER] error: too fast, {allowed} lines per second allowed"));
        self.log.warn(format_args!("{} is too fast: lines dropped", member.name()));
    }
}

/// A member's presence in the room: it leaves when this is dropped, and so also
/// when its thread panics.
struct Present<'a> {
    server: &'a Server,
    member: Arc<Member<Arc<TcpStream>>>,
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.server.registry.leave(&self.member);
    }
}

/// The plain TCP connection as an outbox sees it.
impl Wire for Arc<TcpStream> {
    fn write(&self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
        // The socket itself stays blocking, for the thread that reads: only
        // this one write must not wait.
        let written = match bytes {
            [one] => send(self, one, SendFlags::DONTWAIT)?,
            many => sendmsg(self, many, &mut SendAncillaryBuffer::default(), SendFlags::DONTWAIT)?,
        };
        Ok(written)
    }

    fn end(&self) {
        let _ = self.shutdown(std::net::Shutdown::Write);
    }

    fn cut(&self) {
        let _ = self.shutdown(std::net::Shutdown::Both);
    }

    fn socket(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&**self)
    }
}
