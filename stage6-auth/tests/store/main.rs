//! Both stores, by the same tests, and what only one of them can suffer.
//!
//! Not Rust's own test harness but one with the same arguments: it can tell
//! at run time that a test is ignored, which those that need MariaDB are where
//! it is not installed.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod load;
mod mariadb;
mod migration;
mod outage;
mod proxy;
mod sqlite;
mod suite;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Ok(url) = std::env::var(load::WRITER) {
        load::writer(&url);
        return ExitCode::SUCCESS;
    }
    let mut args = Arguments::from_args();
    // They mostly wait, for the disk and for a database that is down.
    args.test_threads.get_or_insert(4);
    let mut trials = Vec::new();
    for (name, test) in suite::TESTS.iter().chain(suite::ADMIN_TESTS) {
        trials.push(Trial::test(format!("sqlite::{name}"), move || {
            let (_folder, store) = sqlite::fresh();
            test(&store);
            Ok(())
        }));
    }
    trials.extend(sqlite::trials());
    trials.extend(migration::sqlite_trials());
    trials.extend(mariadb::trials());
    let conclusion = libtest_mimic::run(&args, trials);
    mariadb::stop();
    conclusion.exit_code()
}

/// A trial from a plain function, which panics when it fails.
fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}
