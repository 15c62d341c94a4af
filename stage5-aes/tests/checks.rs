//! The graded checks of stage 5: black-box, against the contract.

#[path = "checks/client.rs"]
mod client;
#[path = "checks/key_files.rs"]
mod key_files;
#[path = "checks/keygen.rs"]
mod keygen;
#[path = "checks/server.rs"]
mod server;
#[path = "checks/wire.rs"]
mod wire;

use std::process::ExitCode;
use testkit::{Suite, rules};

fn main() -> ExitCode {
    Suite::new(5, env!("CARGO_BIN_EXE_stage5-server"), env!("CARGO_BIN_EXE_stage5-client"))
        .with(rules::lines())
        .with(rules::empty_line_is_ignored())
        .with(rules::hardship())
        .with(server::server())
        .with(client::client())
        .with(client::client_options())
        .with(key_files::key_files())
        .with(keygen::keygen())
        .run()
}
