//! What no package manager installs: the toolchain, limits, space on the disk.

use super::{Finding, Weight, version};
use crate::workspace::root;
use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};
use std::env;
use std::path::Path;

/// What a full build of the workspace with its tests takes, and some air.
const DISK_BYTES: u64 = 4 << 30;

pub fn rust() -> Finding {
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

/// Returns `true` if `rustc 1.95.0 (…)` is at least `1.89`.
fn new_enough(rustc: &str, wanted: &str) -> bool {
    let numbers = |version: &str| -> Vec<u32> {
        version.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
    };
    let found = rustc.split_whitespace().nth(1).unwrap_or_default();
    numbers(found) >= numbers(wanted)
}

pub fn open_files(wanted: u64, weight: Weight, what: &'static str, purpose: &'static str) -> Finding {
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

pub fn disk() -> Finding {
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
