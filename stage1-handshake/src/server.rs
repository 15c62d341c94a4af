//! The server's flow: one connection, what its handshake settled, the end.

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

/// Runs the server until one client has come, or a signal stops it.
///
/// # Errors
/// When it cannot listen, or cannot say what it found.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let (log, _written_at_the_end) = Log::start(options.log.log_level, None)?;
    // From here on the kernel shakes hands for us. `accept` does not: it hands
    // out connections whose handshake is done, and waits when there is none.
    let listener = Listener::open(&options.listen, &log)?;
    let Some((stream, peer)) = listener.accept() else {
        log.info("stopped before anyone connected");
        return Ok(());
    };
    log.info(format_args!("{peer} connected"));
    Handshake::accepted(&stream, peer)
        .context("cannot tell this side's address")?
        .show(&mut io::stdout())
        .context("cannot write to standard output")?;
    // `stream` is closed here, by going out of scope. The client's kernel is
    // told (FIN), and so is whoever reads there: the end of input.
    Ok(())
}
