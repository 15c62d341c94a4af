//! How far a submission may go.

use super::process_tree::Process;
use anyhow::Context;
use rustix::process::{Resource, Rlimit, geteuid, setrlimit};
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

/// The limits of one command and of all that it starts, together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Time by the clock.
    pub seconds: u64,
    /// Processes at once.
    pub processes: usize,
    /// Processes and threads that the system allows in addition to those that
    /// the user has now.
    pub tasks: u64,
    /// Memory.
    pub memory_mib: u64,
    /// What lies in the watched folder, and the size of any file.
    pub disk_mib: u64,
    /// What is kept of each output.
    pub output_bytes: usize,
}

impl Limits {
    /// Has the system see to those that it knows: for this process, and so for
    /// all that it starts from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn impose(&self) -> anyhow::Result<()> {
        let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
        setrlimit(Resource::Core, both(0)).context("cannot forbid core dumps")?;
        setrlimit(Resource::Fsize, both(self.disk_mib * MIB)).context("cannot limit the size of files")?;
        // For a user, not for a process and its children, so it must leave room for
        // what the user runs besides. The system does not hold root to it.
        let wanted = tasks_of_user() + self.tasks;
        let allowed = rustix::process::getrlimit(Resource::Nproc).maximum.unwrap_or(u64::MAX);
        setrlimit(Resource::Nproc, both(wanted.min(allowed))).context("cannot limit the number of processes")
    }

    /// The limit that is exceeded, as the end of a sentence about the submission.
    pub fn exceeded(&self, elapsed: Duration, processes: &[Process]) -> Option<String> {
        if elapsed > Duration::from_secs(self.seconds) {
            return Some(format!("it took longer than {} s", self.seconds));
        }
        let alive = || processes.iter().filter(|process| !process.ended);
        if alive().count() > self.processes {
            return Some(format!("it had more than {} processes at once", self.processes));
        }
        let memory: u64 = alive().map(Process::memory).sum();
        (memory > self.memory_mib * MIB)
            .then(|| format!("it used more than {} MiB of memory", self.memory_mib))
    }

    /// The same for the size of the watched folder.
    pub fn exceeded_on_disk(&self, bytes: u64) -> Option<String> {
        (bytes > self.disk_mib * MIB).then(|| format!("it wrote more than {} MiB", self.disk_mib))
    }
}

/// Bytes on the disk under `folder`; links are not followed.
pub fn folder_size(folder: &Path) -> u64 {
    let (mut size, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(about) = entry.metadata() else { continue };
            size += about.blocks() * 512;
            if about.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    size
}

fn tasks_of_user() -> u64 {
    let user = geteuid().as_raw();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let own = processes.filter(|p| p.metadata().is_ok_and(|about| about.uid() == user));
    own.map(|process| fs::read_dir(process.path().join("task")).map_or(0, Iterator::count) as u64).sum()
}
