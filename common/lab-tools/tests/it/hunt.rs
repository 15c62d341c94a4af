//! `lab hunt`: scripts that a student writes, against right and wrong servers.

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn hunt(args: &[&str], folder: &Path) -> assert_cmd::assert::Assert {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab-tools"));
    lab.arg("hunt").args(args).current_dir(folder).timeout(Duration::from_secs(600)).assert()
}

fn output(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

/// Returns `true` if `python3` is there, which all servers of the hunt need.
fn python() -> bool {
    std::process::Command::new("python3")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

#[test]
fn what_cannot_be_played_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let error = |assert: assert_cmd::assert::Assert| {
        String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
    };
    let why = error(hunt(&["1"], folder.path()).code(2));
    assert!(why.contains("`make hunt` is for stages 2 to 8"), "{why}");
    let why = error(hunt(&["4"], folder.path()).code(1));
    assert!(why.contains("hunt4.txt") && why.contains("make hunt 4 ARGS=--example"), "{why}");
    fs::write(folder.path().join("hunt4.txt"), "alice connects\nalice waves\n").unwrap();
    let why = error(hunt(&["4"], folder.path()).code(1));
    assert!(why.contains("line 2: alice waves: `waves` is no step"), "{why}");
    fs::write(folder.path().join("hunt4.txt"), "# nothing\n").unwrap();
    let why = error(hunt(&["4"], folder.path()).code(1));
    assert!(why.contains("no script in hunt4.txt"), "{why}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_script_that_asks_for_too_much_is_not_counted() {
    if !python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Where a notice stands between lines is left open.
    let order = "alice connects\nbob connects\ncarol connects\n\
        alice< [SERVER] bob's address joined (2 online)\nalice< [SERVER] carol's address joined (3 online)\n\
        bob> one\nbob half-closes\ncarol> two\ncarol half-closes\n\
        alice< [bob's address] one\nalice< [SERVER] bob's address left (2 online)\nalice< [carol's address] two\n";
    // A server of stage 4 does not answer.
    let wrong = "alice connects\nalice> hello\nalice< hello\n";
    fs::write(folder.path().join("order.txt"), order).unwrap();
    fs::write(folder.path().join("wrong.txt"), wrong).unwrap();
    let text = output(&hunt(&["4", "wrong.txt"], folder.path()).code(1));
    assert!(
        text.contains("wrong: not counted, it does not hold for a right server\n  line 3: alice< hello\n"),
        "{text}"
    );
    assert!(text.contains("Score: 0 of "), "{text}");
    let text = output(&hunt(&["4", "order.txt"], folder.path()).code(1));
    assert!(text.contains("order: not counted") && text.contains("what the contract leaves open"), "{text}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_script_with_logins_that_asks_for_too_much_is_not_counted() {
    if !python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let scripts = "== not so\nalice registers\nalice> hello\nalice< alice: hello\n\
        == in which order\nalice registers\nbob registers\nalice< [SERVER] bob joined (2 online)\ncarol registers\n\
        alice< [SERVER] carol joined (3 online)\nbob< [SERVER] carol joined (3 online)\n\
        alice> one\nbob> two\ncarol< alice: one\ncarol< bob: two\n\
        == in which words\nalice connects\nalice< AUTH_REQUIRED\nalice> HELLO\n\
        alice< AUTH_FAILED LOGIN, REGISTER or RESUME expected\n\
        == lists\nalice registers\nbob registers\nalice< [SERVER] bob joined (2 online)\nalice hears nothing\n";
    fs::write(folder.path().join("hunt6.txt"), scripts).unwrap();
    let text = output(&hunt(&["6"], folder.path()).code(1));
    let not_so = "not so: not counted, it does not hold for a right server\n  line 4: alice< alice: hello\n  got:  nothing\n";
    assert!(text.contains(not_so), "{text}");
    for title in ["in which order", "in which words"] {
        assert!(text.contains(&format!("{title}: not counted")), "{text}");
    }
    assert_eq!(text.matches("and the words of most errors").count(), 2, "{text}");
    assert!(text.contains("lists: holds for right servers"), "{text}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn the_examples_hold_and_catch_something() {
    if !python() {
        return;
    }
    for stage in ["2", "3", "4", "5", "6", "7", "8"] {
        let folder = tempfile::tempdir().unwrap();
        let example = output(&hunt(&[stage, "--example"], folder.path()).success());
        fs::write(folder.path().join(format!("hunt{stage}.txt")), example).unwrap();
        let text = output(&hunt(&[stage], folder.path()).success());
        assert!(!text.contains(": not counted") && !text.contains("Score: 0 of "), "{text}");
        assert!(text.contains("Not caught, by the rule of the contract that they break:\n"), "{text}");
    }
}

/// Each fault breaks the contract so that somebody who knows it can see it.
#[test]
#[ignore = "self-test of the course: make test-course"]
fn every_wrong_server_can_be_caught() {
    if !python() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hunt");
    for stage in ["3", "4", "6", "7", "8"] {
        let text = output(&hunt(&[stage, "--reveal", &format!("stage{stage}.txt")], &folder).success());
        assert!(!text.contains("Not caught"), "{text}");
    }
}
