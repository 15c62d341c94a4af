//! The server's flow: one client after the other; each line is answered with the
//! same line.
//!
//! ```text
//! client 1 ◄══ lines ══► main thread: accept, serve, close, accept the next
//! client 2 ── waits, with all it sends, in our kernel's queue
//!
//! SIGINT, SIGTERM ──► signals thread ──► ends accept and the reading of client 1
//! ```
//!
//! There is one thread that serves, so nothing is shared and nothing is locked.

use crate::line::{self, LineReader, Received};
use crate::operator::Operator;
use clap::Parser;
use common::cli::LogArgs;
use common::endpoint::Endpoint;
use common::listener::Listener;
use common::log::Log;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// Serves one client at a time and answers each line with the same line.
#[derive(Parser, Debug)]
#[command(name = "stage2-server", version)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9002")]
    pub listen: Endpoint,

    /// Type each answer yourself instead
    #[arg(long)]
    pub converse: bool,

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
    let mut operator = if options.converse { Some(Operator::open(&listener)?) } else { None };
    // One client at a time. The next client is connected nevertheless: the kernel
    // completes its handshake and keeps what it sends until we accept it. To that
    // client the server seems to hang. Stage 3 mends that.
    while let Some((stream, peer)) = listener.accept() {
        log.info(format_args!("{peer} connected"));
        // Shared with the listener: at a signal it shuts the reading side down, and
        // `converse` below reads the end of its input.
        let stream = Arc::new(stream);
        let _open = listener.track(&stream);
        serve(&stream, peer, operator.as_mut(), &listener, &log);
        line::lingering_close(&stream);
    }
    // The one connection is closed, so there is nothing left to wait for.
    Ok(())
}

/// Serves one client, from its first line to the end of the connection. No error
/// leaves this function: it ends one connection, never the server.
fn serve(
    stream: &TcpStream,
    peer: SocketAddr,
    operator: Option<&mut Operator>,
    listener: &Listener,
    log: &Log,
) {
    let ended = match operator {
        None => converse(stream, |text| Ok(Some(text.to_owned()))),
        Some(operator) => converse(stream, |text| operator.answer(text)),
    };
    match ended {
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
fn converse(
    stream: &TcpStream,
    mut answer: impl FnMut(&str) -> io::Result<Option<String>>,
) -> io::Result<&'static str> {
    let mut lines = LineReader::new(stream);
    loop {
        match lines.next()? {
            Received::Line(line::DISCONNECT) => return Ok("disconnected"),
            // In this stage an empty line is a line like any other.
            Received::Line(text) => match answer(text)? {
                Some(answer) => line::send_line(stream, &answer)?,
                // Only the operator ends a conversation like this.
                None => {
                    line::send_line(stream, line::DISCONNECT)?;
                    return Ok("was told goodbye");
                }
            },
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
