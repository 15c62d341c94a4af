//! The server's flow: one thread for each client; each line is answered with the
//! same line.
//!
//! ```text
//! main thread: accept, start a thread, accept the next
//! client 1 ◄══ lines ══► thread 1
//! client 2 ◄══ lines ══► thread 2
//!
//! SIGINT, SIGTERM ──► signals thread ──► ends accept and the reading of all clients
//! ```
//!
//! A thread owns its connection. Listener and log are shared, and have locks inside.

use crate::workers::{CLIENT_STACK, Workers};
use clap::Parser;
use common::cli::LogArgs;
use common::endpoint::Endpoint;
use common::listener::Listener;
use common::log::Log;
use stage2_echo::line::{self, LineReader, Received};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Serves many clients at once and answers each line with the same line.
#[derive(Parser, Debug)]
#[command(name = "stage3-server", version)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9003")]
    pub listen: Endpoint,

    #[command(flatten)]
    log: LogArgs,
}

/// Runs the server until a signal stops it.
///
/// # Errors
/// When it cannot listen.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let (log, _written_at_the_end) = Log::start(options.log.log_level, None)?;
    let listener = Arc::new(Listener::open(&options.listen, &log)?);
    let workers = Workers::new(&log);
    // This thread only accepts, so the next client does not wait. What the threads
    // share is behind an `Arc`: the last thread that ends frees it.
    while let Some((stream, peer)) = listener.accept() {
        log.info(format_args!("{peer} connected"));
        // Shared with the listener: at a signal it shuts the reading side down, and
        // `converse` below reads the end of its input.
        let stream = Arc::new(stream);
        let open = listener.track(&stream);
        let thread = workers.spawn(peer.to_string(), CLIENT_STACK, {
            let (listener, log) = (listener.clone(), log.clone());
            move || {
                let _open = open;
                serve(&stream, peer, &listener, &log);
                line::lingering_close(&stream);
            }
        });
        if let Err(e) = thread {
            log.error(format_args!("{peer} turned away: cannot start a thread: {e}"));
        }
    }
    // All connections are closed now, so the threads are about to end.
    listener.finish();
    workers.join_all(Duration::from_secs(1));
    Ok(())
}

/// Serves one client, from its first line to the end of the connection. No error
/// leaves this function: it ends one connection, never the server.
fn serve(stream: &TcpStream, peer: SocketAddr, listener: &Listener, log: &Log) {
    match converse(stream) {
        Ok(how) => log.info(format_args!("{peer} {how}")),
        // A reset, or the client has gone while we wrote to it.
        Err(e) => log.info(format_args!("{peer} lost: {e}")),
    }
    if listener.stopping() {
        // An error means that the client has gone: it needs no last line.
        let _ = line::send_line(stream, line::SHUTTING_DOWN);
    }
}

/// Answers line by line until the connection ends; returns how it ended.
///
/// Reading and writing alternate (lock-step): while this thread waits for a line
/// it cannot send, and while it sends it cannot read.
fn converse(stream: &TcpStream) -> io::Result<&'static str> {
    let mut lines = LineReader::new(stream);
    loop {
        match lines.next()? {
            Received::Line(line::DISCONNECT) => return Ok("disconnected"),
            // In this stage an empty line is a line like any other.
            Received::Line(text) => line::send_line(stream, text)?,
            Received::NotUtf8 => line::send_line(stream, line::NOT_UTF8)?,
            // Where the next line begins is not known, so there is no going on.
            Received::TooLong => {
                line::send_line(stream, line::TOO_LONG)?;
                return Ok("closed: line too long");
            }
            Received::End => return Ok("left"),
        }
    }
}
