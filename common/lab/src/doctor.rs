//! `lab doctor`: what is missing on this machine, and the command that mends it.

mod packages;

use crate::say;
use crate::workspace::root;
use packages::{Package, PackageManager};
use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a full build of the workspace with its tests takes, and some air.
const DISK_BYTES: u64 = 4 << 30;

/// Stage 4 holds 10,000 clients; a few files more are open besides.
const MANY_FILES: u64 = 10_100;

/// Enough for everything but that.
const SOME_FILES: u64 = 1024;

/// Programs that are looked for and never run.
const ASKED_NOTHING: [&str; 2] = ["mariadb-install-db", "my_print_defaults"];

/// How a missing thing matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Needed,
    Optional,
}

struct Finding {
    what: &'static str,
    weight: Weight,
    /// What was found, or the command that mends its lack.
    state: Result<String, String>,
    /// What it is for.
    purpose: &'static str,
}

/// Prints the findings; whether everything needed is there.
pub fn run() -> bool {
    let findings = examine(&PackageManager::here());
    for finding in &findings {
        print(finding);
    }
    let lacks = |weight| findings.iter().filter(|f| f.weight == weight && f.state.is_err()).count();
    match (lacks(Weight::Needed), lacks(Weight::Optional)) {
        (0, 0) => say!("\nEverything is there."),
        (0, n) => say!("\nEverything needed is there; {n} optional missing."),
        (n, _) => say!("\nMissing and needed: {n}. The commands above mend it."),
    }
    lacks(Weight::Needed) == 0
}

fn print(finding: &Finding) {
    match &finding.state {
        Ok(found) => say!("ok        {:<20} {found}", finding.what),
        Err(mend) => {
            let mark = if finding.weight == Weight::Needed { "MISSING" } else { "optional" };
            say!("{mark:<9} {:<20} {}", finding.what, finding.purpose);
            say!("{:<30} {mend}", "");
        }
    }
}

fn examine(packages: &PackageManager) -> Vec<Finding> {
    use Weight::{Needed, Optional};
    let program = |what, weight, names: &[&str], package: Package, purpose| Finding {
        what,
        weight,
        state: first_version(names).ok_or_else(|| packages.install(package)),
        purpose,
    };
    let mariadb =
        |what| program(what, Optional, &[what], Package::MariaDb, "stage 6: the MariaDB store's tests");
    vec![
        rust(),
        program(
            "C compiler",
            Needed,
            &["cc", "gcc", "clang"],
            Package::Compiler,
            "links every program, builds SQLite",
        ),
        program("make", Needed, &["make"], Package::Make, "the course's commands"),
        program(
            "python3",
            Needed,
            &["python3"],
            Package::Python,
            "the tests grade a server written in Python",
        ),
        mariadb("mariadbd"),
        mariadb("mariadb-install-db"),
        mariadb("my_print_defaults"),
        program(
            "redis-server",
            Optional,
            &["redis-server"],
            Package::Redis,
            "several servers as one, in the last stages",
        ),
        program(
            "openssl",
            Optional,
            &["openssl"],
            Package::OpenSsl,
            "stage 5: encryption compared with openssl enc",
        ),
        open_files(SOME_FILES, Needed, "open files", "every client is an open file"),
        open_files(MANY_FILES, Optional, "many open files", "stage 4 with 10,000 clients"),
        disk(),
    ]
}

fn rust() -> Finding {
    let wanted = env!("CARGO_PKG_RUST_VERSION");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let found = version(Path::new(&cargo));
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let rustc = version(Path::new(&compiler));
    let state = match (found, rustc) {
        (Some(cargo), Some(rustc)) if new_enough(&rustc, wanted) => Ok(format!("{rustc}, {cargo}")),
        (Some(_), Some(_)) => Err("rustup update stable".to_owned()),
        _ => Err("curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh".to_owned()),
    };
    Finding {
        what: "Rust toolchain",
        weight: Weight::Needed,
        state,
        purpose: concat!("Rust ", env!("CARGO_PKG_RUST_VERSION"), " or newer builds the course"),
    }
}

/// Whether `rustc 1.95.0 (…)` is at least `1.89`.
fn new_enough(rustc: &str, wanted: &str) -> bool {
    let numbers = |version: &str| -> Vec<u32> {
        version.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
    };
    let found = rustc.split_whitespace().nth(1).unwrap_or_default();
    numbers(found) >= numbers(wanted)
}

fn open_files(wanted: u64, weight: Weight, what: &'static str, purpose: &'static str) -> Finding {
    let limit = getrlimit(Resource::Nofile);
    let show = |n: Option<u64>| n.map_or_else(|| "unlimited".to_owned(), |n| n.to_string());
    // Our servers raise the soft limit themselves; the hard one is what counts.
    let state = match limit.maximum {
        Some(hard) if hard < wanted => {
            Err(format!("sudo prlimit --pid $$ --nofile={wanted}:{wanted}   (this shell; now {hard})"))
        }
        hard => Ok(format!("{} now, {} at most", show(limit.current), show(hard))),
    };
    Finding { what, weight, state, purpose }
}

fn disk() -> Finding {
    let state = match statvfs(root()) {
        Ok(fs) => {
            let free = fs.f_bavail.saturating_mul(fs.f_frsize);
            let gib = free as f64 / (1u64 << 30) as f64;
            if free >= DISK_BYTES {
                Ok(format!("{gib:.1} GiB free"))
            } else {
                Err(format!("make clean   (or free some otherwise; now {gib:.1} GiB)"))
            }
        }
        Err(error) => Ok(format!("cannot be told: {error}")),
    };
    Finding { what: "disk", weight: Weight::Needed, state, purpose: "4 GiB for the build and its tests" }
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

#[cfg(test)]
mod tests {
    use super::new_enough;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(new_enough("rustc 1.95.0 (59807616e 2026-04-14)", "1.89"));
        assert!(new_enough("rustc 1.89.0-beta.1 (x)", "1.89"));
        assert!(!new_enough("rustc 1.9.0 (x)", "1.89"));
        assert!(!new_enough("", "1.89"));
    }
}
