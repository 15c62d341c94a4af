//! The graded checks of stage 7. They know the contract and nothing of our code:
//!
//! ```text
//! STAGE7_SERVER='python3 server.py --host {host} --port {port} --db {folder}/chat.db' \
//!     cargo test -p stage7-rooms-pubsub --test checks
//! ```
//!
//! grades any other server. `{folder}`, the key and `STAGE7_LOGIN_TIMEOUT` are as in
//! stage 6.

use chatkit::{prepared, prepared_for_clients, rules as people};
use std::process::ExitCode;
use std::time::Duration;
use testkit::mariadb::MariaDb;
use testkit::{Check, Kind, Suite, rules};

pub(crate) fn main() -> ExitCode {
    Suite::new(7, env!("CARGO_BIN_EXE_stage7-server"), env!("CARGO_BIN_EXE_stage7-client"))
        .with(people::rooms_of_a_server())
        .with(people::rooms_in_our_words())
        .with(people::subscriptions())
        .with(people::subscriptions_in_our_words())
        .with(people::delivery())
        .with(people::commands())
        .with(people::commands_in_our_words())
        .with(people::roles())
        .with(people::admins())
        .with(people::kept())
        .with(people::migration())
        .with(people::client_commands())
        .with(people::client_terminal())
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
        .with(people::duplicates_replaced())
        .with(ours(people::duplicates_rejected()))
        .with(people::messages())
        .with(people::notices())
        .with(people::history())
        .with(people::hardship())
        .with(people::durability())
        .with(people::audit())
        .with(patiently(with_mariadb(people::mysql())))
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
