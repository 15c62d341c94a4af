//! `stage4-server`: see [`stage4_multichat::server`].

use clap::Parser;
use stage4_multichat::server;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = server::Options::parse();
    common::cli::run(|| server::run(&options))
}
