//! The server's flow: each client logs in first; then every message goes into the
//! database, and from there to all the others.
//!
//! ```text
//! accepting thread ── starts ──► login threads (`log_in`): ask who it is, check it, end
//!                                    └─ start ──► reader threads (`relay`)
//!
//! reader threads ─► queue ──► committer thread ──► room thread ──────► fan-out ─────► outboxes ─► sockets
//!    `relay`                  one transaction      who gets it         one write for
//!                             for all that waits                       each client
//!    server.rs      queue.rs  committer.rs         room/room_state.rs  fanout.rs      outbox.rs
//!    stage 6        stage 4   stage 6              stage 6             stage 4        stage 4
//! ```
//!
//! A line that a client sends: its reader thread opens it ([`read_line`]), and
//! submits it (`Room::say`).
//! The committer thread stores all that has queued up in one transaction
//! (`Store::append`). While the room thread delivers one batch, the next one is committed.
//! The room thread puts each line into the outbox of each other client.
//! It seals each line once, for all clients.
//! If storing fails, no client gets the message, and its author is told (`NOT_STORED`).
//! Stage 6's `pipeline.rs` starts the two threads in the middle. The room thread writes to
//! the sockets itself, and the drainer thread writes what a socket did not take.
//!
//! | thread | waits for | ends |
//! | --- | --- | --- |
//! | accepting (main) | the next client | a signal: then it ends the server |
//! | login, one for each client that is not in yet | its lines; a permit for a password hash; the database; its name; space in the queue | when the client is in, or was turned away |
//! | reader, one for each client | its lines; space in the queue; for some commands, and to leave, the database, the room thread or its outbox | when the client has left |
//! | committer | the queue; the database; the room thread | after the last line |
//! | room | the next batch; up to 100 ms for slow clients | with the committer |
//! | drainer | sockets that were full | with the process |
//! | hash (one for each password, at low priority), log, signals, cut-off (when the server ends) | not part of this flow | |
//!
//! What is bounded, and what happens at the bound. The queue to the committer: the
//! reader threads wait, and read no more. The channel to the room thread, no batch: the
//! committer waits. An outbox (`--queue` bytes): its client is disconnected.

use crate::auth::{self, AcceptedConnection, Authenticator, Lines, PendingLogins};
use crate::envelope::Envelope;
use crate::read_line::{ReadError, read_line};
use crate::room::Room;
use crate::server_args::ServerArgs;
use crate::sessions::{OnDuplicate, Presence, PresenceGuard, Session};
use crate::store::SCHEMA;
use clap::Parser;
use common::critical_thread;
use common::endpoint::Endpoint;
use common::fd_limit;
use common::listener::Listener;
use common::log::Log;
use stage2_echo::line;
use stage3_threads::workers::Workers;
use stage4_multichat::limits::LineLimiter;
use stage4_multichat::outbox::OutboxConfig;
use stage5_aes::keyfile::{self, KeyFile};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Chat server: users log in, and each message is stored, then sent to all other users.
#[derive(Parser, Clone, Debug)]
#[command(name = "stage6-server", version)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9006")]
    pub listen: Endpoint,

    /// File with the key, the same for all users
    #[arg(long, value_name = "FILE", default_value = keyfile::DEFAULT_PATH)]
    pub key: PathBuf,

    /// Which connection is closed when a user logs in a second time
    #[arg(long, value_enum, default_value_t = OnDuplicate::Reject)]
    pub on_duplicate: OnDuplicate,

    #[command(flatten)]
    args: ServerArgs,
}

/// What all threads need that serve clients.
struct Server {
    /// Accepts clients, and knows the open connections.
    listener: Listener,
    /// Starts login threads and reader threads.
    workers: Workers,
    /// Free slots, and the connections that are not logged in: each has a slot, too.
    pending: Arc<PendingLogins>,
    /// Opens and seals lines, with the key that all have.
    envelope: Arc<Envelope>,
    /// Decides who comes in.
    auth: Authenticator,
    /// Who is online: each name once.
    presence: Arc<Presence>,
    /// The way to the committer thread and the room thread.
    room: Arc<Room>,
    /// For the outbox of each new client.
    outboxes: Arc<OutboxConfig>,
    /// Lines a second for each client; 0 is no limit.
    rate: u32,
    /// Never makes a thread wait: another one writes it.
    log: Log,
}

/// Runs the server until a signal stops it.
///
/// # Errors
/// When it has no key or no database, cannot listen, or not write its log.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let args = &options.args;
    let max_clients = args.limits.max_clients;
    let (log, _written_at_the_end) = args.log.start()?;
    fd_limit::raise_fd_limit(max_clients, &log);
    // First all that can be wrong with files and database, so that a server that
    // listens is one that works.
    let envelope = Arc::new(Envelope::new(&KeyFile::load(&options.key)?.key));
    let outboxes = args.outboxes(envelope.clone())?;
    let store = args.open_store(&SCHEMA, &log)?;
    let tokens = args.auth.session_tokens(&store);
    // This starts the committer thread and the room thread.
    let room = Room::open(&store, &outboxes, args.history.into(), &log)?;
    let server = Arc::new(Server {
        listener: Listener::open(&options.listen, &log)?,
        workers: Workers::new(&log),
        pending: PendingLogins::new(max_clients),
        envelope,
        presence: Presence::new(options.on_duplicate, &tokens, room.clone(), &log),
        auth: args.auth.authenticator(&store, tokens, &log),
        room,
        outboxes,
        rate: args.limits.rate,
        log,
    });
    server.log.info(format_args!("room for {max_clients} clients; messages go to {}", args.db.db));
    // This thread only accepts: no client keeps the next one waiting. `None` comes
    // after a signal, or when the server has to stop itself.
    while let Some((stream, peer)) = server.listener.accept() {
        let thread = server.workers.spawn(peer.to_string(), auth::LOGIN_STACK, {
            let server = server.clone();
            move || serve(stream, peer, &server)
        });
        if let Err(e) = thread {
            server.log.error(format_args!("{peer} turned away: cannot start a thread: {e}"));
        }
    }
    // Each reader thread has found the end of its input by now, or soon will. What it
    // had read before is committed and delivered, and then comes the last line.
    if !server.room.shutdown(line::SHUTTING_DOWN) {
        server.log.error("the database does not answer: what it was given last may be stored or not");
    }
    server.listener.finish();
    server.workers.join_all(Duration::from_millis(200));
    Ok(critical_thread::check()?)
}

/// One client, from its first line on: it logs in, and then a reader thread of
/// its own goes on. Nothing that happens here may end the server.
fn serve(stream: TcpStream, peer: SocketAddr, server: &Arc<Server>) {
    let stream = Arc::new(stream);
    // Before the login: connections that never log in are bounded, too.
    let pending = server.pending.register(&stream, peer);
    let open = server.listener.track(&stream);
    server.log.info(format_args!("{peer} connected"));
    let mut connection =
        AcceptedConnection::new(&stream, stream.clone(), peer, open, &server.outboxes, server.auth.timeout);
    // The client proves who it is, and is let in.
    let logged_in = pending.and_then(|pending| {
        let read = |lines: &mut Lines, _: &_| read_line(lines, &server.envelope);
        connection.log_in(pending, &server.auth, &server.presence, read)
    });
    match logged_in {
        // The client may listen for hours, and this thread has used much of its stack: a new
        // one with a small stack reads from now on.
        Ok(online) => {
            let thread = server.workers.spawn(online.session().name.to_string(), auth::READER_STACK, {
                let server = server.clone();
                move || chat(connection, online, &server)
            });
            // Both were dropped: the connection is closed, and the user leaves again.
            if let Err(e) = thread {
                server.log.error(format_args!("{peer} turned away: cannot start a thread: {e}"));
            }
        }
        Err(error) => connection.turn_away(&error, &server.listener, &server.log),
    }
}

/// A client in the room, on its reader thread. It leaves when `online` is
/// dropped, even if this thread panics; the room thread then closes its outbox.
fn chat(mut connection: AcceptedConnection, online: PresenceGuard, server: &Server) {
    let ended = relay(&mut connection.lines, online.session(), server);
    connection.leave(online, ended, &server.listener, &server.log);
}

/// Hands on line by line until the client ends the connection.
///
/// This thread only reads. What the others say reaches this client through its
/// outbox, from the room thread, at any time.
fn relay(lines: &mut Lines, session: &Arc<Session>, server: &Server) -> Result<(), ReadError> {
    let mut limiter = LineLimiter::new(server.rate, &session.name, &session.outbox, &server.log);
    loop {
        let Some(text) = read_line(lines, &server.envelope)? else { return Ok(()) };
        // Disconnected by an admin, or for a newer connection of this user: what the
        // client still sends does not count. (A socket whose reading side is shut down
        // first gives out all that it has received.)
        if session.outbox.is_closing() {
            return Ok(());
        }
        match text.as_str() {
            line::DISCONNECT | "/quit" => return Ok(()),
            "/logout" if server.presence.log_out(session) => return Ok(()),
            "" | "/logout" => {}
            // While the committer's queue is full, this waits. Then nothing is read here,
            // and TCP makes the client wait: back-pressure.
            _ if limiter.allows() => server.room.say(session, text).map_err(io::Error::other)?,
            // Dropped: the client sends too fast, and is told.
            _ => {}
        }
    }
}
