//! `stage6-server`: see [`stage6_auth::server`].

use clap::Parser;
use stage6_auth::server;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = server::Options::parse();
    common::cli::run(|| server::run(&options))
}
