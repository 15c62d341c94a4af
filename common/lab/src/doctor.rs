//! `lab doctor`: what is missing on this machine, and the command that installs it.

mod packages;
mod system;

use crate::say;
use packages::PackageManager;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use system::{disk, open_files, rust};

/// Stage 4 holds 10,000 clients; a few files more are open besides.
const MANY_FILES: u64 = 10_100;

/// Enough for everything but that.
const SOME_FILES: u64 = 1024;

/// Programs that are looked for and never run: they have no `--version`, or do
/// more than to print it.
const ASKED_NOTHING: [&str; 5] = ["mariadb-install-db", "my_print_defaults", "nc", "xxd", "chromium"];

/// How a missing thing matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Needed,
    Optional,
}

struct Finding {
    what: &'static str,
    weight: Weight,
    /// What was found, or the command that installs it.
    state: Result<String, String>,
    /// What it is for.
    purpose: &'static str,
}

/// What a user may want to do, and what that takes.
struct Goal {
    what: &'static str,
    findings: Vec<Finding>,
}

/// Prints the findings. Returns `true` if everything needed is there.
pub fn run() -> bool {
    let goals = examine(&PackageManager::detect());
    for goal in &goals {
        say!("{}", goal.what);
        goal.findings.iter().for_each(print);
    }
    let findings = || goals.iter().flat_map(|goal| &goal.findings);
    let lacks = |weight| findings().filter(|f| f.weight == weight && f.state.is_err()).count();
    match (lacks(Weight::Needed), lacks(Weight::Optional)) {
        (0, 0) => say!("\nEverything is there."),
        (0, n) => say!("\nEverything needed is there; {n} optional missing."),
        (n, _) => say!("\nMissing and needed: {n}. The commands above install it."),
    }
    lacks(Weight::Needed) == 0
}

fn print(finding: &Finding) {
    match &finding.state {
        Ok(found) => say!("  ok        {:<20} {found}", finding.what),
        Err(mend) => {
            let mark = if finding.weight == Weight::Needed { "MISSING" } else { "optional" };
            say!("  {mark:<9} {:<20} {}", finding.what, finding.purpose);
            say!("{:<32} {mend}", "");
        }
    }
}

fn examine(packages: &PackageManager) -> Vec<Goal> {
    use Weight::{Needed, Optional};
    let program = |what, weight, names: &[&str], package, purpose| Finding {
        what,
        weight,
        state: first_version(names).ok_or_else(|| packages.install(package)),
        purpose,
    };
    let optional = |what: &'static str, purpose| program(what, Optional, &[what], what, purpose);
    let mariadb =
        |what| program(what, Optional, &[what], "mariadb", "the MariaDB store's tests; make cluster");
    let goal = |what, findings| Goal { what, findings };
    vec![
        goal(
            "Run the stages and check them",
            vec![
                rust(),
                program(
                    "C compiler",
                    Needed,
                    &["cc", "gcc", "clang"],
                    "cc",
                    "links every program, builds SQLite",
                ),
                program("make", Needed, &["make"], "make", "the course's commands"),
                program(
                    "python3",
                    Needed,
                    &["python3"],
                    "python3",
                    "the checks start servers written in Python",
                ),
                open_files(SOME_FILES, Needed, "open files", "every client is an open file"),
                disk(),
            ],
        ),
        goal(
            "Follow the chapters",
            vec![
                optional("nc", "stages 1 to 4: a client and a server by hand"),
                optional("ss", "stage 1: the sockets of this machine"),
                optional("strace", "stages 2 and 4: the system calls of a server"),
                optional("xxd", "stages 2 and 5: bytes as hex"),
                optional("openssl", "stages 5 and 8: ciphers and certificates by hand"),
                optional("sqlite3", "stages 6 to 8: a look into the database"),
                optional("tshark", "make wire: its captures, read by Wireshark"),
                open_files(MANY_FILES, Optional, "many open files", "stage 4 with 10,000 clients"),
            ],
        ),
        goal(
            "Stages 6 to 8 on MariaDB",
            vec![mariadb("mariadbd"), mariadb("mariadb-install-db"), mariadb("my_print_defaults")],
        ),
        goal(
            "Several servers, and figures beside Redis",
            vec![optional("redis-server", "make cluster; the performance page")],
        ),
        goal(
            "Build and test the course itself",
            vec![
                optional("git", "what `make start` and `make grade` take the course's files from"),
                pyhpke(),
                optional("mdbook", "only for MDBOOK=mdbook: else `make book` builds its own"),
                program(
                    "chromium",
                    Optional,
                    &["chromium", "chromium-browser", "google-chrome"],
                    "chromium",
                    "the book's pages, looked at by a browser",
                ),
            ],
        ),
    ]
}

/// Another implementation of HPKE, which stage 8 is held against.
fn pyhpke() -> Finding {
    let python = env::var("CHAT_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let asked = Command::new(&python).args(["-c", "import pyhpke"]).stdin(Stdio::null()).output();
    let state = match asked {
        Ok(output) if output.status.success() => Ok(format!("in {python}")),
        _ => Err("python3 -m venv target/python && target/python/bin/pip install pyhpke==0.6.5; \
                  export CHAT_PYTHON=$PWD/target/python/bin/python3"
            .to_owned()),
    };
    Finding {
        what: "pyhpke",
        weight: Weight::Optional,
        state,
        purpose: "stage 8's private messages beside another implementation",
    }
}

/// The first of `names` that is installed, with what it says of its version.
fn first_version(names: &[&str]) -> Option<String> {
    let path = names.iter().find_map(|name| find(name))?;
    // Only what is known to print its version and do nothing else is asked:
    // mariadb-install-db takes `--version` for nothing special, and installs.
    let asked = path.file_name().is_some_and(|name| !ASKED_NOTHING.iter().any(|n| name == *n));
    let said = if asked { version(&path) } else { None };
    Some(said.unwrap_or_else(|| path.display().to_string()))
}

/// Like `which`, and in the administrator's folders too: servers live there,
/// and an ordinary user's path often leaves them out.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(more).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
