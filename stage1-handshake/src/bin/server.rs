//! `stage1-server`: see [`stage1_handshake::server`].

use clap::Parser;
use stage1_handshake::server;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = server::Options::parse();
    common::cli::run(|| server::run(&options))
}
