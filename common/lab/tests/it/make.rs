//! The Makefile's arguments. Nothing here gets as far as building a stage.

use assert_cmd::Command;
use lab::workspace::root;

fn make(args: &[&str]) -> assert_cmd::assert::Assert {
    let mut make = Command::new("make");
    // As from a shell: when `make test` runs us, its own flags are around.
    make.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
    make.args(args).current_dir(root()).timeout(std::time::Duration::from_secs(60)).assert()
}

fn error_of(args: &[&str]) -> String {
    let output = make(args).code(2).get_output().clone();
    assert!(output.stdout.is_empty(), "nothing may have run: {}", String::from_utf8_lossy(&output.stdout));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn a_number_that_is_no_stage_is_one_line_with_those_that_are() {
    for target in ["run-stage", "server", "client", "check", "load"] {
        for wrong in ["99", "foo", "04", "%", "4;ls"] {
            let text = error_of(&[target, wrong]);
            assert!(text.contains("no stage '") && text.contains("there are: 1 2 3"), "{text}");
        }
        assert!(error_of(&[target, "N=99"]).contains("no stage '99'; there are: 1 2 3"));
    }
}

#[test]
fn a_missing_number_is_one_line_that_shows_how() {
    for target in ["run-stage", "check"] {
        for args in [&[target][..], &[target, "N="]] {
            let text = error_of(args);
            assert!(text.contains(&format!("usage: make {target} N")) && text.contains("1 2 3"), "{text}");
        }
    }
}

#[test]
fn two_numbers_are_an_error() {
    for args in [
        &["run-stage", "4", "3"][..],
        &["run-stage", "4", "N=3"],
        &["run-stage", "N=4 3"],
        &["run-stage", "$(shell ls)"],
    ] {
        assert!(error_of(args).contains("one stage number, please"), "{args:?}");
    }
}

#[test]
fn a_number_alone_and_a_typing_error_are_no_targets() {
    for wrong in ["4", "tset", "run-stag"] {
        assert!(error_of(&[wrong]).contains(&format!("No rule to make target '{wrong}'")));
    }
}

#[test]
fn both_ways_of_giving_the_number_lead_to_the_same_command() {
    // -n prints the commands and runs none.
    for args in [&["-n", "run-stage", "4"][..], &["-n", "4", "run-stage"], &["-n", "run-stage", "N=4"]] {
        let output = make(args).success().get_output().clone();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("lab -- run 4"), "{args:?}: {text}");
    }
}

#[test]
fn help_lists_the_targets_and_the_stages() {
    let help = String::from_utf8(make(&["help"]).success().get_output().stdout.clone()).unwrap();
    for target in ["run-stage N", "server N", "client N", "check N", "load N", "test", "doctor", "clean"] {
        assert!(help.contains(&format!("make {target}")), "{target} is not in:\n{help}");
    }
    for stage in lab::registry::Registry::load().stages {
        assert!(help.contains(&stage.title), "{help}");
    }
}
