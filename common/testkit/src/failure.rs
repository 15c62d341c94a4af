//! How a check says that it failed: by a panic that carries what was expected
//! and what came instead. A panic rather than a `Result`, so that a check reads
//! as the list of things that should happen.

use crate::model::expected::Broken;
use crate::model::play::NOTHING;
use crate::model::rules::Rule;
use std::panic::Location;

/// The payload of that panic.
pub(crate) struct Failure {
    pub expected: String,
    pub got: String,
    pub place: Place,
}

/// What a check says where nothing has come.
pub(crate) const NO_LINE: &str = "nothing (and the stream is still open)";
/// What it says where a server has not begun to serve.
pub(crate) const NOT_LISTENING: &str = "it runs, but does not listen on any port";
/// What came instead, where time was over: this may be the machine's fault.
const LATE: [&str; 5] =
    [NO_LINE, NOT_LISTENING, "it still runs", "an open connection", "a connection that stays open"];

impl Failure {
    /// Returns `true` if something came too late, or did not come.
    pub fn is_late(&self) -> bool {
        let of_a_session = matches!(self.place, Place::Rule { .. }) && self.got == NOTHING;
        of_a_session || LATE.iter().any(|late| self.got.ends_with(late))
    }
}

/// Where the requirement is written down that was not met.
pub(crate) enum Place {
    /// In a check.
    Code(&'static Location<'static>),
    /// In the contract, as a rule of the model.
    Rule { rule: Rule, session: String },
}

/// Ends the check as failed: a session has broken `rule`.
pub(crate) fn fail_by_rule(broken: Broken, session: String) -> ! {
    let Broken { rule, expected, got } = broken;
    std::panic::panic_any(Failure { expected, got, place: Place::Rule { rule, session } })
}

/// Ends the check as failed.
///
/// Both texts complete a sentence: "expected …", "got …".
#[track_caller]
pub fn fail(expected: impl Into<String>, got: impl Into<String>) -> ! {
    let place = Place::Code(Location::caller());
    std::panic::panic_any(Failure { expected: expected.into(), got: got.into(), place })
}

/// Ends the check as failed unless `holds`.
#[track_caller]
pub fn require(holds: bool, expected: impl Into<String>, got: impl Into<String>) {
    if !holds {
        fail(expected, got);
    }
}
