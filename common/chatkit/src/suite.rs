//! Which checks a stage owes: those that hold from a stage on, put together.

use crate::{prepare, prepare_client, rules as people};
use std::time::Duration;
use testkit::mariadb::MariaDb;
use testkit::{Case, Check, Kind, rules};

/// What everybody owes from stage 6 on, and the harness's own rules.
///
/// Which of the two answers to a second login is the default is up to the stage:
/// see [`duplicates_are_rejected`] and [`duplicates_are_replaced`].
pub fn since_stage_6() -> Vec<Check> {
    [
        people::lines(),
        patiently(people::dialogue()),
        people::options(),
        people::names(),
        patiently(people::passwords()),
        people::login_rate(),
        people::sessions(),
        people::session_options(),
        people::taking_over(),
        people::messages(),
        people::notices(),
        people::history(),
        people::hardship(),
        people::durability(),
        people::audit(),
        patiently(with_mariadb(people::mysql())),
        people::admin(),
        people::client(),
        people::coming_back(),
        people::client_options(),
        prepared(rules::start(), prepare),
        prepared(rules::server_addresses(), prepare),
        prepared(rules::ending(), prepare),
        prepared(rules::client_program(), prepare_client),
        prepared(rules::client_addresses(), prepare_client),
    ]
    .concat()
}

/// What is owed in stages 6 and 7, where every line is sealed under a shared key.
pub fn of_sealed_lines() -> Vec<Check> {
    [people::envelope(), people::key_option(), people::key_files(), people::sealed_client()].concat()
}

/// What everybody owes from stage 7 on.
pub fn since_stage_7() -> Vec<Check> {
    [
        people::rooms_of_a_server(),
        people::rooms_in_our_words(),
        people::subscriptions(),
        people::subscriptions_in_our_words(),
        people::delivery(),
        people::commands(),
        people::commands_in_our_words(),
        people::roles(),
        people::admins(),
        people::kept(),
        people::migration(),
        people::client_commands(),
        people::client_terminal(),
    ]
    .concat()
}

/// One name comes in once only; the other way is an option of ours.
pub fn duplicates_are_rejected() -> Vec<Check> {
    [people::duplicates_rejected(), ours(people::duplicates_replaced())].concat()
}

/// Who comes twice puts the older one out; the other way is an option of ours.
pub fn duplicates_are_replaced() -> Vec<Check> {
    [people::duplicates_replaced(), ours(people::duplicates_rejected())].concat()
}

/// These checks, ignored where there is no MariaDB.
pub fn with_mariadb(checks: Vec<Check>) -> Vec<Check> {
    let missing = MariaDb::missing().is_some();
    checks.into_iter().map(|check| check.ignored_if(missing)).collect()
}

/// These checks with time for a dialogue that nobody ends, or for a database.
pub fn patiently(checks: Vec<Check>) -> Vec<Check> {
    checks.into_iter().map(|check| check.within(Duration::from_secs(60))).collect()
}

fn prepared(checks: Vec<Check>, prepare: fn(&Case)) -> Vec<Check> {
    checks.into_iter().map(|check| check.prepared(prepare)).collect()
}

/// What is an option in this stage.
fn ours(checks: Vec<Check>) -> Vec<Check> {
    checks.into_iter().map(|check| check.owed_as(Kind::Ours)).collect()
}
