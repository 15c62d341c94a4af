//! The commands of the book do what the text beside them says.
//!
//! A page marks what can be run unattended, in comments that no reader sees:
//!
//! - `<!-- run -->`: the block of code that follows is run by a shell. Of it a line
//!   that starts a server runs until the end of the page, and a client beside which
//!   a comment says what the reader types is left out.
//! - `<!-- run: COMMAND -->`: what the text asks the reader to type.
//! - `<!-- file: NAME -->`: the block that follows is this file.
//! - `<!-- shows: TEXT -->`: what has run has printed this, behind what the one before
//!   has found.
//!
//! A page is run in an empty folder, with the addresses of a network of its own:
//! 127.A.B.C is this machine, too, and no other test listens there.

use lab::registry::Registry;
use lab::workspace::root;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// For one command; the first of a stage has a build before it.
const LIMIT: Duration = Duration::from_secs(300);
/// What the pages' commands use, and where it may be missing.
const TOOLS: [&str; 7] = ["nc", "ss", "xxd", "openssl", "sqlite3", "python3", "tshark"];

enum Step {
    Run(String),
    File(String, String),
    Shows(String),
}

/// The steps of a page, in their order.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(mark) = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) else {
            continue;
        };
        match mark.split_once(": ").unwrap_or((mark, "")) {
            ("run", "") => steps.push(Step::Run(block(&mut lines))),
            ("run", command) => steps.push(Step::Run(command.to_owned())),
            ("file", name) => steps.push(Step::File(name.to_owned(), block(&mut lines))),
            ("shows", text) => steps.push(Step::Shows(text.to_owned())),
            _ => {}
        }
    }
    steps
}

/// The next block of code, indented or between fences.
fn block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut lines = lines.skip_while(|line| line.is_empty());
    let first = lines.next().unwrap();
    let mut text = String::new();
    if first.starts_with("```") {
        lines.take_while(|line| *line != "```").for_each(|line| text += &format!("{line}\n"));
    } else {
        let indented = std::iter::once(first).chain(lines).map_while(|line| line.strip_prefix("    "));
        indented.for_each(|line| text += &format!("{line}\n"));
    }
    assert!(!text.is_empty(), "there is no block of code at {first:?}");
    text
}

/// A folder in which the book's commands run.
struct Desk {
    folder: TempDir,
    /// In the place of 127.0.0.1.
    address: String,
    servers: Vec<Child>,
    /// Shells that have left something running; each leads a process group.
    groups: Vec<Pid>,
    shown: String,
}

impl Desk {
    fn new(page: u8) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let number = std::process::id() % 60_000;
        let address = format!("127.{}.{}.{}", 100 + page, number / 250, 1 + number % 250);
        let desk = Desk { folder, address, servers: Vec::new(), groups: Vec::new(), shown: String::new() };
        fs::create_dir(desk.path("bin")).unwrap();
        let (lab, address, folder) = (env!("CARGO_BIN_EXE_lab"), &desk.address, desk.folder.path().display());
        // Programs of the stages and `make server 6 ARGS="…"`, in this folder, and at our
        // address where none is named.
        let ours = |port: &str| {
            format!(
                r#"case "$goal $*" in
  *--listen*|*--connect*) ;;
  server*) set -- --listen {address}:900{port} "$@" ;;
  client*) set -- --connect {address}:900{port} "$@" ;;
esac"#
            )
        };
        let make = format!(
            r#"goal=$1 stage=$2; eval "set -- ${{3#ARGS=}}"
{}
case $goal in
  server|client|admin) exec '{lab}' $goal $stage -- "$@" ;;
  run-stage) goal=run ;;
esac
exec '{lab}' $goal $stage "$@""#,
            ours("$stage")
        );
        desk.program("bin/make", &make);
        let cargo = env!("CARGO");
        let manifest = root().join("Cargo.toml");
        let cargo =
            format!(r#"goal=$1; shift; exec '{cargo}' $goal --manifest-path '{}' "$@""#, manifest.display());
        desk.program("bin/cargo", &cargo);
        // Other tests run servers of the same name.
        let pidof = format!(
            r#"for id in $(ps -C "$1" -o pid=); do [ "$(readlink /proc/$id/cwd)" != '{folder}' ] || echo $id; done"#
        );
        desk.program("bin/pidof", &pidof);
        let built = Path::new(lab).parent().unwrap();
        fs::create_dir_all(desk.path("target/debug")).unwrap();
        let stages = Registry::load().stages;
        let programs = stages.iter().flat_map(|stage| stage.programs.iter().map(String::as_str));
        for program in programs.chain(["stage3-experiments", "stage8-certs"]) {
            let (stage, goal) = program.strip_prefix("stage").unwrap().split_once('-').unwrap();
            let run = format!("goal={goal}\n{}\nexec '{}/{program}' \"$@\"", ours(stage), built.display());
            desk.program(&format!("target/debug/{program}"), &run);
        }
        desk
    }

    fn program(&self, name: &str, script: &str) {
        fs::write(self.path(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn shell(&self, script: &str) -> Command {
        let mut shell = Command::new("bash");
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let script = script.replace("127.0.0.1", &self.address);
        let script = script.replace("localhost:", &format!("{}:", self.address));
        shell.args(["-ec", &script]).env("PATH", path);
        shell.env_remove("CHAT_DB").env_remove("CHAT_PASSWORD").current_dir(self.folder.path());
        shell
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.path(name), text.replace("127.0.0.1", &self.address)).unwrap();
    }

    fn run(&mut self, script: &str) {
        let alone = |line: &&str| !(line.starts_with("make client ") && line.contains(" # "));
        let (servers, rest): (Vec<_>, Vec<_>) =
            script.lines().filter(alone).partition(|line| is_server(line));
        servers.into_iter().for_each(|line| self.start(line));
        let mut child = self
            .shell(&rest.join("\n"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .process_group(0)
            .spawn()
            .unwrap();
        if script.trim_end().ends_with('&') {
            self.groups.push(Pid::from_child(&child));
        }
        let mut output = child.stdout.take().unwrap();
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            output.read_to_end(&mut bytes).map(|_| String::from_utf8_lossy(&bytes).into_owned())
        });
        let deadline = Instant::now() + LIMIT;
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not end: {script}");
            thread::sleep(Duration::from_millis(20));
        }
        self.shown = reader.join().unwrap().unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "{status}: {script}\n{}", self.shown);
    }

    /// Starts a server, or what stands between it and its clients, and waits until it
    /// listens.
    fn start(&mut self, line: &str) {
        // `exec`, so that there is one process to be ended.
        let mut command = self.shell(&format!("exec {line}"));
        let errors = fs::File::options().create(true).append(true).open(self.path("errors")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        self.servers.push(command.spawn().unwrap());
        let deadline = Instant::now() + LIMIT;
        while self.listening() < self.servers.len() {
            assert!(Instant::now() < deadline, "it does not listen: {line}");
            let ended = self.servers.last_mut().unwrap().try_wait().unwrap();
            let said = || fs::read_to_string(self.path("errors")).unwrap_or_default();
            assert!(ended.is_none(), "it has ended: {line}\n{}", said());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// How many sockets listen at our address (proc(5), `/proc/net/tcp`: the address
    /// in hexadecimal, its bytes backwards; state 0A).
    fn listening(&self) -> usize {
        let mut address = String::new();
        for byte in self.address.split('.').rev() {
            write!(address, "{:02X}", byte.parse::<u8>().unwrap()).unwrap();
        }
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let listens = |line: &&str| line.contains(&format!(" {address}:")) && line.contains(" 0A ");
        table.lines().filter(listens).count()
    }
}

fn is_server(line: &str) -> bool {
    [
        "make server ",
        "python3 tap.py",
        "target/debug/stage8-server ",
        "cargo run -q -p stage4-multichat --example naive",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

impl Drop for Desk {
    fn drop(&mut self) {
        for group in &self.groups {
            let _ = kill_process_group(*group, Signal::KILL);
        }
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Runs the marked steps of a page; how many there were.
fn run_page(path: &Path, number: u8) -> usize {
    let steps = steps(&fs::read_to_string(path).unwrap());
    let mut desk = Desk::new(number);
    let (mut shown, mut from) = (String::new(), 0);
    for step in &steps {
        match step {
            Step::File(name, text) => desk.file(name, text),
            Step::Run(script) => {
                desk.run(script);
                shown += &desk.shown;
            }
            Step::Shows(text) => {
                let at = shown[from..].find(text.as_str());
                let at =
                    at.unwrap_or_else(|| panic!("{}: no {text:?} in:\n{}", path.display(), &shown[from..]));
                from += at + text.len();
            }
        }
    }
    steps.len()
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn the_commands_of_the_book_do_what_it_says() {
    let is_there = |tool: &&str| !Command::new(tool).arg("--version").output().is_err_and(is_missing);
    if let Some(missing) = TOOLS.iter().find(|tool| !is_there(tool)) {
        // A student's machine may lack it; where the course is tested, nothing may be left out.
        assert!(std::env::var_os("CHAT_CI").is_none(), "{missing} is missing: make doctor");
        println!("not run: {missing} is missing");
        return;
    }
    let mut pages: Vec<_> =
        fs::read_dir(root().join("docs/src")).unwrap().map(|page| page.unwrap().path()).collect();
    pages.sort();
    let run = pages.iter().enumerate().filter(|(_, page)| page.extension().is_some_and(|end| end == "md"));
    let steps: usize = run.map(|(number, page)| run_page(page, u8::try_from(number).unwrap())).sum();
    assert!(steps > 10, "are the marks still there?");
}

#[allow(clippy::needless_pass_by_value, reason = "as `is_err_and` wants it")]
fn is_missing(error: std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}
