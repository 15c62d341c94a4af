//! `lab chaos`: faults drawn from a seed, and the promises that hold all the same.

use crate::cluster::is_possible;
use assert_cmd::Command;
use std::time::Duration;

fn chaos(args: &[&str]) -> assert_cmd::assert::Assert {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab-tools"));
    // The limit is for the build, should it be the first one.
    lab.arg("chaos").args(args).timeout(Duration::from_secs(500)).assert()
}

#[test]
fn a_stage_without_several_servers_is_refused() {
    let assert = chaos(&["6"]).code(2);
    let why = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(why.starts_with("error: `make chaos` is for stage 7"), "{why}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn three_schedules_of_faults_break_no_promise() {
    if !is_possible() {
        return;
    }
    // Among their faults: servers are killed and stopped, Redis and MariaDB are killed,
    // stopped and emptied, links are cut and slow.
    let assert = chaos(&["7", "--runs", "3", "--seed", "7"]).success();
    let shown = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert_eq!(shown.matches(" 5 faults ").count(), 3, "{shown}");
    assert!(shown.ends_with("3 of 3 runs kept every promise\n"), "{shown}");
}
