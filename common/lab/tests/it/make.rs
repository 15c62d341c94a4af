//! The Makefile's arguments. Nothing here gets as far as building a stage.

use assert_cmd::Command;
use lab::workspace::root;
use std::fs;

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
    for target in
        ["run-stage", "wire", "server", "client", "check", "load", "attack", "watch", "diff", "start"]
    {
        for wrong in ["99", "foo", "04", "%", "4;ls"] {
            let text = error_of(&[target, wrong]);
            assert!(text.contains("no stage '") && text.contains("there are: 1 2 3"), "{text}");
        }
        assert!(error_of(&[target, "N=99"]).contains("no stage '99'; there are: 1 2 3"));
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_missing_number_is_one_line_that_shows_how() {
    for target in ["run-stage", "check"] {
        for args in [&[target][..], &[target, "N="]] {
            let text = error_of(args);
            assert!(text.contains(&format!("usage: make {target} N")) && text.contains("1 2 3"), "{text}");
        }
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
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
#[ignore = "self-test of the course: make test-course"]
fn a_comparison_takes_one_number_or_two() {
    for (args, command) in [
        (&["-n", "diff", "4"][..], "lab -- diff 4"),
        (&["-n", "diff", "4", "6"], "lab -- diff 4 6"),
        (&["-n", "diff", "N=4", "6"], "lab -- diff 4 6"),
    ] {
        assert!(commands(args).lines().any(|l| l.ends_with(command)), "{args:?}");
    }
    for wrong in ["99", "%", "4;ls", "there"] {
        assert!(error_of(&["diff", "4", wrong]).contains(&format!("no stage '{wrong}'; there are: 1 2 3")));
    }
    assert!(error_of(&["diff"]).contains("usage: make diff N [PART]   or make diff A B"));
    assert!(error_of(&["diff", "4", "5", "6"]).contains("two stage numbers at most, or a part; got: 4 5 6"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_part_may_follow_the_number() {
    for (args, command) in [
        (&["-n", "diff", "4", "limits"][..], "lab -- diff 4 limits"),
        (&["-n", "check", "N=4", "limits"], "lab -- check 4 limits --"),
        (&["-n", "watch", "4", "limits"], "lab -- watch 4 limits --"),
        (&["-n", "start", "4", "limits"], "lab -- start 4 limits"),
        (&["-n", "start", "4", "limits", "mine"], "lab -- start 4 limits mine"),
        (&["-n", "start", "4", "limits", "DIR=mine"], "lab -- start 4 limits mine"),
        (&["-n", "start", "4", "DIR=limits"], "lab -- start 4 ./limits"),
        (&["-n", "hint", "a_line_arrives_once"], "lab -- hint a_line_arrives_once"),
        (&["-n", "next"], "lab -- next"),
    ] {
        let shown = commands(args);
        assert!(shown.lines().any(|l| l.trim_end().ends_with(command)), "{args:?}: {shown}");
    }
    let parts = "its parts: room slow-clients limits";
    for target in ["check", "watch", "start"] {
        for wrong in ["limit", "accounts"] {
            let text = error_of(&[target, "4", wrong]);
            assert!(text.contains(&format!("stage 4 has no part '{wrong}'; {parts}")), "{text}");
        }
    }
    assert!(error_of(&["diff", "4", "limit"]).contains("parts of stage 4: room slow-clients limits"));
    assert!(error_of(&["diff", "4", "accounts"]).contains(parts));
    assert!(error_of(&["check", "4", "5"]).contains("one stage number, please; got: 4 5"));
    assert!(error_of(&["hint", "a;b"]).contains("no check is called like this: a;b"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_folder_may_follow_the_number() {
    for (args, command) in [
        (&["-n", "start", "4"][..], "lab -- start 4"),
        (&["-n", "start", "4", "my-work/stage_4.0"], "lab -- start 4 my-work/stage_4.0"),
        (&["-n", "start", "4", "DIR=/tmp/there"], "lab -- start 4 /tmp/there"),
        (&["-n", "start", "N=4", "../there"], "lab -- start 4 ../there"),
        // What a target or a stage is called.
        (&["-n", "start", "4", "DIR=test"], "lab -- start 4 test"),
        (&["-n", "start", "4", "DIR=5"], "lab -- start 4 5"),
    ] {
        assert!(commands(args).lines().any(|l| l.ends_with(command)), "{args:?}: {}", commands(args));
    }
    assert!(error_of(&["start"]).contains("usage: make start N [PART] [DIR]"));
    assert!(error_of(&["start", "4", "5"]).contains("one stage number, please; got: 4 5;"));
    assert!(
        error_of(&["start", "4", "test"])
            .contains("make start stands alone; a folder called like a target is")
    );
    assert!(error_of(&["start", "check", "4"]).contains("one at a time, please"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_folder_whose_name_means_something_to_a_shell_is_refused() {
    for wrong in ["a;b", "a&b", "a|b", "a>b", "a'b", "a\"b", "a`b`", "a:b", "a%b", "a#b", "a\\b", "*", "ä"] {
        for args in
            [&["start", "4", wrong][..], &["start", "4", &format!("DIR={}", wrong.replace('#', "\\#"))]]
        {
            assert!(error_of(args).contains("a folder's name may have letters, digits and"), "{args:?}");
        }
    }
    for wrong in ["a b", "a\tb", "$(shell ls)"] {
        assert!(error_of(&["start", "4", wrong]).contains("one folder, please"), "{wrong}");
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_number_alone_and_a_typing_error_are_no_targets() {
    for wrong in ["4", "tset", "run-stag"] {
        let text = error_of(&[wrong]);
        assert!(text.contains(&format!("no target '{wrong}'; `make help` lists them")), "{text}");
    }
}

/// What `make -n` says that it would do, one space between words.
fn commands(args: &[&str]) -> String {
    let text = String::from_utf8(make(args).success().get_output().stdout.clone()).unwrap();
    text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn both_ways_of_giving_the_number_lead_to_the_same_command() {
    // -n prints the commands and runs none.
    for args in [&["-n", "run-stage", "4"][..], &["-n", "4", "run-stage"], &["-n", "run-stage", "N=4"]] {
        let text = commands(args);
        assert!(text.contains("lab -- run 4"), "{args:?}: {text}");
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_submission_is_a_folder_or_what_args_say() {
    assert!(commands(&["-n", "grade", "../anna"]).contains("lab -- grade ../anna"));
    assert!(commands(&["-n", "grade", "DIR=work/4"]).contains("lab -- grade work/4"));
    assert!(commands(&["-n", "grade", "ARGS=--batch all"]).contains("lab -- grade --batch all"));
    assert!(error_of(&["grade"]).contains("usage: make grade DIR"));
    assert!(error_of(&["grade", "anna", "ben"]).contains("one folder, please"));
}

/// All of the Makefile's targets that are meant for people.
fn targets() -> Vec<String> {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let lists = ["STAGED", "COMPARED", "PLACED", "FOLDERED", "PLAIN"];
    let lists = makefile
        .lines()
        .filter_map(|line| line.split_once(":="))
        .filter(|(name, _)| lists.contains(&name.trim()));
    lists
        .flat_map(|(_, list)| list.split('#').next().unwrap().split_whitespace())
        .map(str::to_owned)
        .collect()
}

/// Git on Windows, as it is set up usually, makes text files with CR LF.
#[test]
fn a_registry_with_windows_line_ends_is_read_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let registry = fs::read_to_string(root().join("common/lab/stages.toml")).unwrap();
    fs::create_dir_all(folder.path().join("common/lab")).unwrap();
    fs::write(folder.path().join("common/lab/stages.toml"), registry.replace('\n', "\r\n")).unwrap();
    fs::copy(root().join("Makefile"), folder.path().join("Makefile")).unwrap();
    let mut make = Command::new("make");
    make.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
    let assert = make.args(["-n", "check", "4"]).current_dir(folder.path()).assert().success();
    let text = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(text.contains("lab -- check 4"), "{text}");
    let mut make = Command::new("make");
    make.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
    let help = make.arg("help").current_dir(folder.path()).assert().success().get_output().stdout.clone();
    let help = String::from_utf8(help).unwrap();
    assert!(help.contains("\tmultichat\n") && !help.contains('\r'), "{help:?}");
}

/// The Makefile and what it reads, in a folder with a blank in its name.
fn elsewhere() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let course = folder.path().join("my course");
    fs::create_dir_all(course.join("common/lab")).unwrap();
    for file in ["Makefile", "Cargo.toml", "common/lab/stages.toml"] {
        fs::copy(root().join(file), course.join(file)).unwrap();
    }
    (folder, course)
}

/// `make` with these words, and with programs of these names, which run these scripts,
/// before all others.
fn make_with(course: &std::path::Path, words: [&str; 2], programs: &[(&str, &str)]) -> String {
    let bin = course.join("bin");
    fs::create_dir_all(&bin).unwrap();
    for (name, script) in programs {
        fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(bin.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut make = Command::new("make");
    make.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
    make.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    let output = make.args(words).current_dir(course).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn an_old_toolchain_is_one_line_with_what_is_needed_and_nothing_is_built() {
    let (_folder, course) = elsewhere();
    let said = make_with(
        &course,
        ["check", "4"],
        &[("rustc", "echo 'rustc 1.70.0 (90c541806 2023-05-31)'"), ("cargo", "echo was run")],
    );
    let error = said.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.starts_with("error: Rust 1.70.0 is too old, the course needs 1."), "{said}");
    assert!(error.ends_with("or newer: rustup update stable"), "{said}");
    assert!(!said.contains("was run"), "{said}");
}

#[test]
fn a_folder_with_a_blank_in_its_name_is_a_folder() {
    let (_folder, course) = elsewhere();
    let said = make_with(
        &course,
        ["check", "4"],
        &[("rustc", "echo rustc 1.999.0"), ("cargo", "echo cargo was run")],
    );
    // Once to build the tool, once for the tool's command.
    assert_eq!(said.matches("cargo was run").count(), 2, "{said}");
}

/// The last word is not cargo's, which names crates.
#[test]
fn what_does_not_build_is_said_below_the_compilers_message() {
    let (_folder, course) = elsewhere();
    fs::create_dir(course.join("stage4-multichat")).unwrap();
    fs::write(course.join("stage4-multichat/Cargo.toml"), "").unwrap();
    let programs = [("rustc", "echo rustc 1.999.0"), ("cargo", "echo 'error[E0308]: types' >&2; exit 101")];
    for (words, what) in [(["run-stage", "4"], "stage 4"), (["check", "4"], "the course's tool")] {
        let said = make_with(&course, words, &programs);
        let end = format!("error: {what} does not build: the compiler's message is above\n");
        let (before, after) = said.split_once(&end).unwrap_or_else(|| panic!("{said}"));
        assert!(before.ends_with("error[E0308]: types\n"), "{said}");
        // Make's own last line.
        assert!(after.starts_with("make: *** ") && after.lines().count() == 1, "{said}");
    }
}

#[test]
fn help_lists_the_targets_and_the_stages() {
    let help = String::from_utf8(make(&["help"]).success().get_output().stdout.clone()).unwrap();
    for target in targets().iter().filter(|t| *t != "help") {
        assert!(help.contains(&format!("  make {target} ")), "{target} is not in:\n{help}");
    }
    for stage in lab::registry::Registry::load().stages {
        assert!(help.contains(&format!("\n  {}\t{}\n", stage.number, stage.title)), "{help}");
    }
    for row in help.lines() {
        assert!(row.chars().count() <= lab::output::WIDTH, "too long for a terminal: {row}");
    }
}
