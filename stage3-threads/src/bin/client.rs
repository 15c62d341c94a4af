//! `stage3-client`: see [`stage3_threads::client`].

use clap::{CommandFactory, FromArgMatches};
use stage3_threads::client;
use std::process::ExitCode;

fn main() -> ExitCode {
    // The same options; only the name and the port in them say which stage it is.
    let command = client::Options::command()
        .name("stage3-client")
        .mut_arg("connect", |connect| connect.default_value("127.0.0.1:9003"));
    let options = client::Options::from_arg_matches(&command.get_matches()).unwrap_or_else(|e| e.exit());
    common::cli::run(|| client::run(&options))
}
