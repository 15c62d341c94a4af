//! `stage2-server`: see [`stage2_echo::server`].

use clap::Parser;
use stage2_echo::server;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = server::Options::parse();
    common::cli::run(|| server::run(&options))
}
