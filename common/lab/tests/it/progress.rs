//! `lab next`, `lab hint` and `lab check N PART`, in a folder that is like a working copy.
//! Cargo is a script there that reports what the test wants.

use assert_cmd::Command;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

struct WorkingCopy(TempDir);

impl WorkingCopy {
    /// Stage 4, at its first part.
    fn new() -> WorkingCopy {
        let copy = WorkingCopy(TempDir::new().unwrap());
        copy.put("common/lab/Cargo.toml", "");
        copy.put("stage4-multichat/tests/new-checks.txt", "early room\nmiddle slow-clients\nlate limits\n");
        copy.put("progress.json", "{\"stage\": 4, \"part\": \"room\"}");
        copy.put("cargo", "#!/bin/sh\necho \"$@\" > \"$0.args\"\ncat \"$0.report\" > \"$TESTKIT_REPORT\"\n");
        let cargo = copy.0.path().join("cargo");
        fs::set_permissions(cargo, fs::Permissions::from_mode(0o755)).unwrap();
        copy
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).unwrap()
    }

    /// What the checks will report: names, and whether each passes.
    fn checks(&self, checks: &[(&str, bool)]) {
        let line = |(name, passed): &(&str, bool)| {
            format!(
                "{{\"check\":\"{name}\",\"passed\":{passed},\"what\":\"  got: x\",\"hint\":\"because\"}}\n"
            )
        };
        let lines: String = checks.iter().map(line).collect();
        self.put("cargo.report", &(lines + "{\"end\":true}\n"));
    }

    /// Runs the tool here; its output, when it ends with this code.
    fn lab(&self, args: &[&str], code: i32) -> String {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        lab.args(args).env("CARGO_MANIFEST_DIR", self.0.path().join("common/lab"));
        let output = lab.env("CARGO", self.0.path().join("cargo")).assert().code(code).get_output().clone();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }
}

#[test]
fn next_names_the_check_of_the_earliest_part_and_goes_on_when_all_pass() {
    let copy = WorkingCopy::new();
    copy.checks(&[("an_old_one", true), ("early", false)]);
    let said = copy.lab(&["next"], 0);
    assert!(said.contains("Stage 4, part 1 of 3: room") && said.contains("Next, of room: early"), "{said}");
    assert!(said.contains("room            0 of 1 checks pass"), "{said}");
    assert!(
        copy.read("cargo.args").contains("--exact --skip middle --skip late"),
        "later parts are left out"
    );
    copy.checks(&[("an_old_one", true), ("early", true)]);
    let said = copy.lab(&["next"], 0);
    assert!(said.contains("This part is done. From now on it is: slow-clients"), "{said}");
    copy.checks(&[("early", true), ("middle", false)]);
    assert!(copy.lab(&["next"], 0).contains("Next, of slow-clients: middle"));
    assert!(!copy.read("cargo.args").contains("--skip middle"));
}

#[test]
fn hints_come_in_steps() {
    let copy = WorkingCopy::new();
    copy.checks(&[("early", false)]);
    let [first, second, third] = [(); 3].map(|()| copy.lab(&["hint"], 0));
    assert!(first.contains("1. the requirement: early") && !first.contains("because"), "{first}");
    assert!(second.contains("2. the likely cause: because") && !second.contains("3. "), "{second}");
    assert!(third.contains("3. the place: stage4-multichat/src/room, "), "{third}");
    assert_eq!(third, copy.lab(&["hint", "early"], 0), "there is nothing behind the third");
    copy.checks(&[("early", true)]);
    assert!(copy.lab(&["hint", "early"], 0).contains("early passes, no hint is needed"));
    copy.checks(&[]);
    assert!(copy.lab(&["hint", "erly"], 1).contains("stage 4 has no check 'erly'"));
}

/// They explain failures of earlier parts, whose own modules are there in full.
#[test]
fn bodies_that_are_missing_are_named() {
    let copy = WorkingCopy::new();
    copy.checks(&[("an_old_one", false)]);
    let todo = "todo!(\"stage 4, part room: to be written\")\n";
    copy.put("stage4-multichat/src/room/mod.rs", &todo.repeat(2));
    copy.put("stage4-multichat/src/room/deep/er.rs", todo);
    copy.put("stage4-multichat/src/room.rs", "// stage 4, part room: to be written\n");
    copy.put("stage4-multichat/src/room/done.rs", "fn done() {}\n");
    let said = copy.lab(&["next"], 0);
    for line in ["2 in stage4-multichat/src/room/mod.rs", "1 in stage4-multichat/src/room/deep/er.rs"] {
        assert!(said.contains(line) && !said.contains("done.rs"), "{said}");
    }
    assert!(said.contains("1 in stage4-multichat/src/room.rs"), "{said}");
    let third = [(); 3].map(|()| copy.lab(&["hint"], 0)).concat();
    assert!(third.contains("2 in stage4-multichat/src/room/mod.rs"), "{third}");
}

#[test]
fn a_part_is_checked_with_those_before_it() {
    let copy = WorkingCopy::new();
    copy.checks(&[("middle", false), ("early", false)]);
    let said = copy.lab(&["check", "4", "slow-clients"], 1);
    assert!(said.contains("First to look at, of room: early\n  likely cause: because"), "{said}");
    copy.checks(&[("middle", true), ("early", true)]);
    let said = copy.lab(&["check", "4", "slow-clients"], 0);
    assert!(said.contains("slow-clients    1 of 1 checks pass"), "{said}");
    // Without a part it is the one that is under way.
    copy.lab(&["check", "4"], 0);
    assert!(copy.read("cargo.args").ends_with("--exact --skip middle --skip late\n"));
    let usage = copy.lab(&["check", "4", "accounts"], 2);
    assert!(usage.contains("part 'accounts' is stage 6's; stage 4 has: room slow-clients limits"), "{usage}");
}

#[test]
fn what_cannot_be_checked_says_so() {
    let copy = WorkingCopy::new();
    copy.put("cargo.report", "");
    assert!(copy.lab(&["next"], 1).contains("does not build, or the checks end early: make check 4 room"));
    assert!(copy.lab(&["check", "4", "room"], 1).contains("the checks did not run to their end"));
    copy.put("progress.json", "{");
    assert!(copy.lab(&["next"], 1).contains("progress.json is not as `make start` wrote it"));
    fs::remove_file(copy.0.path().join("progress.json")).unwrap();
    assert!(copy.lab(&["hint"], 1).contains("this is no working copy"));
}
