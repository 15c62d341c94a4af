//! How a check says that it failed: by a panic that carries what was expected
//! and what came instead. A panic rather than a `Result`, so that a check reads
//! as the list of things that should happen.

use std::panic::Location;

/// The payload of that panic.
pub(crate) struct Failure {
    pub expected: String,
    pub got: String,
    pub place: &'static Location<'static>,
}

/// Ends the check as failed.
///
/// Both texts complete a sentence: "expected …", "got …".
#[track_caller]
pub fn fail(expected: impl Into<String>, got: impl Into<String>) -> ! {
    std::panic::panic_any(Failure { expected: expected.into(), got: got.into(), place: Location::caller() })
}

/// Ends the check as failed unless `holds`.
#[track_caller]
pub fn require(holds: bool, expected: impl Into<String>, got: impl Into<String>) {
    if !holds {
        fail(expected, got);
    }
}
