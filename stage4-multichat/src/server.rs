//! The server's flow: a thread reads from each client, one thread delivers.
//!
//! ```text
//! accepting thread ── starts ──► reader threads, one for each client
//! reader thread ──┐                                       outbox ──► socket
//! reader thread ──┼─► queue ──► room thread ─► fan-out ─► outbox ──► socket
//! reader thread ──┘   of events                           outbox ──► socket
//!    `relay`          queue.rs  room.rs        fanout.rs  outbox.rs
//! ```
//!
//! A line that a client sends: its reader thread ([`relay`]) takes a token (`limits.rs`),
//! puts the client's name in front and hands it on. The room thread encodes it once
//! (`line_codec.rs`), puts it into the outbox of each other client, and writes to the sockets
//! itself. The drainer thread (`drainer.rs`) writes what a full socket did not take.
//! A reader thread reads, and answers its own client.
//!
//! The end: a signal stops the accepting thread, and every reader thread finds the end of its
//! input. When all have handed on what they had read, the room thread sends the last line and
//! closes the outboxes. Each reader thread closes its connection when its outbox is empty.
//!
//! What is bounded, and what happens at the bound. The queue: the reader threads wait, and read
//! no more. An outbox (`--queue` bytes): its client is disconnected.
//! At each delivery the room thread waits up to 100 ms for clients that lag behind. One that does
//! not catch up in that time is not waited for again before it has read everything.

use crate::drainer::PollDrainer;
use crate::limits::{ClientSlots, LimitArgs, LineLimiter};
use crate::line_codec::Plaintext;
use crate::outbox::{Outbox, OutboxConfig};
use crate::room::{MemberGuard, Room, RoomState};
use clap::Parser;
use common::cli::LogFileArgs;
use common::critical_thread;
use common::endpoint::Endpoint;
use common::fd_limit;
use common::listener::Listener;
use common::log::Log;
use stage2_echo::line::{self, LineReader, Received};
use stage3_threads::workers::{CLIENT_STACK, Workers};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Chat server: sends each message to all other clients.
#[derive(Parser, Clone, Debug)]
#[command(name = "stage4-server", version)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9004")]
    pub listen: Endpoint,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    log: LogFileArgs,
}

/// What all threads need that serve clients.
struct Server {
    /// Accepts clients, and knows the open connections.
    listener: Listener,
    /// Starts reader threads.
    workers: Workers,
    /// Free slots. A client takes one when it comes; the room thread gives it back.
    slots: Arc<ClientSlots>,
    /// The way to the room thread.
    room: Arc<Room>,
    /// For the outbox of each new client.
    outboxes: Arc<OutboxConfig>,
    /// Lines a second for each client; 0 is no limit.
    rate: u32,
    /// Never makes a thread wait: another one writes it.
    log: Log,
}

/// At the end: how long the lines that were received may take to be delivered.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the server until a signal stops it.
///
/// # Errors
/// When it cannot listen, or not write its log.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let (log, _written_at_the_end) = options.log.start()?;
    fd_limit::raise_fd_limit(options.limits.max_clients, &log);
    // What all outboxes have in common. The room thread fills them, and the drainer thread,
    // which starts here, writes what a full socket did not take.
    let outboxes = Arc::new(OutboxConfig {
        limit: options.limits.outbox_bytes,
        drainer: PollDrainer::start()?,
        codec: Arc::new(Plaintext),
    });
    let server = Arc::new(Server {
        listener: Listener::open(&options.listen, &log)?,
        workers: Workers::new(&log),
        slots: ClientSlots::new(options.limits.max_clients),
        room: Room::open(RoomState::new(&outboxes, Some(&log)))?,
        outboxes,
        rate: options.limits.rate,
        log,
    });
    server.log.info(format_args!("room for {} clients", options.limits.max_clients));
    // This thread only accepts: no client keeps the next one waiting. `None` comes
    // after a signal, or when the server has to stop itself.
    while let Some((stream, peer)) = server.listener.accept() {
        let thread = server.workers.spawn(peer.to_string(), CLIENT_STACK, {
            let server = server.clone();
            move || serve(stream, peer, &server)
        });
        if let Err(e) = thread {
            server.log.error(format_args!("{peer} turned away: cannot start a thread: {e}"));
        }
    }
    // Each reader thread has found the end of its input by now, or soon will. What it
    // had read before is delivered, and then comes the last line.
    server.room.shutdown(line::SHUTTING_DOWN, SHUTDOWN_TIMEOUT);
    server.listener.finish();
    server.workers.join_all(Duration::from_millis(200));
    Ok(critical_thread::check()?)
}

/// One client, from its first line to the end of the connection, whichever way
/// that comes. Nothing that happens here may end the server.
fn serve(stream: TcpStream, peer: SocketAddr, server: &Arc<Server>) {
    let stream = Arc::new(stream);
    let _open = server.listener.track(&stream);
    // The socket has two users from here on: this thread reads from it, and the
    // outbox writes to it.
    let outbox = Outbox::new(stream.clone(), server.outboxes.clone());
    match server.slots.try_acquire().map(|slot| server.room.join(peer.to_string(), &outbox, slot)) {
        Some(Ok(member)) => chat(&stream, member, server),
        Some(Err(_)) => outbox.send_last_line(line::SHUTTING_DOWN),
        None => {
            server.log.warn(format_args!("{peer} turned away: server is full"));
            outbox.send_last_line("[SERVER] error: server is full");
        }
    }
    // The client has left, and may still read what was sent to it before.
    if outbox.wait_closed() {
        line::lingering_close(&stream);
    }
    outbox.disconnect();
}

/// A client in the room. It leaves when `member` is dropped, even if this thread
/// panics, and the room thread then closes its outbox.
fn chat(stream: &TcpStream, member: MemberGuard, server: &Server) {
    let ended = relay(stream, &member, server);
    if member.outbox().is_overrun() {
        server.log.warn(format_args!("{} does not read: disconnected", member.name()));
    } else if let Err(e) = ended {
        server.log.info(format_args!("{} lost: {e}", member.name()));
    }
    if server.listener.stopping() {
        member.wait_for_shutdown();
    }
}

/// Hands on line by line until the client ends the connection.
///
/// This thread only reads. What the others say reaches this client through its
/// outbox, from the room thread, at any time.
fn relay(stream: &TcpStream, member: &MemberGuard, server: &Server) -> io::Result<()> {
    let mut lines = LineReader::new(stream);
    let mut limiter = LineLimiter::new(server.rate, member.name(), member.outbox(), &server.log);
    loop {
        let mut batch = String::new();
        let more = read_batch(&mut lines, &mut batch, &mut limiter, member)?;
        // The lines of one `read` are one event, unless it grows too large: each of
        // the others gets them in one write. If the queue is full, this waits, and
        // TCP makes the client wait.
        if !batch.is_empty() {
            member.broadcast(batch).map_err(io::Error::other)?;
        }
        if !more {
            return Ok(());
        }
    }
}

/// Gathers in `batch` what the client sends, as the others will see it. Waits
/// for the first line only. Returns `true` if more may come.
fn read_batch(
    lines: &mut LineReader<&TcpStream>,
    batch: &mut String,
    limiter: &mut LineLimiter<'_>,
    member: &MemberGuard,
) -> io::Result<bool> {
    loop {
        match lines.next()? {
            // What comes after it is thrown away.
            Received::Line(line::DISCONNECT | "/quit") => return Ok(false),
            Received::Line("") => {}
            Received::Line(text) if limiter.allows() => batch.extend(["[", member.name(), "] ", text, "\n"]),
            // Dropped: the client sends too fast, and is told.
            Received::Line(_) => {}
            // The client is told, and the others get nothing of it.
            Received::NotUtf8 => member.outbox().send_line(line::NOT_UTF8),
            Received::TooLong => {
                member.outbox().send_line(line::TOO_LONG);
                return Ok(false);
            }
            Received::End => return Ok(false),
        }
        if !lines.has_buffered_line() || batch.len() > line::MAX_LINE {
            return Ok(true);
        }
    }
}
