//! `stage1-client`: see [`stage1_handshake::client`].

use clap::Parser;
use stage1_handshake::client;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = client::Options::parse();
    common::cli::run(|| client::run(&options))
}
