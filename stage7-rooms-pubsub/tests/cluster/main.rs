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
    let quick = [one_chat::TESTS, taken_over::TESTS, start::TESTS].into_iter().flatten();
    let quick = quick.map(|&(name, test)| trial(name, test).with_ignored_flag(missing.is_some()));
    // Each waits for a service that was frozen or killed: `make test-course` runs them.
    let slow = faults::TESTS.iter().map(|&(name, test)| trial(name, test).with_ignored_flag(true));
    libtest_mimic::run(&args, quick.chain(slow).collect()).exit_code()
}

fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

type Test = (&'static str, fn());
