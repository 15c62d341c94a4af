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
#[path = "checks/compression.rs"]
mod compression;
#[path = "checks/handshake.rs"]
mod handshake;
#[path = "checks/identities.rs"]
mod identities;
#[path = "checks/keys.rs"]
mod keys;
#[path = "checks/lines.rs"]
mod lines;
#[path = "checks/received.rs"]
mod received;
#[path = "checks/sealed.rs"]
mod sealed;
#[path = "checks/server.rs"]
mod server;

use std::process::{Command, ExitCode};
use testkit::{Check, Suite};
use testkit_chat::suite;

pub(crate) fn main() -> ExitCode {
    new_in_stage_8()
        .with(suite::since_stage_6())
        .with(suite::duplicates_are_replaced())
        .with(suite::since_stage_7())
        .run()
}

pub(crate) fn new_in_stage_8() -> Suite {
    Suite::new(8, env!("CARGO_BIN_EXE_stage8-server"), env!("CARGO_BIN_EXE_stage8-client"))
        .with(suite::starts())
        .with(handshake::handshake())
        .with(server::server())
        .with(server::files())
        .with(with_openssl(server::by_hand()))
        .with(keys::keys())
        .with(keys::keys_kept())
        .with(keys::keys_wording())
        .with(suite::random_sessions())
        .with(with_openssl(certs::certs()))
        .with(client::verification())
        .with(client::verification_wording())
        .with(sealed::sealed())
        .with(received::received())
        .with(lines::lines())
        .with(identities::identities())
        .with(identities::both())
        .with(compression::compression())
}

/// These checks, ignored where there is no `openssl`.
fn with_openssl(checks: Vec<Check>) -> Vec<Check> {
    let missing = Command::new("openssl").arg("version").output().is_err();
    // In CI it has to be there.
    let ignored = missing && !testkit::in_ci();
    checks.into_iter().map(|check| check.ignored_if(ignored)).collect()
}
