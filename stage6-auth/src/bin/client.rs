//! `stage6-client`: see [`stage6_auth::client`].

use clap::Parser;
use stage6_auth::client;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = client::Options::parse();
    common::cli::run(|| client::run(&options))
}
