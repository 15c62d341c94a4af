//! Several servers as one chat, with what can happen to them, to Redis and to the
//! database.
//!
//! The promises P1 to P6 are those of the book's page on several servers.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod database_link;
mod faults;
mod one_chat;
mod servers;
mod start;
mod taken_over;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;
use testkit::mariadb::MariaDb;
use testkit::redis::Redis;

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // They mostly wait: for a lease to end, for a frozen service to come back.
    args.test_threads.get_or_insert(4);
    let missing = MariaDb::missing().or_else(Redis::missing);
    if let Some(why) = &missing {
        eprintln!("ignored: {why}");
    }
    let trials = [one_chat::TESTS, faults::TESTS, taken_over::TESTS, start::TESTS].into_iter().flatten();
    let trials = trials.map(|&(name, test)| {
        let trial = Trial::test(name, move || {
            test();
            Ok(())
        });
        trial.with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&args, trials.collect()).exit_code()
}

type Test = (&'static str, fn());
