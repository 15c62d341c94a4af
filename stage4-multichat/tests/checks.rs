//! The graded checks of stage 4. They know `PROTOCOL.md` and nothing of our
//! code: `STAGE4_SERVER='python3 server.py --host {host} --port {port}' cargo
//! test -p stage4-multichat --test checks` grades any other program.

use std::process::ExitCode;
use testkit::{Suite, rules};

#[path = "checks/limits.rs"]
mod limits;
#[path = "checks/room.rs"]
mod room;

fn main() -> ExitCode {
    Suite::new(4, env!("CARGO_BIN_EXE_stage4-server"), env!("CARGO_BIN_EXE_stage4-client"))
        .with(room::messages())
        .with(room::notices())
        .with(room::order())
        .with(room::leaving())
        .with(limits::slow_clients())
        .with(limits::limits())
        .with(rules::lines())
        .with(rules::empty_line_is_ignored())
        .with(rules::hardship())
        .with(rules::hardship_of_others())
        .with(rules::ending())
        .with(rules::ending_with_clients())
        .with(rules::start())
        .with(rules::server_addresses())
        .with(rules::log())
        .with(rules::log_file())
        .with(rules::piped_client())
        .with(rules::chat_client())
        .with(rules::client_program())
        .with(rules::client_addresses())
        .with(rules::terminal())
        .with(rules::terminal_chat())
        .run()
}
