//! Which checks a stage owes: those that hold from a stage on, put together.

use crate::{checks, prepare, prepare_client};
use std::time::Duration;
use testkit::mariadb::MariaDb;
use testkit::{Case, Check, Kind, checks as common_checks};

/// How the programs start and end. What is added after these rests on the first of them.
pub fn starts() -> Vec<Check> {
    [
        prepared(common_checks::server_starts(), prepare),
        prepared(common_checks::client_starts(), prepare_client),
        prepared(common_checks::start(), prepare),
        prepared(common_checks::server_addresses(), prepare),
        prepared(common_checks::shutdown(), prepare),
        prepared(common_checks::client_program(), prepare_client),
        prepared(common_checks::client_addresses(), prepare_client),
    ]
    .concat()
}

/// What every program owes from stage 6 on, besides [`starts`].
///
/// Which of the two answers to a second login is the default is up to the stage:
/// see [`duplicates_are_rejected`] and [`duplicates_are_replaced`].
pub fn since_stage_6() -> Vec<Check> {
    [
        patiently(checks::login()),
        checks::messages(),
        checks::notices(),
        checks::lines(),
        checks::options(),
        checks::names(),
        patiently(checks::passwords()),
        checks::login_rate(),
        checks::sessions(),
        checks::session_options(),
        checks::taking_over(),
        checks::history(),
        checks::robustness(),
        checks::durability(),
        checks::audit(),
        patiently(with_mariadb(checks::mysql())),
        checks::admin(),
        checks::client(),
        checks::reconnect(),
        checks::client_options(),
    ]
    .concat()
}

/// What is owed in stages 6 and 7, where every line is sealed under a shared key.
pub fn of_sealed_lines() -> Vec<Check> {
    [checks::envelope(), checks::key_option(), checks::key_files(), checks::sealed_client()].concat()
}

/// Sessions at random. There is time to make one shorter.
pub fn random_sessions() -> Vec<Check> {
    patiently(checks::random_sessions())
}

/// What every program owes from stage 7 on.
pub fn since_stage_7() -> Vec<Check> {
    [
        checks::rooms_of_a_server(),
        checks::rooms_wording(),
        checks::subscriptions(),
        checks::subscriptions_wording(),
        checks::delivery(),
        checks::commands(),
        checks::commands_wording(),
        checks::roles(),
        checks::admins(),
        checks::durability_of_all_kinds(),
        checks::migration(),
        checks::client_commands(),
        checks::client_terminal(),
    ]
    .concat()
}

/// One name comes in once only; the other way is an option of ours.
pub fn duplicates_are_rejected() -> Vec<Check> {
    [checks::duplicates_rejected(), ours(checks::duplicates_replaced())].concat()
}

/// Who comes twice puts the older one out; the other way is an option of ours.
pub fn duplicates_are_replaced() -> Vec<Check> {
    [checks::duplicates_replaced(), ours(checks::duplicates_rejected())].concat()
}

/// These checks, ignored where there is no MariaDB.
pub fn with_mariadb(checks: Vec<Check>) -> Vec<Check> {
    let missing = MariaDb::missing().is_some();
    checks.into_iter().map(|check| check.ignored_if(missing)).collect()
}

/// These checks with time for a login that no client ends, or for a database.
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
