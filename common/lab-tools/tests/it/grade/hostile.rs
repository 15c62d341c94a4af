//! Submissions that attack their grader: through names, through what they print, and
//! through what they do. Each has a verdict that says what it is, nothing of them
//! drives a terminal, a spreadsheet or a browser, and nothing of them stays behind.

use super::{CLIENT, Submissions, is_gone, text};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command as Program;

/// Names of folders: they drive a terminal, forge a line, are a formula or markup, look
/// like another name, are as long as a name can be, or are no text.
const NAMES: [&[u8]; 9] = [
    b"colour\x1b[31m",
    b"clipboard\x1b]52;c;aGVsbG8=\x07",
    b"two\nanna,100",
    b"=cmd|' -C calc'!A0",
    b"<img src=x onerror=alert(1)>",
    "reversed\u{202e}001".as_bytes(),
    "tagged\u{e0041}\u{200b}".as_bytes(),
    &[b'x'; 255],
    b"caf\xe9",
];

/// A client that prints 100 MB, drives terminals, leaves behind a process that ignores
/// SIGTERM, goes elsewhere, and destroys the folder that it runs in.
const ATTACKER: &str = r#"
import os, shutil, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
here = os.getcwd()
os.chdir("/")
if os.fork() == 0:
    os.setsid()
    with open(NUMBERS, "a") as numbers:
        numbers.write("%d\n" % os.getpid())
    os.close(1)
    os.close(2)
    time.sleep(1000)
shutil.rmtree(here)
try:
    for _ in range(100):
        sys.stdout.buffer.write(b"\x1b]52;c;aGVsbG8=\x07<script>alert(1)</script>\r" * 25000)
except BrokenPipeError:
    pass
sys.stderr.write("\n\x1b[2J=cmd()\u202e<script>alert(2)</script> ![x](http://192.0.2.1/)\n")
"#;

/// What no output may have, whatever it is for.
#[track_caller]
fn is_harmless(place: &Path, text: &str) {
    let is_raw = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{e0000}'..='\u{e0fff}')
    };
    assert!(!text.contains(is_raw), "{}: {:?}", place.display(), text.chars().find(|c| is_raw(*c)));
    assert!(!text.contains("the instructor's own"), "{}", place.display());
}

/// The files below `folder`, with their text.
fn files(folder: &Path) -> Vec<(std::path::PathBuf, String)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn what_attacks_the_grader_gets_a_verdict_and_nothing_else() {
    let all = Submissions::new();
    let outside = all.path("outside");
    all.put("outside/src/secret.rs", "the instructor's own");
    for name in NAMES {
        fs::create_dir_all(all.path("all").join(OsStr::from_bytes(name))).unwrap();
    }
    all.client("right", "python3 client.py {host} {port}");
    all.put("all/right/client.py", CLIENT);
    all.client("attacks", "python3 client.py {host} {port}");
    let numbers = all.path("numbers");
    all.put("all/attacks/client.py", &ATTACKER.replace("NUMBERS", &format!("{numbers:?}")));
    // Their own command line is wrong, and the error would repeat it.
    all.put("all/escapes/grade.toml", "\"\\u001b]52;c;aGVsbG8=\\u0007 \\u202e <script>\" = 1\n");
    // Holes: more than any memory has, and more than is copied.
    for (path, bytes) in [("all/hollow/grade.toml", 1 << 40), ("all/large/data", 1 << 30)] {
        all.put(path, "");
        File::options().write(true).open(all.path(path)).unwrap().set_len(bytes).unwrap();
    }
    all.client("large", "true");
    all.put("all/bomb.zip", "PK");
    fs::create_dir_all(all.path("all/piped")).unwrap();
    assert!(Program::new("mkfifo").arg(all.path("all/piped/grade.toml")).status().unwrap().success());
    fs::create_dir_all(all.path("all/linked/stage1-handshake")).unwrap();
    symlink(outside.join("src"), all.path("all/linked/stage1-handshake/src")).unwrap();
    fs::create_dir_all(all.path("all/led-out")).unwrap();
    symlink(&outside, all.path("all/led-out/stage1-handshake")).unwrap();
    symlink(&outside, all.path("all/itself-a-link")).unwrap();

    let temporary = all.path("t");
    fs::create_dir(&temporary).unwrap();
    let outputs = ["--json", "json", "--junit", "junit.xml", "--feedback", "pages"];
    let mut lab = all.batch(&outputs);
    let output = lab.env("TMPDIR", &temporary).assert().code(1).get_output().clone();

    let said = text(&output.stdout) + &text(&output.stderr);
    is_harmless(Path::new("terminal"), &said);
    let mut written = files(&all.path("json"));
    written.extend(files(&all.path("pages")));
    for (path, text) in &written {
        is_harmless(path, text);
        is_harmless(path, path.to_str().unwrap());
    }
    for file in ["junit.xml", "grades.csv"] {
        is_harmless(Path::new(file), &fs::read_to_string(all.path(file)).unwrap());
    }
    // A page each, and one for the class.
    let count = NAMES.len() + 10;
    assert_eq!(written.len(), count * 2 + 1, "{said}");
    let table = csv::Reader::from_path(all.path("grades.csv")).unwrap().into_records();
    let rows: Vec<_> = table.map(Result::unwrap).collect();
    assert_eq!(rows.len(), count, "{said}");
    for cell in rows.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '-', '@']), "a formula: {cell}");
    }

    assert_eq!(all.row("right")[..2], ["passed", "100"]);
    let [verdict, points, note, failed] = all.row("attacks");
    assert_eq!([verdict.as_str(), &points], ["failed", "0"], "{note}");
    assert!(note.contains("processes behind"), "{note}");
    assert_eq!(failed, "the_client_prints_both_addresses");
    // What it has printed is code for whoever shows the page, and no markup.
    let page = fs::read_to_string(all.path("pages/attacks.md")).unwrap();
    let markup: Vec<_> = page.lines().filter(|line| line.contains("<script>")).collect();
    assert!(!markup.is_empty() && markup.iter().all(|line| line.starts_with("    ")), "{page}");
    let class = fs::read_to_string(all.path("pages/class.html")).unwrap();
    assert!(!class.contains("<script") && !class.contains("<img"), "{class}");
    for (name, why) in [
        ("escapes", "unknown field `\\x1b]52;c;aGVsbG8=\\x07 \\u{202e} <script>`"),
        ("hollow", "grade.toml is larger than 16 MiB"),
        ("large", "is larger than 20000 files or 256 MiB"),
        ("bomb.zip", "unpack it into a folder of its own"),
        ("piped", "it is no plain file"),
        ("linked", "links are not followed"),
        ("led-out", "links are not followed"),
        ("itself-a-link", "links are not followed"),
        ("caf\\xe9", "no stage's src differs from ours"),
        ("'=cmd|' -C calc'!A0", "no stage's src differs from ours"),
    ] {
        let [verdict, points, note, _] = all.row(name);
        assert_eq!([verdict.as_str(), &points], ["not graded", ""], "{name}: {note}");
        assert!(note.contains(why), "{name}: {note}");
    }

    // The submission itself, and what is outside of it, is as it was; nothing runs on.
    assert!(all.path("all/attacks/client.py").exists());
    assert_eq!(fs::read_to_string(outside.join("src/secret.rs")).unwrap(), "the instructor's own");
    let numbers = fs::read_to_string(numbers).unwrap();
    assert!(!numbers.is_empty());
    for number in numbers.lines() {
        assert!(is_gone(number), "process {number} is there still");
    }
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}
