//! The server's flow: each client logs in first; then every message goes into the
//! database, and from there to those for whom it is.
//!
//! ```text
//! accepting thread ── starts ──► login threads (`log_in`): shake hands, ask who it is, check it, end
//!                                    └─ start ──► reader threads (`relay`)
//!
//! reader threads ─► queue ──► committer thread ──► room thread ──────► fan-out ─────► outboxes ─► sockets
//!    `relay`                  one transaction      who gets it         one write for
//!                             for all that waits                       each client
//!    server.rs      queue.rs  committer.rs         room_state.rs       fanout.rs      outbox.rs
//!    stage 8        stage 4   stage 6              stage 7             stage 4        stage 4
//! ```
//!
//! A line that a client sends: its reader thread decrypts it (`tls/stream.rs`), and
//! [`Commands`] submits it (`Chat::say`), or does what it asks for.
//! The committer thread stores all that has queued up in one transaction
//! (`Store::append`). While the room thread delivers one batch, the next one is committed.
//! The room thread knows the rooms and the subscriptions, and puts each line into the outbox
//! of each client for which it is (`send_gathered` in `room_state/delivery.rs`).
//! Each write is compressed, if both sides want that, and encrypted (`tls/stream.rs`): once for
//! each client, where stage 7 seals once for all. Only clients use `e2e`.
//! If storing fails, no client gets the message, and its author is told (`NOT_STORED`).
//! Stage 6's `pipeline.rs` starts the two threads in the middle. The room thread writes to
//! the sockets itself, and the drainer thread writes what a socket did not take.
//! With `--backplane` the committer thread appends to a log that several servers share, and
//! four more threads help it: `backplane/mod.rs` has the map.
//!
//! | thread | waits for | ends |
//! | --- | --- | --- |
//! | accepting (main) | the next client | a signal: then it ends the server |
//! | login, one for each client that is not in yet | a permit for the handshake; its lines; a permit for a password hash; the database; its name; space in the queue; the room thread | when the client is in, or was turned away |
//! | reader, one for each client | its lines; space in the queue; for some commands, and to leave, the database, the room thread or its outbox | when the client has left |
//! | committer | the queue; the database; the room thread | after the last line |
//! | room | the next batch; up to 100 ms for slow clients | with the committer |
//! | drainer | sockets that were full | with the process |
//! | hash (one for each password, at low priority), log, signals, cut-off (when the server ends) | not part of this flow | |
//!
//! What is bounded, and what happens at the bound. The queue to the committer: the
//! reader threads wait, and read no more. The channel to the room thread, no batch: the
//! committer waits. An outbox (`--queue` bytes): its client is disconnected.

use crate::certs::{CertificateFolder, own_names};
use crate::commands::{Commands, PRIVATE_KINDS};
use crate::compression::CompressionArgs;
use crate::public_keys::SCHEMA;
use crate::read_line::read_line;
use crate::tls::TlsAcceptor;
use clap::Parser;
use common::critical_thread;
use common::endpoint::Endpoint;
use common::fd_limit;
use common::listener::Listener;
use common::log::Log;
use stage2_echo::line;
use stage3_threads::workers::Workers;
use stage4_multichat::limits::LineLimiter;
use stage4_multichat::line_codec::Plaintext;
use stage4_multichat::outbox::OutboxConfig;
use stage6_auth::auth::{self, AcceptedConnection, Authenticator, Lines, PendingLogins};
use stage6_auth::read_line::ReadError;
use stage6_auth::server_args::ServerArgs;
use stage6_auth::sessions::{OnDuplicate, Presence, PresenceGuard, Session};
use stage7_rooms_pubsub::backplane::BackplaneArgs;
use stage7_rooms_pubsub::chat::Chat;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Chat server: users log in, and each message is stored, then sent to the users it is for.
#[derive(Parser, Clone, Debug)]
#[command(name = "stage8-server", version)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9008")]
    pub listen: Endpoint,

    /// Folder with ca.pem, server.pem and server.key; they are made if they do not exist
    #[arg(long, value_name = "FOLDER", default_value = "certs")]
    pub certs: PathBuf,

    #[command(flatten)]
    compression: CompressionArgs,

    #[command(flatten)]
    backplane: BackplaneArgs,

    /// Which connection is closed when a user logs in a second time
    #[arg(long, value_enum, default_value_t = OnDuplicate::Replace)]
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
    /// Shakes hands, with the certificate.
    tls: TlsAcceptor,
    compression: CompressionArgs,
    /// Decides who comes in.
    auth: Authenticator,
    /// Who is online: each name once.
    presence: Arc<Presence>,
    /// The way to the committer thread and the room thread.
    chat: Arc<Chat>,
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
/// When it has no certificate or no database, cannot listen, or not write its log.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let args = &options.args;
    let max_clients = args.limits.max_clients;
    let (log, _written_at_the_end) = args.log.start()?;
    fd_limit::raise_fd_limit(max_clients, &log);
    // First all that can be wrong with files and database, so that a server that
    // listens is one that works.
    let certificate = CertificateFolder::new(&options.certs).open(&own_names(options.listen.host()), &log)?;
    let outboxes = args.outboxes(Arc::new(Plaintext))?;
    let store = args.open_store(&SCHEMA, &log)?;
    let tokens = args.auth.session_tokens(&store);
    let history = args.history.into();
    let backplane = options.backplane.start(&args.db.db, &store, &SCHEMA, PRIVATE_KINDS, history, &log)?;
    // This starts the committer thread and the room thread.
    let chat = Chat::open(&store, backplane, &outboxes, options.on_duplicate, history, &log)?;
    let server = Arc::new(Server {
        listener: Listener::open(&options.listen, &log)?,
        workers: Workers::new(&log),
        pending: PendingLogins::new(max_clients),
        tls: TlsAcceptor::new(&certificate),
        compression: options.compression,
        presence: Presence::new(options.on_duplicate, &tokens, chat.clone(), &log),
        auth: args.auth.authenticator(&store, tokens, &log),
        chat,
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
    if !server.chat.shutdown(line::SHUTTING_DOWN) {
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
    // From here on everything is encrypted. Both directions work on one TLS state, so
    // the outbox and the reader share it.
    let tls = match server.tls.accept(&stream) {
        Ok(tls) => Arc::new(tls),
        Err(error) => {
            // The client knows: TLS has an alert for it.
            server.log.warn(format_args!("{peer} not let in: {error}"));
            return line::lingering_close(&stream);
        }
    };
    server.log.info(format_args!("{peer} connected, {}", tls.negotiated()));
    let transport = server.compression.offer(tls);
    let mut connection =
        AcceptedConnection::new(&stream, transport, peer, open, &server.outboxes, server.auth.timeout);
    // The client proves who it is, and is let in.
    let logged_in =
        pending.and_then(|pending| connection.log_in(pending, &server.auth, &server.presence, read_line));
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
    let mut commands = Commands::new(&server.chat, &server.presence, session, &server.log);
    loop {
        let Some(text) = read_line(lines, &session.outbox)? else { return Ok(()) };
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
            _ if limiter.allows() => commands.execute(&text)?,
            // Dropped: the client sends too fast, and is told.
            _ => {}
        }
    }
}
