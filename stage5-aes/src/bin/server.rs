//! `stage5-server`: see [`stage5_aes::server`].

use clap::{CommandFactory, FromArgMatches};
use stage5_aes::server;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Stage 4's options, with this stage's name and port.
    let command = server::Options::command()
        .name("stage5-server")
        .mut_arg("listen", |listen| listen.default_value("127.0.0.1:9005"));
    let options = server::Options::from_arg_matches(&command.get_matches()).unwrap_or_else(|e| e.exit());
    common::cli::run(|| server::run(&options))
}
