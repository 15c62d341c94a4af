//! The graded checks of stage 7. They know the contract and nothing of our code:
//!
//! ```text
//! STAGE7_SERVER='python3 server.py --host {host} --port {port} --db {folder}/chat.db' \
//!     cargo test -p stage7-rooms-pubsub --test checks
//! ```
//!
//! grades any other server. `{folder}`, the key and `STAGE7_LOGIN_TIMEOUT` are as in
//! stage 6.

use std::process::ExitCode;
use testkit::Suite;
use testkit_chat::suite;

pub(crate) fn main() -> ExitCode {
    Suite::new(7, env!("CARGO_BIN_EXE_stage7-server"), env!("CARGO_BIN_EXE_stage7-client"))
        .with(suite::starts())
        .with(suite::of_sealed_lines())
        .with(suite::random_sessions())
        .with(suite::since_stage_6())
        .with(suite::duplicates_are_replaced())
        .with(suite::since_stage_7())
        .run()
}
