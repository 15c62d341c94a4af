//! What a user sees who types something wrong, or asks.

use assert_cmd::Command;
use std::time::Duration;

fn lab(args: &[&str]) -> assert_cmd::assert::Assert {
    Command::new(env!("CARGO_BIN_EXE_lab-tools")).args(args).timeout(Duration::from_secs(20)).assert()
}

#[test]
fn a_wrong_or_missing_stage_is_one_line_that_lists_the_stages() {
    for command in ["wire", "load", "attack", "watch", "start", "hunt"] {
        for (args, start) in [
            (vec![command], "which stage?"),
            (vec![command, "99"], "no stage '99'"),
            (vec![command, "04"], "no"),
        ] {
            let output = lab(&args).code(2).get_output().clone();
            assert!(output.stdout.is_empty(), "an error is no output");
            let text = String::from_utf8(output.stderr).unwrap();
            assert!(text.starts_with(&format!("error: {start}")) && text.contains("1 2 3"), "{text}");
            assert_eq!(text.lines().count(), 1);
        }
    }
}

#[test]
fn the_help_has_examples_and_says_lab() {
    for args in [
        ["load", "--help"],
        ["wire", "--help"],
        ["attack", "--help"],
        ["grade", "--help"],
        ["hunt", "--help"],
    ] {
        let help = String::from_utf8(lab(&args).success().get_output().stdout.clone()).unwrap();
        assert!(help.contains("Examples:") && help.contains(&format!("lab {}", args[0])), "{help}");
        assert!(!help.contains("lab-tools") && !help.contains("leash"), "{help}");
    }
}

/// As `| head -n 1` leaves it: nobody reads standard output any more.
#[test]
fn a_list_that_nobody_reads_to_its_end_is_no_panic() {
    for args in [&["attack", "--list"][..], &["diff", "4"], &["attack", "--help"], &["grade", "--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut lab = std::process::Command::new(env!("CARGO_BIN_EXE_lab-tools"));
        let output = lab.args(args).stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
}
