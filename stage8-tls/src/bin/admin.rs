//! Does what the chat server may not: tables, accounts, roles.

use stage6_auth::admin;
use stage8_tls::public_keys::SCHEMA;
use std::process::ExitCode;

fn main() -> ExitCode {
    admin::main("stage8-admin", &SCHEMA)
}
