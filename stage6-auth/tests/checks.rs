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
//! limit for the dialogue is not 30 s, say so in `STAGE6_LOGIN_TIMEOUT`.

#[path = "checks/mysql.rs"]
mod mysql;

use chatkit::{prepared, prepared_for_clients, rules as people};
use std::process::ExitCode;
use std::time::Duration;
use testkit::mariadb::MariaDb;
use testkit::{Check, Kind, Suite, rules};

pub(crate) fn main() -> ExitCode {
    Suite::new(6, env!("CARGO_BIN_EXE_stage6-server"), env!("CARGO_BIN_EXE_stage6-client"))
        .with(people::envelope())
        .with(people::lines())
        .with(patiently(people::dialogue()))
        .with(people::options())
        .with(people::key_option())
        .with(people::names())
        .with(patiently(people::passwords()))
        .with(people::login_rate())
        .with(people::sessions())
        .with(people::session_options())
        .with(people::taking_over())
        .with(people::duplicates_rejected())
        .with(ours(people::duplicates_replaced()))
        .with(people::messages())
        .with(people::notices())
        .with(people::history())
        .with(people::hardship())
        .with(people::durability())
        .with(people::audit())
        .with(patiently(with_mariadb(people::mysql())))
        .with(patiently(with_mariadb(mysql::account())))
        .with(people::admin())
        .with(people::key_files())
        .with(people::client())
        .with(people::sealed_client())
        .with(people::coming_back())
        .with(people::client_options())
        .with(prepared(rules::start()))
        .with(prepared(rules::server_addresses()))
        .with(prepared(rules::ending()))
        .with(prepared_for_clients(rules::client_program()))
        .with(prepared_for_clients(rules::client_addresses()))
        .run()
}

/// These checks, ignored where there is no MariaDB.
fn with_mariadb(checks: Vec<Check>) -> Vec<Check> {
    let missing = MariaDb::missing().is_some();
    checks.into_iter().map(|check| check.ignored_if(missing)).collect()
}

/// These checks with time for a dialogue that nobody ends.
fn patiently(checks: Vec<Check>) -> Vec<Check> {
    checks.into_iter().map(|check| check.within(Duration::from_secs(60))).collect()
}

/// What is an option in this stage.
fn ours(checks: Vec<Check>) -> Vec<Check> {
    checks.into_iter().map(|check| check.owed_as(Kind::Ours)).collect()
}
