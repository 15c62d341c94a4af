//! Sessions at random, compared with the model of the contract.

use crate::model::ChatSessions;
use testkit::sessions::play_series;

testkit::checks! {
/// Random sessions of stages 6, 7 and 8.
pub random_sessions:

/// The session above breaks a rule of the contract.
wire(server, waits) fn random_sessions_keep_to_the_contract(case) {
    play_series(case, &ChatSessions { stage: case.stage() });
}
}
