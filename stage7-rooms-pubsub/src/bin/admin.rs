//! Does what the chat server may not: tables, accounts, roles.

use stage6_auth::admin;
use stage7_rooms_pubsub::message_store::SCHEMA;
use std::process::ExitCode;

fn main() -> ExitCode {
    admin::main("stage7-admin", &SCHEMA)
}
