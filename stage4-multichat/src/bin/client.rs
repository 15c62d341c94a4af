//! `stage4-client`: see [`stage4_multichat::client`].

use clap::Parser;
use stage4_multichat::client;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = client::Options::parse();
    common::cli::run(|| client::run(&options))
}
