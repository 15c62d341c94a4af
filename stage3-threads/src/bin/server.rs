//! `stage3-server`: see [`stage3_threads::server`].

use clap::Parser;
use stage3_threads::server;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = server::Options::parse();
    common::cli::run(|| server::run(&options))
}
