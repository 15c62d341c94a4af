//! Our client against a hostile server.

use std::process::ExitCode;
use testkit::{Suite, checks};

fn main() -> ExitCode {
    Suite::new(2, env!("CARGO_BIN_EXE_stage2-server"), env!("CARGO_BIN_EXE_stage2-client"))
        .with(checks::hostile_server())
        .run()
}
