//! What the experiments find, and what their program does.
//!
//! The widened parts are certain, so they are asserted to the last figure; of
//! the parts left to chance, only what holds on every machine.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use stage3_threads::experiments::login::LoginError;
use stage3_threads::experiments::{Window, corruption, lifecycle, login, race, side_channel};
use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn race(threads: u8, rounds: u32, window: Window) -> race::Outcome {
    race::run(&mut io::sink(), &race::Options { threads, rounds, window }).unwrap()
}

#[test]
fn race_held_open_loses_all_but_one_addition_of_every_round() {
    for threads in [2, 3, 8] {
        let wide = race(threads, 50, Window::Wide).wide.unwrap();
        assert_eq!(wide.counted, 50);
        assert_eq!(wide.lost(), u64::from(threads - 1) * 50);
    }
}

#[test]
fn race_with_a_lock_or_an_atomic_loses_nothing() {
    let outcome = race(8, 100_000, Window::Natural);
    assert_eq!((outcome.lock.lost(), outcome.atomic.lost()), (0, 0));
    assert_eq!(outcome.lock.expected, 800_000);
    let natural = outcome.natural.unwrap();
    // The least is far below one thread's share: a write that was held up can
    // undo any number of additions that others made meanwhile.
    assert!((1..=800_000).contains(&natural.counted), "{natural:?}");
}

#[test]
fn race_plays_the_parts_that_the_window_names() {
    let parts = |window| {
        let outcome = race(2, 10, window);
        (outcome.wide.is_some(), outcome.natural.is_some())
    };
    assert_eq!(parts(Window::Both), (true, true));
    assert_eq!(parts(Window::Wide), (true, false));
    assert_eq!(parts(Window::Natural), (false, true));
}

#[test]
fn corruption_is_seen_in_the_middle_and_never_with_one_lock() {
    let options = corruption::Options { rounds: 20_000, window: Window::Wide };
    let outcome = corruption::run(&mut io::sink(), &options).unwrap();
    assert_eq!(outcome.wide, Some(corruption::Audit { audits: 500, wrong: 500 }));
    assert_eq!(outcome.one_lock, corruption::Audit { audits: 20_000, wrong: 0 });
    assert_eq!(outcome.lost_unnoticed, 100);
    assert!(outcome.one_lock_poisoned);
}

#[test]
fn login_lets_alice_in_and_bob_not() {
    let outcome = login::run(&mut io::sink(), &login::Options { threads: 2 }).unwrap();
    let expected = [("alice", Ok(())), ("bob", Err(LoginError::WrongNameOrPassword))];
    assert_eq!(outcome.pair, expected);
}

#[test]
fn login_in_two_steps_lets_every_alice_in_and_login_in_one_step_the_first() {
    for _ in 0..50 {
        let outcome = login::run(&mut io::sink(), &login::Options { threads: 8 }).unwrap();
        assert_eq!((outcome.check_then_act_sessions, outcome.one_step_sessions), (8, 1));
        let refused = [(LoginError::WrongNameOrPassword, 8), (LoginError::AlreadyLoggedIn, 7)];
        assert_eq!(outcome.refused, BTreeMap::from(refused));
    }
}

#[test]
fn side_channel_early_exit_shows_where_it_stopped_and_constant_time_does_not() {
    let outcome = side_channel::run(&mut io::sink(), &side_channel::Options { samples: 3 }).unwrap();
    let looked_at: Vec<_> = [1, 2, 3, 4, 5, 6, 7, 8, 8].into_iter().map(|early| (early, 8)).collect();
    assert_eq!(outcome.bytes, looked_at);
    assert_eq!(outcome.found_by_count, side_channel::LENGTH);
}

#[test]
fn lifecycle_sees_all_five_states() {
    let outcome = lifecycle::run(&mut io::sink(), &lifecycle::Options {}).unwrap();
    assert_eq!(outcome.returned, Some(42));
    assert!(outcome.panic_reported);
    assert_eq!(outcome.busy.len(), outcome.cores * 2);
    if cfg!(target_os = "linux") {
        assert_eq!(outcome.blocked, [Some('S'); 3]);
        let times: Vec<_> = outcome.busy.into_iter().flatten().collect();
        // Twice as many as cores for 300 ms: all ran, and not all of the time.
        // (In a container with a quota they may be held back without queueing.)
        assert!(times.iter().all(|times| times.on_core > Duration::ZERO), "{times:?}");
        assert!(times.iter().any(|times| times.on_core < Duration::from_millis(280)), "{times:?}");
    }
}

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stage3-experiments"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

const NAMES: [&str; 7] =
    ["lifecycle", "parallelism", "race", "deadlock", "corruption", "side-channel", "login"];

#[test]
fn every_experiment_tells_what_happened_and_why_within_ten_seconds() {
    for name in NAMES {
        let start = Instant::now();
        let output = program(&[name]);
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{name}: {report}");
        assert!(start.elapsed() < Duration::from_secs(10), "{name} took {:?}", start.elapsed());
        for heading in ["What it does", "What happened", "Why"] {
            assert!(report.contains(heading), "{name}: {report}");
        }
        assert!(output.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn without_a_name_or_with_list_it_lists_all() {
    for arguments in [&[][..], &["--list"]] {
        let output = program(arguments);
        let list = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        assert!(NAMES.iter().all(|name| list.contains(&format!("  {name} "))), "{list}");
    }
}

#[test]
fn an_unknown_name_or_a_useless_figure_is_wrong_usage() {
    for arguments in [&["philosophers"][..], &["race", "--threads", "1"], &["race", "--rounds", "0"]] {
        let output = program(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("error:"));
    }
}

#[test]
fn a_closed_standard_output_ends_it_without_a_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stage3-experiments"))
        .arg("race")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
