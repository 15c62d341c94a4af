//! What is written about submissions, and what becomes of it when a run ends
//! before all of them are graded.

use super::{CLIENT, Submissions, is_gone, text};
use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};

#[test]
#[ignore = "self-test of the course: make test-course"]
fn points_come_from_the_weights_and_every_output_says_the_same() {
    let all = Submissions::new();
    // Right, but for its end.
    all.put("one/client.py", &format!("{CLIENT}import time\ntime.sleep(60)\n"));
    all.put("weights.toml", "[checks]\n\"*_ends_after_*\" = 3\nthe_client_prints_both_addresses = 1.5\n");
    let client = "python3 client.py {host} {port}";
    let arguments =
        ["one", "--stage", "1", "--client", client, "--points", "20", "--weights", "weights.toml"];
    all.put("students.csv", "submission,Email address\none,anna@example.org\n");
    let outputs = ["--json", "results.json", "--junit", "junit.xml", "--csv", "grades.csv"];
    let moodle = ["--students", "students.csv", "--moodle", "import.csv", "--column", "Handshake"];
    let output =
        all.grade(&[&arguments[..], &outputs, &moodle].concat()).assert().success().get_output().clone();
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

    let feedback = ["--feedback", "pages", "--detail", "name"];
    all.grade(&[&arguments[..], &feedback].concat()).assert().success();
    let import = fs::read_to_string(all.path("import.csv")).unwrap();
    let start = format!("Email address,Handshake,Handshake feedback\nanna@example.org,{points},");
    assert!(import.starts_with(&start), "{import}");
    let page = fs::read_to_string(all.path("pages/one.md")).unwrap();
    assert!(
        page.contains("## the_client_ends_after_connecting\n") && !page.contains("likely cause"),
        "{page}"
    );

    assert_eq!(all.row("one")[..2], ["failed".to_owned(), points.to_string()]);
    let junit = fs::read_to_string(all.path("junit.xml")).unwrap();
    let suite = format!("<testsuite name=\"one\" tests=\"{}\"", tests.len());
    assert!(
        junit.contains(&suite) && junit.contains("<failure message=\"expected: client to end"),
        "{junit}"
    );
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_batch_that_was_interrupted_goes_on_where_it_was() {
    let all = Submissions::new();
    all.client("1-done", "python3 client.py {host} {port}");
    all.put("all/1-done/client.py", CLIENT);
    let number = all.path("number");
    all.client("2-hangs", &format!("sh -c 'echo $$ >> {}; exec sleep 1000'", number.display()));
    all.client("3-waits", "true");
    let mut lab = std::process::Command::new(env!("CARGO_BIN_EXE_lab-tools"));
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
    // One that is named is graded anew, and the others are in the table all the same.
    all.batch(&["--jobs", "1", "--again", "4-new"]).assert().success();
    assert!(fs::remove_file(all.path("run-again")).is_ok(), "it was not graded again");
    assert_eq!(all.row("1-done")[..2], ["passed", "100"]);
    // What has changed is graded again.
    all.put("all/4-new/client.py", "raise SystemExit(1)\n");
    all.batch(&["--jobs", "1", "--resume"]).assert().success();
    assert_eq!(all.row("4-new")[..2], ["failed", "0"]);
}

/// The names of the checks that passed, and of those that failed, as `make check` has them.
fn checked(command: &str) -> [Vec<String>; 2] {
    let mut lab = Command::from_std(lab::workspace::cargo());
    lab.args(["run", "-q", "-p", "lab", "--", "check", "4", "--", "--format", "json"]);
    lab.env("STAGE4_SERVER", command);
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
#[ignore = "self-test of the course: make test-course"]
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
