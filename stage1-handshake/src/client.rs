//! The client's flow: connect, what the handshake settled, the end.

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

/// Connects, says what was settled, and hangs up.
///
/// # Errors
/// When nobody answers there, or standard output is closed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let start = Instant::now();
    // Returns when the server's SYN-ACK is here: after one round trip. That is
    // the server's kernel; the program may not have accepted yet, or never will.
    let stream = net::connect(&options.connect)?;
    let took = start.elapsed();
    Handshake::connected(&stream, took)
        .context("the server has broken off the connection already; start it again and retry")?
        .show(&mut io::stdout())
        .context("cannot write to standard output")?;
    // `stream` is closed here, by going out of scope.
    Ok(())
}
