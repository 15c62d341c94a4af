//! Tests of the course itself: that wrong programs fail, that right ones in
//! other languages pass. They are not needed to write a server.

use libtest_mimic::{Completion, Failed, Trial};

/// A test that `make test-course` runs and plain `cargo test` reports as ignored.
///
/// `missing` names a program that the test needs and this machine does not have.
/// Then it is reported as ignored there too; with `CHAT_CI` set it fails.
pub fn self_test(
    name: impl Into<String>,
    missing: Option<&'static str>,
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let run = move || match missing {
        None => test().map(|()| Completion::Completed),
        Some(program) if in_ci() => Err(format!("{program} is missing").into()),
        Some(program) => Ok(Completion::ignored_with(format!("{program} is missing"))),
    };
    Trial::ignorable_test(name, run).with_ignored_flag(true)
}

/// Returns `true` if a missing program is a failure: in continuous integration.
pub fn in_ci() -> bool {
    std::env::var_os("CHAT_CI").is_some()
}
