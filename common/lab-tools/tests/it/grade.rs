//! `lab grade` on submissions that are right, wrong, and worse than wrong.
//!
//! Those that need no compiler are clients of stage 1 in a line of shell or
//! Python: its checks of a client take a second. Those that do share one build.

mod hostile;
mod results;
mod source;
mod templates;

use assert_cmd::Command;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
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
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab-tools"));
        // The limit is for the build, should it be the first one.
        lab.arg("grade").args(arguments).current_dir(self.folder.path()).timeout(Duration::from_secs(600));
        lab
    }

    fn batch(&self, arguments: &[&str]) -> Command {
        self.grade(&[&["--batch", "all", "--csv", "grades.csv"], arguments].concat())
    }

    /// It is said in one line that this cannot be graded, and why.
    fn refuses(&self, arguments: &[&str], error: &str) {
        let output = self.grade(arguments).assert().code(2).get_output().clone();
        let said = text(&output.stderr);
        assert!(said.contains("error: ") && said.contains(error), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
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
#[ignore = "self-test of the course: make test-course"]
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
    // Between it and the checks is the shell that runs the command. The checks start it
    // several times: when they are dead, its grandparent is another process.
    all.client(
        "kills",
        "sh -c 'p=$(cut -d\" \" -f4 /proc/$PPID/stat); grep -q ^stage /proc/$p/comm && kill -9 $p'",
    );
    let limits = ["--process-limit", "200", "--memory-limit", "768", "--disk-limit", "64", "--jobs", "2"];
    // What cannot be graded is an error, of the whole too. A slow machine is to come
    // to what each of them is up to.
    let output = all.batch(&limits).env("CHECK_PATIENCE_MS", "8000").assert().code(1).get_output().clone();
    assert!(text(&output.stdout).contains("1 could not be graded"), "{output:?}");

    assert_eq!(all.row("right")[..2], ["passed", "100"]);
    for name in ["hangs", "floods"] {
        let [verdict, points, _, failed] = all.row(name);
        assert_eq!([verdict.as_str(), &points], ["failed", "0"], "{name}");
        assert_eq!(failed, "the_client_prints_both_addresses");
    }
    let hides = all.row("hides");
    assert!(hides[0] == "failed" && hides[2].contains("processes behind"), "{hides:?}");
    for (name, why) in [
        ("forks", "it had more than 200 processes at once"),
        ("hoards", "it used more than 768 MiB of memory"),
        ("writes", "it wrote more than 64 MiB"),
    ] {
        let [verdict, points, note, _] = all.row(name);
        assert_eq!([verdict.as_str(), &points], ["stopped", "0"], "{name}: {note}");
        assert!(note.starts_with(why), "{name}: {note}");
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

/// A server that does not start fails one check; the others wait for it.
#[test]
#[ignore = "self-test of the course: make test-course"]
fn the_cause_of_a_zero_stands_in_the_note() {
    let all = Submissions::new();
    let server = |name: &str, command: &str| {
        all.put(&format!("all/{name}/grade.toml"), &format!("stage = 4\nserver = '''{command}'''\n"));
    };
    all.put("all/not executable/server", "#!/bin/sh\n");
    server("not executable", "./server {host} {port}");
    server("no such command", "./service {host} {port}");
    server("traceback", "python3 -c 'import nothing_of_that_name' {host} {port}");
    server("hängt", "sleep 1000");
    let fixed = "import socket, time; s = socket.create_server((\"127.0.0.1\", 0)); time.sleep(99)";
    server("fixed port", &format!("python3 -c '{fixed}'"));
    all.put("all/dora.tar.gz", "not unpacked");
    all.put("all/last-year.csv", "the grader's own");
    let output = all.batch(&["--jobs", "4"]).assert().code(1).get_output().clone();
    assert!(text(&output.stdout).contains("1 could not be graded"), "{output:?}");
    for (name, why) in [
        ("not executable", "the file cannot be executed (exit code 126): chmod +x"),
        ("no such command", "there is no such command (exit code 127)"),
        ("traceback", "No module named 'nothing_of_that_name'"),
        ("hängt", "it runs, but does not listen on any port"),
        ("fixed port", "the command gets {host} and {port} filled in"),
    ] {
        let [verdict, points, note, failed] = all.row(name);
        assert_eq!([verdict.as_str(), &points], ["failed", "0"], "{name}: {note}");
        assert!(note.contains(why), "{name}: {note}");
        assert_eq!(failed, "the_server_starts_listens_and_accepts");
    }
    let [verdict, points, note, _] = all.row("dora.tar.gz");
    assert_eq!([verdict.as_str(), &points], ["not graded", ""]);
    assert!(note.contains("unpack it into a folder of its own"), "{note}");
    let table = fs::read_to_string(all.path("grades.csv")).unwrap();
    assert!(!table.contains("last-year") && table.lines().count() == 7, "{table}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_batch_in_which_nobody_has_points_has_an_average_of_zero() {
    let all = Submissions::new();
    all.client("silent", "true");
    let said = text(&all.batch(&[]).assert().code(0).get_output().stdout);
    assert!(said.contains("1 graded, 0.00 points of 100 on average"), "{said}");
}

#[test]
fn what_cannot_be_graded_is_said_in_one_line() {
    let all = Submissions::new();
    all.put("empty/notes.txt", "later");
    all.put("vague/grade.toml", "server = 'true'\n");
    all.put("typing-error/grade.toml", "stage = 1\nservr = 'true'\n");
    for (arguments, error) in [
        (&[][..], "what is to be graded? make grade DIR, or make grade ARGS=\"--batch FOLDER\""),
        (&["nowhere"], "there is no folder nowhere"),
        (&["--batch", "empty"], "there are no folders in "),
        (&["empty"], "which is to be graded? give --stage N"),
        (&["empty", "--stage", "1"], "there is neither stage1-handshake/src nor src nor grade.toml in it"),
        (&["empty", "--stage", "99"], "no stage '99'; there are: 1 2 3"),
        (&["vague"], "which stage? give --stage N"),
        (&["typing-error"], "unknown field `servr`"),
        (&["--server", "true"], "which stage?"),
        (&["--batch", ".", "--again", "anna"], "--again anna: there is no such folder in "),
        (&["empty", "--stage", "1", "--moodle", "x.csv", "--students", "empty/notes.txt"], "--students: "),
        (
            &["empty", "--stage", "1", "--canvas", "x.csv", "--students", "nowhere.csv"],
            "nowhere.csv: cannot be read",
        ),
        (&["--stage", "1", "--client", " "], "--client is empty: name a command, or leave it out"),
        (
            &["empty", "--stage", "1", "--server", "true", "--csv", "nowhere/x.csv"],
            "there is no folder nowhere",
        ),
    ] {
        all.refuses(arguments, error);
    }
}

/// Which checks there are only their program knows, which is built for that.
#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_weight_for_a_check_that_no_stage_has_is_an_error() {
    let all = Submissions::new();
    all.put("some/notes.txt", "later");
    all.put("weights.toml", "[checks]\nno_such_check = 2\n");
    let arguments = ["some", "--stage", "1", "--server", "true", "--weights", "weights.toml"];
    all.refuses(&arguments, "no check is called no_such_check");
}
