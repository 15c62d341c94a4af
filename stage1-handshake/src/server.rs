//! The server's flow: accept one connection, show what its handshake settled, end.
//!
//! ```text
//! client ══ SYN, SYN-ACK, ACK ══ our kernel ──► accept (main thread) ──► standard output
//!                             SIGINT, SIGTERM ──► signals thread ──► stops accept
//! ```

use crate::handshake::Handshake;
use anyhow::Context;
use clap::Parser;
use common::cli::LogArgs;
use common::endpoint::Endpoint;
use common::listener::Listener;
use common::log::Log;
use std::io;

/// Accepts one connection and shows what the handshake settled.
#[derive(Parser, Debug)]
#[command(name = "stage1-server", version)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9001")]
    pub listen: Endpoint,

    #[command(flatten)]
    log: LogArgs,
}

/// Runs the server until one client has connected, or a signal stops it.
///
/// # Errors
/// When it cannot listen, or standard output is closed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    // Dropped last, when this function returns: then all of the log is written.
    let (log, _written_at_the_end) = Log::start(options.log.log_level, None)?;
    // From here on the kernel does the handshakes. `accept` does not: it returns a
    // connection whose handshake is done, and waits until there is one.
    let listener = Listener::open(&options.listen, &log)?;
    let Some((stream, peer)) = listener.accept() else {
        log.info("stopped before a client connected");
        return Ok(());
    };
    log.info(format_args!("{peer} connected"));
    Handshake::accepted(&stream, peer)
        .context("cannot tell this side's address")?
        .show(&mut io::stdout())
        .context("cannot write to standard output")?;
    // `stream` goes out of scope here, which closes the connection: our kernel
    // sends a FIN, and a client that reads would get the end of input.
    Ok(())
}
