//! The graded checks of stage 8. They know the contract and nothing of our code:
//!
//! ```text
//! STAGE8_SERVER='python3 server.py --host {host} --port {port} --db {folder}/chat.db --certs {folder}/certs' \
//!     cargo test -p stage8-tls --test checks
//! ```
//!
//! grades any other server. The certificate of its authority is looked for in
//! `{folder}/certs/ca.pem`, `{folder}` being a fresh folder for each check; where it
//! is kept elsewhere, `STAGE8_CA` says so, in which `{folder}` stands for the same.
//! A client in another language finds whom to trust in that place too. The rest is
//! as in stage 7.

#[path = "checks/certs.rs"]
mod certs;
#[path = "checks/client.rs"]
mod client;
#[path = "checks/handshake.rs"]
mod handshake;
#[path = "checks/keys.rs"]
mod keys;
#[path = "checks/sealed.rs"]
mod sealed;
#[path = "checks/server.rs"]
mod server;

use chatkit::{prepared, prepared_for_clients, rules as people};
use std::process::{Command, ExitCode};
use std::time::Duration;
use testkit::{Check, Kind, Suite, rules};

pub(crate) fn main() -> ExitCode {
    Suite::new(8, env!("CARGO_BIN_EXE_stage8-server"), env!("CARGO_BIN_EXE_stage8-client"))
        .with(handshake::handshake())
        .with(server::server())
        .with(server::files())
        .with(with_openssl(server::by_hand()))
        .with(keys::keys())
        .with(keys::keys_in_our_words())
        .with(with_openssl(certs::certs()))
        .with(client::verification())
        .with(client::verification_in_our_words())
        .with(sealed::sealed())
        .with(sealed::identities())
        .with(sealed::both())
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
        .with(people::lines())
        .with(patiently(people::dialogue()))
        .with(people::options())
        .with(people::names())
        .with(patiently(people::passwords()))
        .with(people::sessions())
        .with(people::taking_over())
        .with(people::duplicates_replaced())
        .with(ours(people::duplicates_rejected()))
        .with(people::messages())
        .with(people::notices())
        .with(people::history())
        .with(people::hardship())
        .with(people::durability())
        .with(people::audit())
        .with(people::admin())
        .with(people::client())
        .with(people::coming_back())
        .with(people::client_options())
        .with(prepared(rules::start()))
        .with(prepared(rules::server_addresses()))
        .with(prepared(rules::ending()))
        .with(prepared_for_clients(rules::client_program()))
        .with(prepared_for_clients(rules::client_addresses()))
        .run()
}

/// These checks, ignored where there is no `openssl`.
fn with_openssl(checks: Vec<Check>) -> Vec<Check> {
    let missing = Command::new("openssl").arg("version").output().is_err();
    // In CI it has to be there.
    let ignored = missing && std::env::var_os("CI").is_none();
    checks.into_iter().map(|check| check.ignored_if(ignored)).collect()
}

/// These checks with time for a dialogue that nobody ends.
fn patiently(checks: Vec<Check>) -> Vec<Check> {
    checks.into_iter().map(|check| check.within(Duration::from_secs(60))).collect()
}

/// What is an option in this stage.
fn ours(checks: Vec<Check>) -> Vec<Check> {
    checks.into_iter().map(|check| check.owed_as(Kind::Ours)).collect()
}
