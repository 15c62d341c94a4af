//! `stage2-client`: see [`stage2_echo::client`].

use clap::Parser;
use stage2_echo::client;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = client::Options::parse();
    common::cli::run(|| client::run(&options))
}
