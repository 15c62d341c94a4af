//! Sessions at random, compared with the model of the contract.

use crate::model::ChatSessions;
use crate::model::client::ClientSessions;
use testkit::sessions::play_series;

testkit::checks! {
/// Random sessions of stages 6, 7 and 8.
pub random_sessions:

/// The session above breaks a rule of the contract.
wire(server, waits) fn random_sessions_keep_to_the_contract(case) {
    play_series(case, &ChatSessions { stage: case.stage() });
}

/// The session above breaks a rule of the contract.
wire(client, waits) fn random_sessions_of_a_client_keep_to_the_contract(case) {
    play_series(case, &ClientSessions { stage: case.stage() });
}
}
