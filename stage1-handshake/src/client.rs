//! The client's flow: connect, show what the handshake settled, end.

use crate::handshake::Handshake;
use anyhow::Context;
use clap::Parser;
use common::endpoint::Endpoint;
use common::net;
use std::io;
use std::time::Instant;

/// Connects and shows what the handshake settled.
#[derive(Parser, Debug)]
#[command(name = "stage1-client", version)]
pub struct Options {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9001")]
    pub connect: Endpoint,
}

/// Connects, shows what was settled, and closes the connection.
///
/// # Errors
/// When no server answers there, or standard output is closed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let start = Instant::now();
    // Returns when the server's SYN-ACK is here: after one round trip. The server's
    // kernel has sent it. The server program may accept later, or never.
    let stream = net::connect(&options.connect)?;
    let took = start.elapsed();
    Handshake::connected(&stream, took)
        .context("the server has closed the connection already; start the server again and retry")?
        .show(&mut io::stdout())
        .context("cannot write to standard output")?;
    // `stream` goes out of scope here, which closes the connection.
    Ok(())
}
