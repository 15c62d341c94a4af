//! The graded checks of stage 5. They know the contract and nothing of our code:
//! `STAGE5_CLIENT='python3 client.py {host} {port}' cargo test -p stage5-aes
//! --test checks` grades any other client, with the `chat.key` of the folder in
//! which this is typed.

#[path = "checks/client.rs"]
mod client;
#[path = "checks/client_options.rs"]
mod client_options;
#[path = "checks/client_sessions.rs"]
pub(crate) mod client_sessions;
#[path = "checks/key_files.rs"]
mod key_files;
#[path = "checks/keygen.rs"]
mod keygen;
#[path = "checks/server.rs"]
mod server;
#[path = "checks/wire.rs"]
mod wire;

use std::process::ExitCode;
use testkit::{Case, Check, Suite, checks};
use wire::Key;

/// What clients owe in this stage as in the ones before. The rest of those rules
/// is about text in the clear, and `client.rs` has it for this stage.
const AS_BEFORE: [&str; 13] = [
    "a_silent_room_does_not_end_the_client",
    "typing_disconnect_ends_the_connection",
    "typing_quit_ends_the_connection",
    "a_received_disconnect_ends_the_client",
    "the_client_ends_when_the_server_closes",
    "an_orderly_end_is_exit_code_0",
    "a_closed_standard_output_is_no_panic_of_the_client",
    "quit_on_a_terminal_ends_the_client",
    "ctrl_d_ends_the_client",
    "ctrl_c_ends_the_client",
    "a_terminal_gets_no_control_character_from_the_wire",
    "notices_are_coloured_on_a_terminal",
    "a_terminal_client_ends_when_the_server_closes",
];

pub(crate) fn main() -> ExitCode {
    Suite::new(5, env!("CARGO_BIN_EXE_stage5-server"), env!("CARGO_BIN_EXE_stage5-client"))
        .with(checks::server_starts())
        .with(with_key(checks::client_starts()))
        .with(checks::start())
        .with(checks::server_addresses())
        .with(checks::shutdown())
        .with(checks::log())
        .with(checks::log_file())
        .with(server::server())
        .with(checks::server_sessions())
        .with(checks::lines())
        .with(checks::empty_line_is_ignored())
        .with(checks::robustness())
        .with(checks::shutdown_with_clients())
        .with(client::client())
        .with(client_sessions::client_sessions())
        .with(client_options::client_options())
        .with(with_key(checks::client_program()))
        .with(with_key(checks::client_addresses()))
        .with(with_key(as_before()))
        .with(key_files::key_files())
        .with(keygen::keygen())
        .run()
}

fn as_before() -> Vec<Check> {
    let groups = [checks::piped_client(), checks::chat_client(), checks::terminal(), checks::terminal_chat()];
    let chosen: Vec<_> =
        groups.into_iter().flatten().filter(|check| AS_BEFORE.contains(&check.name())).collect();
    assert_eq!(chosen.len(), AS_BEFORE.len(), "a shared rule has another name now");
    chosen
}

/// These checks with a key file in the folder that the client runs in.
fn with_key(checks: Vec<Check>) -> Vec<Check> {
    let put_key = |case: &Case| {
        Key::for_client(case);
    };
    checks.into_iter().map(|check| check.prepared(put_key)).collect()
}
