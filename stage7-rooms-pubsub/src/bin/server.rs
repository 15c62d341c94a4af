//! `stage7-server`: see [`stage7_rooms_pubsub::server`].

use clap::Parser;
use stage7_rooms_pubsub::server;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = server::Options::parse();
    common::cli::run(|| server::run(&options))
}
