//! Submissions that are copies of the workspace.

use super::{Submissions, text};
use std::fs;
use std::path::Path;

/// Copies our own source of stage 1 into a submission.
pub fn our_stage_1(all: &Submissions, name: &str) {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let there = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &there)
            } else {
                fs::copy(entry.path(), there).unwrap();
            }
        }
    }
    copy(&lab::workspace::root().join("stage1-handshake/src"), &all.path(name).join("stage1-handshake/src"));
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn of_a_copy_of_the_workspace_only_the_source_counts() {
    let all = Submissions::new();
    let client = "stage1-handshake/src/bin/client.rs";
    for name in ["1-compiles-not", "2-mute", "3-linked", "4-right", "5-hangs-the-compiler", "6-unchanged"] {
        our_stage_1(&all, &format!("all/{name}"));
    }
    all.put(&format!("all/1-compiles-not/{client}"), "fn main() { let x: u8 = \"text\"; }\n");
    // It says nothing, and has changed all that could judge it.
    all.put(&format!("all/2-mute/{client}"), "fn main() {}\n");
    all.put("all/2-mute/stage1-handshake/tests/checks.rs", "fn main() {}\n");
    let trace = all.path("trace");
    let leaves_a_trace = format!("fn main() {{ std::fs::write({trace:?}, \"\").unwrap(); }}\n");
    all.put("all/2-mute/stage1-handshake/build.rs", &leaves_a_trace);
    all.put("all/2-mute/stage1-handshake/Cargo.toml", "[package]\nname = \"mine\"\nbuild = \"build.rs\"\n");
    all.put("all/2-mute/stage1-handshake/.cargo/config.toml", "[build]\nrustc = \"/bin/true\"\n");
    all.put("all/2-mute/common/testkit/src/lib.rs", "");
    fs::remove_file(all.path(&format!("all/3-linked/{client}"))).unwrap();
    let right = lab::workspace::root().join(client);
    std::os::unix::fs::symlink(right, all.path(&format!("all/3-linked/{client}"))).unwrap();
    // One program more, and a crate that the course has, is nothing that would harm.
    let other = "fn main() { println!(\"{}\", hex::encode([1])); }\n";
    all.put("all/4-right/stage1-handshake/src/bin/other.rs", other);
    let manifest = "[dependencies]\nhex.workspace = true\nno-such-crate = \"1\"\n";
    all.put("all/4-right/stage1-handshake/Cargo.toml", manifest);
    let endless = "const N: u64 = { let mut n = 0u64; while n < u64::MAX { n += 1; } n };\nfn main() { println!(\"{N}\"); }\n";
    all.put(
        &format!("all/5-hangs-the-compiler/{client}"),
        &format!("#![allow(long_running_const_eval)]\n{endless}"),
    );
    let assert = all.batch(&["--jobs", "1", "--build-limit", "30"]).assert().code(1);
    let said = text(&assert.get_output().stdout);

    let [verdict, points, note, _] = all.row("1-compiles-not");
    assert_eq!([verdict.as_str(), &points], ["does not compile", "0"], "{said}");
    assert!(note.contains("error[E0308]: mismatched types"), "{note}");
    let [verdict, points, note, failed] = all.row("2-mute");
    assert_eq!([verdict.as_str(), &failed], ["failed", "the_client_prints_both_addresses"], "{note}");
    assert!(points.parse::<f64>().unwrap() < 90.0, "{points}");
    assert!(
        note.contains("not used, though changed: Cargo.toml, build.rs, .cargo/config.toml, tests/checks.rs"),
        "{note}"
    );
    assert!(!trace.exists(), "the submission's build script was run");
    let [verdict, _, note, _] = all.row("3-linked");
    assert_eq!(verdict, "does not compile");
    assert!(note.contains("src/bin/client.rs is no plain file: left out"), "{note}");
    assert_eq!(all.row("4-right")[..2], ["passed", "100"]);
    let [verdict, _, note, _] = all.row("5-hangs-the-compiler");
    assert_eq!(verdict, "does not compile");
    assert!(note.contains("it took longer than 30 s"), "{note}");
    let [verdict, points, note, _] = all.row("6-unchanged");
    assert_eq!([verdict.as_str(), &points], ["not graded", ""]);
    assert!(note.contains("no stage's src differs from ours"), "{note}");
}
