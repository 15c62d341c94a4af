//! `stage5-client`: see [`stage5_aes::client`].

use clap::Parser;
use stage5_aes::client;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = client::Options::parse();
    common::cli::run(|| client::run(&options))
}
