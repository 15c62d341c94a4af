//! The graded checks of stage 6. They know the contract and nothing of our code:
//!
//! ```text
//! STAGE6_SERVER='python3 server.py --host {host} --port {port} --db {folder}/chat.db' \
//!     cargo test -p stage6-auth --test checks
//! ```
//!
//! grades any other server. `{folder}` is a fresh folder for each check; a server
//! that keeps its database elsewhere is checked with `-- --test-threads 1`. The key
//! is the `chat.key` of the folder in which this is typed. With a server whose time
//! limit for the login is not 30 s, say so in `STAGE6_LOGIN_TIMEOUT`.

#[path = "checks/mysql.rs"]
mod mysql;

use std::process::ExitCode;
use testkit::Suite;
use testkit_chat::suite;

pub(crate) fn main() -> ExitCode {
    Suite::new(6, env!("CARGO_BIN_EXE_stage6-server"), env!("CARGO_BIN_EXE_stage6-client"))
        .with(suite::starts())
        .with(suite::of_sealed_lines())
        .with(suite::random_sessions())
        .with(suite::since_stage_6())
        .with(suite::duplicates_are_rejected())
        .with(suite::patiently(suite::with_mariadb(mysql::account())))
        .run()
}
