//! `stage7-client`: see [`stage7_rooms_pubsub::client`].

use clap::Parser;
use stage7_rooms_pubsub::client;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = client::Options::parse();
    common::cli::run(|| client::run(&options))
}
