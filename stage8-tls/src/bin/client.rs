//! `stage8-client`: see [`stage8_tls::client`].

use clap::Parser;
use stage8_tls::client;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = client::Options::parse();
    common::cli::run(|| client::run(&options))
}
