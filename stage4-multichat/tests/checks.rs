//! The graded checks of stage 4. They know `docs/src/contract.md` and nothing of our
//! code: `STAGE4_SERVER='python3 server.py --host {host} --port {port}' cargo
//! test -p stage4-multichat --test checks` grades any other program.

use std::process::ExitCode;
use testkit::{Suite, checks};

#[path = "checks/limits.rs"]
mod limits;
#[path = "checks/room.rs"]
mod room;

fn main() -> ExitCode {
    Suite::new(4, env!("CARGO_BIN_EXE_stage4-server"), env!("CARGO_BIN_EXE_stage4-client"))
        .with(checks::server_starts())
        .with(checks::client_starts())
        .with(checks::start())
        .with(checks::server_addresses())
        .with(checks::shutdown())
        .with(checks::log())
        .with(checks::log_file())
        .with(room::messages())
        .with(checks::server_sessions())
        .with(room::newcomers())
        .with(room::notices())
        .with(room::order())
        .with(room::leaving())
        .with(limits::slow_clients())
        .with(limits::limits())
        .with(checks::lines())
        .with(checks::empty_line_is_ignored())
        .with(checks::robustness())
        .with(checks::isolation())
        .with(checks::shutdown_with_clients())
        .with(checks::piped_client())
        .with(checks::chat_client())
        .with(checks::client_sessions())
        .with(checks::client_program())
        .with(checks::client_addresses())
        .with(checks::terminal())
        .with(checks::terminal_chat())
        .run()
}
