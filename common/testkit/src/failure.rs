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
    pub source: FailureSource,
    /// It came too late, or did not come: this may be the machine's fault.
    pub late: bool,
}

/// What a check says where nothing has come.
pub(crate) const NO_LINE: &str = "nothing (and the stream is still open)";

/// Where the requirement is written down that was not met.
pub(crate) enum FailureSource {
    /// In a check.
    Code(&'static Location<'static>),
    /// In the contract, as a rule of the model.
    Rule { rule: Rule, session: String },
}

/// Ends the check as failed: a session has broken `rule`.
pub(crate) fn fail_by_rule(broken: Broken, session: String) -> ! {
    let Broken { rule, expected, got } = broken;
    let late = got == NOTHING;
    std::panic::panic_any(Failure { expected, got, source: FailureSource::Rule { rule, session }, late })
}

/// Ends the check as failed.
///
/// Both texts complete a sentence: "expected …", "got …".
#[track_caller]
pub fn fail(expected: impl Into<String>, got: impl Into<String>) -> ! {
    let (got, source) = (got.into(), FailureSource::Code(Location::caller()));
    let late = got.ends_with(NO_LINE);
    std::panic::panic_any(Failure { expected: expected.into(), got, source, late })
}

/// Ends the check as failed since something took too long. On a busy machine the check is
/// tried again, alone, before this is a verdict.
#[track_caller]
pub fn fail_late(expected: impl Into<String>, got: impl Into<String>) -> ! {
    let source = FailureSource::Code(Location::caller());
    std::panic::panic_any(Failure { expected: expected.into(), got: got.into(), source, late: true })
}

/// Ends the check as failed unless `holds`.
#[track_caller]
pub fn require(holds: bool, expected: impl Into<String>, got: impl Into<String>) {
    if !holds {
        fail(expected, got);
    }
}

/// Ends the check as failed unless it was `in_time`, as [`fail_late`] does.
#[track_caller]
pub fn require_in_time(in_time: bool, expected: impl Into<String>, got: impl Into<String>) {
    if !in_time {
        fail_late(expected, got);
    }
}
