//! `stage8-server`: see [`stage8_tls::server`].

use clap::Parser;
use stage8_tls::server;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = server::Options::parse();
    common::cli::run(|| server::run(&options))
}
