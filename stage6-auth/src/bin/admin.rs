//! Does what the chat server may not: tables, accounts, roles.

use stage6_auth::{admin, store::SCHEMA};
use std::process::ExitCode;

fn main() -> ExitCode {
    admin::main("stage6-admin", &SCHEMA)
}
