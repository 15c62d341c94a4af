//! All that a process has started, directly or not, and its certain end.
//!
//! A process group is not enough for a program that is not trusted: one call of
//! `setsid` leaves it. No process can leave this tree: to a "child
//! subreaper" (prctl(2)) the system gives the orphans among its descendants as
//! children.
//!
//! The trap is the number of a process that has ended: a moment later it may be
//! a stranger's. So a process is taken hold of first (a pidfd), then looked up
//! again, and killed only if it is one of ours still.

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use std::collections::HashMap;
use std::fs::{read_dir, read_to_string};
use std::thread;
use std::time::{Duration, Instant};

/// One process, as it was a moment ago.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Its number.
    pub pid: Pid,
    parent: i32,
    /// It has ended, and its parent has not waited for it yet.
    pub ended: bool,
}

impl Process {
    /// Bytes of memory that are its alone.
    pub fn memory(&self) -> u64 {
        let status = read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.unwrap_or(0) << 10
    }

    /// The system keeps the number of a process that has ended until its parent
    /// asks after it, and of an orphan we are the parent.
    pub fn reap_if_ended(&self) {
        if self.ended && self.parent == own_number() {
            let _ = waitpid(Some(self.pid), WaitOptions::NOHANG);
        }
    }

    /// Kills it, if it is still who it was.
    fn kill(&self) {
        let Ok(held) = pidfd_open(self.pid, PidfdFlags::empty()) else { return };
        if is_ours(self.pid) {
            let _ = pidfd_send_signal(&held, Signal::KILL);
        }
    }
}

/// All descendants of this process, those of the children in `except` excepted
/// and these themselves too.
pub fn descendants(except: &[Pid]) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    let numbers = read_dir("/proc").into_iter().flatten().flatten();
    for number in numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        let Some(process) = Pid::from_raw(number).and_then(look_up) else { continue };
        children.entry(process.parent).or_default().push(process);
    }
    let mut processes = Vec::new();
    let mut parents = vec![own_number()];
    while let Some(parent) = parents.pop() {
        let found = children.remove(&parent).unwrap_or_default();
        let found = found.into_iter().filter(|process| !except.contains(&process.pid));
        parents.extend(found.clone().map(|process| process.pid.as_raw_nonzero().get()));
        processes.extend(found);
    }
    processes
}

/// Kills all descendants but those of `except`, again and again until there are
/// none, since one that is not killed yet may start others; `limit` at most.
/// Whether it came to that.
pub fn kill_all(except: &[Pid], limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        let processes = reap_ended(except);
        if processes.is_empty() {
            return true;
        }
        processes.iter().for_each(Process::kill);
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Forgets those who have ended; returns the others.
pub fn reap_ended(except: &[Pid]) -> Vec<Process> {
    let mut processes = descendants(except);
    processes.iter().for_each(Process::reap_if_ended);
    processes.retain(|process| !process.ended);
    processes
}

fn is_ours(pid: Pid) -> bool {
    let mut pid = Some(pid);
    // Up to us, or to the first process.
    while let Some(process) = pid.and_then(look_up) {
        if process.parent == own_number() {
            return true;
        }
        pid = Pid::from_raw(process.parent);
    }
    false
}

fn own_number() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

fn look_up(pid: Pid) -> Option<Process> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold anything, in parentheses: state, parent.
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    let state = fields.next()?;
    Some(Process { pid, parent: fields.next()?.parse().ok()?, ended: matches!(state, "Z" | "X") })
}
