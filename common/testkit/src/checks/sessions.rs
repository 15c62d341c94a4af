//! Sessions at random, compared with the model of the contract.

use crate::model;
use std::time::Duration;

/// Playing the usual number, and then making what was found shorter.
const LIMIT: Duration = Duration::from_secs(60);
/// As many sessions as `--sessions` asks for, at this rate at least.
const SLOWEST_PER_SECOND: u32 = 10;

/// Random sessions against the server.
pub fn server_sessions() -> Vec<crate::Check> {
    server().into_iter().map(|check| check.within(limit())).collect()
}

/// Random sessions with a chat client.
pub fn client_sessions() -> Vec<crate::Check> {
    client().into_iter().map(|check| check.within(limit())).collect()
}

fn limit() -> Duration {
    LIMIT + Duration::from_secs(1) * model::run::wanted_sessions() as u32 / SLOWEST_PER_SECOND
}

checks! {
client:

/// The session above breaks a rule of the contract.
wire(client) fn random_sessions_of_a_client_keep_to_the_contract(case) {
    model::series::play_series(case, &model::client::ClientSessions);
}
}

checks! {
server:

/// The session above breaks a rule of the contract.
wire(server) fn random_sessions_keep_to_the_contract(case) {
    model::run::server_sessions(case);
}
}
