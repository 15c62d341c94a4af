//! `lab grade` on submissions that are right, wrong, and worse than wrong.
//!
//! Those that need no compiler are clients of stage 1 in a line of shell or
//! Python: its checks of a client take a second. Those that do share one build.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A right client of stage 1.
const CLIENT: &str = "import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print('Connected: client %s:%d -> server %s:%d' % (s.getsockname() + s.getpeername()), flush=True)
";

/// A folder of submissions.
struct Submissions {
    folder: TempDir,
}

impl Submissions {
    fn new() -> Submissions {
        Submissions { folder: TempDir::new().unwrap() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    /// A client of stage 1, as a command.
    fn client(&self, name: &str, command: &str) {
        self.put(&format!("all/{name}/grade.toml"), &format!("stage = 1\nclient = '''{command}'''\n"));
    }

    fn grade(&self, arguments: &[&str]) -> Command {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        // The limit is for the build, should it be the first one.
        lab.arg("grade").args(arguments).current_dir(self.folder.path()).timeout(Duration::from_secs(600));
        lab
    }

    fn batch(&self, arguments: &[&str]) -> Command {
        self.grade(&[&["--batch", "all", "--csv", "grades.csv"], arguments].concat())
    }

    /// The cells `verdict`, `points`, `note` and `first failure` of a submission.
    fn row(&self, name: &str) -> [String; 4] {
        let mut table = csv::Reader::from_path(self.path("grades.csv")).unwrap();
        let columns = table.headers().unwrap().clone();
        let row = table.records().map(Result::unwrap).find(|row| &row[0] == name);
        let row = row.unwrap_or_else(|| panic!("{name} is not in the table"));
        ["verdict", "points", "note", "first failure"]
            .map(|column| row[columns.iter().position(|c| c == column).unwrap()].to_owned())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_gone(number: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", number.trim()));
    stat.map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn bad_programs_get_their_verdict_and_disturb_no_other() {
    let all = Submissions::new();
    all.client("right", "python3 client.py {host} {port}");
    all.put("all/right/client.py", CLIENT);
    all.client("hangs", "sleep 1000");
    all.client("floods", "yes");
    let numbers = all.path("numbers");
    all.client("hides", &format!("sh -c 'setsid sleep 1000 & echo $! >> {}; exit 1'", numbers.display()));
    all.client("forks", "sh -c 'for i in $(seq 400); do sleep 1000 & done; wait'");
    all.client("hoards", "python3 -c 'import time; x = bytearray(900 << 20); time.sleep(9)'");
    all.client(
        "writes",
        "sh -c 'for i in $(seq 99); do head -c 10000000 /dev/zero > $TMPDIR/$$-$i; done; sleep 9'",
    );
    all.client("kills", "sh -c 'kill -9 $PPID'");
    let limits = ["--process-limit", "200", "--memory-limit", "768", "--disk-limit", "64", "--jobs", "2"];
    // What cannot be graded is an error, of the whole too.
    let output = all.batch(&limits).assert().code(1).get_output().clone();
    assert!(text(&output.stdout).contains("1 could not be graded"), "{output:?}");

    assert_eq!(all.row("right")[..2], ["passed", "100"]);
    for (name, note) in [("hangs", ""), ("floods", "")] {
        let [verdict, points, said, failed] = all.row(name);
        assert_eq!([verdict.as_str(), &points, &said], ["failed", "0", note], "{name}");
        assert_eq!(failed, "the_client_prints_both_addresses");
    }
    let hides = all.row("hides");
    assert!(hides[0] == "failed" && hides[2].contains("processes behind"), "{hides:?}");
    for (name, why) in [
        ("forks", "it had more than 200 processes at once"),
        ("hoards", "it used more than 768 MiB of memory"),
        ("writes", "it wrote more than 64 MiB"),
    ] {
        assert_eq!(all.row(name)[..3], ["stopped", "0", why]);
    }
    let kills = all.row("kills");
    assert_eq!(kills[..2], ["not graded", ""], "nobody knows what it is worth");
    // The checks; or, when these are dead already, who takes care of their orphans.
    let whom = ["broken off (signal 9)", "came to an early end: signal: 9"];
    assert!(whom.iter().any(|whom| kills[2].contains(whom)), "{kills:?}");
    let numbers = fs::read_to_string(numbers).unwrap();
    assert!(numbers.lines().count() > 1, "{numbers}");
    for number in numbers.lines() {
        assert!(is_gone(number), "process {number} is there still");
    }
}

#[test]
fn points_come_from_the_weights_and_every_output_says_the_same() {
    let all = Submissions::new();
    // Right, but for its end.
    all.put("one/client.py", &format!("{CLIENT}import time\ntime.sleep(60)\n"));
    all.put("weights.toml", "[checks]\n\"*_ends_after_*\" = 3\nthe_client_prints_both_addresses = 1.5\n");
    let client = "python3 client.py {host} {port}";
    let arguments =
        ["one", "--stage", "1", "--client", client, "--points", "20", "--weights", "weights.toml"];
    let outputs = ["--json", "results.json", "--junit", "junit.xml", "--csv", "grades.csv"];
    let output = all.grade(&[&arguments[..], &outputs].concat()).assert().success().get_output().clone();
    let said = text(&output.stdout);
    let failed = "FAILED   the_client_ends_after_connecting\n         expected: client to end within 5s\n";
    assert!(said.contains(failed), "{said}");
    assert!(said.contains("likely cause: The client connects, says so, and is done"), "{said}");

    // 1.5 of what the checks that ran are worth: 1.5 and 3, and each other 1.
    let results: Value = serde_json::from_slice(&fs::read(all.path("results.json")).unwrap()).unwrap();
    let tests = results["tests"].as_array().unwrap();
    let others = tests.len() - 2;
    let passed = tests.iter().filter(|test| test["status"] == "passed").count();
    let points = 20.0 * (1.5 + (passed - 1) as f64) / (4.5 + others as f64);
    let points = (points * 100.0).round() / 100.0;
    assert_eq!(results["score"].as_f64(), Some(points));
    let sum: f64 = tests.iter().map(|test| test["max_score"].as_f64().unwrap()).sum();
    assert!((sum - 20.0).abs() < 0.01, "{sum}");
    let bad = tests.iter().find(|test| test["name"] == "the_client_ends_after_connecting").unwrap();
    assert!(bad["score"] == 0.0 && bad["output"].as_str().unwrap().contains("steps so far"), "{bad}");

    assert_eq!(all.row("one")[..2], ["failed".to_owned(), points.to_string()]);
    let junit = fs::read_to_string(all.path("junit.xml")).unwrap();
    let suite = format!("<testsuite name=\"one\" tests=\"{}\"", tests.len());
    assert!(
        junit.contains(&suite) && junit.contains("<failure message=\"expected: client to end"),
        "{junit}"
    );
}

#[test]
fn a_batch_that_was_interrupted_goes_on_where_it_was() {
    let all = Submissions::new();
    all.client("1-done", "python3 client.py {host} {port}");
    all.put("all/1-done/client.py", CLIENT);
    let number = all.path("number");
    all.client("2-hangs", &format!("sh -c 'echo $$ >> {}; exec sleep 1000'", number.display()));
    all.client("3-waits", "true");
    let mut lab = std::process::Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.args(["grade", "--batch", "all", "--csv", "grades.csv", "--jobs", "1"])
        .current_dir(all.folder.path());
    let lab = lab.env("CHECK_PATIENCE_MS", "60000").stdout(std::process::Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(300);
    while !number.exists() {
        assert!(Instant::now() < deadline, "the second submission was never started");
        std::thread::sleep(Duration::from_millis(20));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&lab), rustix::process::Signal::INT)
        .unwrap();
    let output = lab.wait_with_output().unwrap();
    // As Ctrl-C ends a program.
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(2));
    assert_eq!(all.row("1-done")[0], "passed");
    let table = fs::read_to_string(all.path("grades.csv")).unwrap();
    assert!(!table.contains("2-hangs") && !table.contains("3-waits"), "{table}");
    for number in fs::read_to_string(&number).unwrap().lines() {
        assert!(is_gone(number), "process {number} is there still");
    }

    // Were it graded again, this would be seen: the result is an earlier one.
    let marked = format!("{CLIENT}open({:?}, 'w')\n", all.path("run-again"));
    all.put("all/4-new/client.py", &marked);
    all.client("4-new", "python3 client.py {host} {port}");
    all.client("2-hangs", "true");
    all.batch(&["--jobs", "1"]).assert().success();
    assert!(fs::remove_file(all.path("run-again")).is_ok());
    all.batch(&["--jobs", "1", "--resume"]).assert().success();
    assert!(!all.path("run-again").exists(), "it was graded again");
    assert_eq!(all.row("4-new")[..2], ["passed", "100"]);
    // What has changed is graded again.
    all.put("all/4-new/client.py", "raise SystemExit(1)\n");
    all.batch(&["--jobs", "1", "--resume"]).assert().success();
    assert_eq!(all.row("4-new")[..2], ["failed", "0"]);
}

/// Copies our own source of stage 1 into a submission.
fn our_stage_1(all: &Submissions, name: &str) {
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
    let assert = all.batch(&["--jobs", "1", "--build-limit", "40"]).assert().code(1);
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
    assert!(note.contains("it took longer than 40 s"), "{note}");
    let [verdict, points, note, _] = all.row("6-unchanged");
    assert_eq!([verdict.as_str(), &points], ["not graded", ""]);
    assert!(note.contains("no stage's src differs from ours"), "{note}");
}

/// The names of the checks that passed, and of those that failed, as `make check` has them.
fn checked(command: &str) -> [Vec<String>; 2] {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.args(["check", "4", "--", "--format", "json"]).env("STAGE4_SERVER", command);
    let output = lab.timeout(Duration::from_secs(600)).output().unwrap();
    let events: Vec<Value> =
        text(&output.stdout).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    ["ok", "failed"].map(|outcome| {
        let tests = events.iter().filter(|event| event["type"] == "test" && event["event"] == outcome);
        let mut names: Vec<_> = tests.map(|event| event["name"].as_str().unwrap().to_owned()).collect();
        names.sort_unstable();
        names
    })
}

/// All checks of stage 4, four times: a minute and more.
#[test]
#[ignore = "takes minutes; the continuous integration runs it"]
fn a_server_in_python_gets_the_same_verdict_as_by_make_check() {
    let all = Submissions::new();
    let server = lab::workspace::root().join("common/testkit/servers/stage4.py");
    for fault in ["", "--fault strips-spaces"] {
        let command = format!("python3 '{}' --host {{host}} --port {{port}} {fault}", server.display());
        let mut lab = all.grade(&["--stage", "4", "--server", &command, "--json", "results.json"]);
        lab.assert().success();
        let results: Value = serde_json::from_slice(&fs::read(all.path("results.json")).unwrap()).unwrap();
        let graded = ["passed", "failed"].map(|status| {
            let tests = results["tests"].as_array().unwrap().iter().filter(|test| test["status"] == status);
            let mut names: Vec<_> = tests.map(|test| test["name"].as_str().unwrap().to_owned()).collect();
            names.sort_unstable();
            names
        });
        assert_eq!(graded, checked(&command));
        assert_eq!(graded[1].is_empty(), fault.is_empty());
    }
}

#[test]
fn what_cannot_be_graded_is_said_in_one_line() {
    let all = Submissions::new();
    all.put("empty/notes.txt", "later");
    all.put("vague/grade.toml", "server = 'true'\n");
    all.put("typing-error/grade.toml", "stage = 1\nservr = 'true'\n");
    all.put("weights.toml", "[checks]\nno_such_check = 2\n");
    for (arguments, error) in [
        (&[][..], "what is to be graded? lab grade DIR, or lab grade --batch FOLDER"),
        (&["nowhere"], "there is no folder nowhere"),
        (&["--batch", "empty"], "there are no folders in "),
        (&["empty"], "which is to be graded? give --stage N"),
        (&["empty", "--stage", "1"], "there is neither stage1-handshake/src nor src nor grade.toml in it"),
        (&["empty", "--stage", "99"], "no stage '99'; there are: 1 2 3"),
        (&["vague"], "which stage? give --stage N"),
        (&["typing-error"], "unknown field `servr`"),
        (&["--server", "true"], "which stage?"),
        (
            &["empty", "--stage", "1", "--server", "true", "--csv", "nowhere/x.csv"],
            "there is no folder nowhere",
        ),
        (
            &["empty", "--stage", "1", "--server", "true", "--weights", "weights.toml"],
            "no check is called no_such_check",
        ),
    ] {
        let output = all.grade(arguments).assert().code(2).get_output().clone();
        let said = text(&output.stderr);
        assert!(said.contains("error: ") && said.contains(error), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
