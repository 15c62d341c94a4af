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

#[path = "checks/accounts.rs"]
mod accounts;
#[path = "checks/admin.rs"]
mod admin;
#[path = "checks/client.rs"]
mod client;
#[path = "checks/client_options.rs"]
mod client_options;
#[path = "checks/coming_back.rs"]
mod coming_back;
#[path = "checks/dialogue.rs"]
mod dialogue;
#[path = "checks/door.rs"]
mod door;
#[path = "checks/envelope.rs"]
mod envelope;
#[path = "checks/hardship.rs"]
mod hardship;
#[path = "checks/history.rs"]
mod history;
#[path = "checks/key_files.rs"]
mod key_files;
#[path = "checks/line.rs"]
mod line;
#[path = "checks/member.rs"]
mod member;
#[path = "checks/mysql.rs"]
mod mysql;
#[path = "checks/options.rs"]
mod options;
#[path = "checks/room.rs"]
mod room;
#[path = "checks/sealed.rs"]
mod sealed;
#[path = "checks/sessions.rs"]
mod sessions;
#[path = "checks/storage.rs"]
mod storage;
#[path = "../../stage5-aes/tests/checks/wire.rs"]
#[allow(dead_code, reason = "the key file is stage 5's, and the rest of its checks stays there")]
mod wire;

use std::process::ExitCode;
use std::time::Duration;
use testkit::mariadb::MariaDb;
use testkit::{Case, Check, Suite, rules};

pub(crate) fn main() -> ExitCode {
    Suite::new(6, env!("CARGO_BIN_EXE_stage6-server"), env!("CARGO_BIN_EXE_stage6-client"))
        .with(sealed::envelope())
        .with(sealed::lines())
        .with(patiently(dialogue::dialogue()))
        .with(options::options())
        .with(accounts::names())
        .with(patiently(accounts::passwords()))
        .with(accounts::login_rate())
        .with(sessions::sessions())
        .with(sessions::session_options())
        .with(sessions::duplicates())
        .with(room::messages())
        .with(room::notices())
        .with(history::history())
        .with(hardship::hardship())
        .with(storage::durability())
        .with(storage::audit())
        .with(patiently(mysql_or_ignored()))
        .with(admin::admin())
        .with(key_files::key_files())
        .with(client::client())
        .with(coming_back::coming_back())
        .with(client_options::client_options())
        .with(with_key(rules::start()))
        .with(with_key(rules::server_addresses()))
        .with(with_key(rules::ending()))
        .with(with_key(rules::client_program()))
        .with(with_key(rules::client_addresses()))
        .run()
}

fn mysql_or_ignored() -> Vec<Check> {
    let missing = MariaDb::missing().is_some();
    mysql::mysql().into_iter().map(|check| check.ignored_if(missing)).collect()
}

/// These checks with time for a dialogue that nobody ends.
fn patiently(checks: Vec<Check>) -> Vec<Check> {
    checks.into_iter().map(|check| check.within(Duration::from_secs(60))).collect()
}

/// These checks with a key file in the folder that our programs run in.
fn with_key(checks: Vec<Check>) -> Vec<Check> {
    let put_key = |case: &Case| {
        envelope::put_key(case);
    };
    checks.into_iter().map(|check| check.prepared(put_key)).collect()
}
