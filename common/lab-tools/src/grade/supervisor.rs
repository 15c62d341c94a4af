//! The process between us and a submission: it runs one command, sees to its
//! limits, and leaves nothing of it behind.
//!
//! A process of its own for each, because orphans come to the nearest subreaper
//! among their ancestors: with one supervisor a submission, it is known whose they
//! are. It is `lab supervise`, takes a [`ConfinedCommand`] on its standard input and answers
//! with [`Ended`] on its standard output. When `lab` is gone, whatever the reason,
//! the leash ends the supervisor, and the supervisor ends its processes.

use super::limits::{Limits, folder_size};
use super::process_tree::{self, Process};
use anyhow::Context;
use lab::run_context::END_SIGNALS;
use rustix::process::{Pid, getpid};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often the processes are looked at. A program that forks without end makes
/// some hundreds of processes in this time, and those can still be caught.
const POLL_INTERVAL: Duration = Duration::from_millis(40);
/// Measuring a folder costs more.
const DISK_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// What was killed with the command needs a moment until it is gone.
const MOMENT: Duration = Duration::from_millis(500);
/// What has not ended after this time will not end.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// What to run, and how far it may go.
#[derive(Debug, Serialize, Deserialize)]
pub struct ConfinedCommand {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Where it runs.
    pub folder: PathBuf,
    /// All of its environment.
    pub environment: Vec<(String, String)>,
    /// How far it may go.
    pub limits: Limits,
    /// The folder whose size is limited.
    pub watched: PathBuf,
}

/// How it ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ended {
    /// Its exit code, if it had one.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The limit that it exceeded, as a sentence, and was ended for.
    pub stopped: Option<String>,
    /// Processes that were still there when it had ended.
    pub left_behind: usize,
    /// What it wrote, as much of it as the limits allow.
    pub stdout: String,
    /// The same of its standard error.
    pub stderr: String,
}

/// Reads a [`ConfinedCommand`] from standard input, runs it, and writes how it ended.
///
/// # Errors
/// When the command cannot be started, or no limits can be set.
pub fn supervise() -> anyhow::Result<()> {
    let asked_to_end = Arc::new(AtomicBool::new(false));
    for signal in END_SIGNALS {
        signal_hook::flag::register(signal, asked_to_end.clone()).context("cannot wait for signals")?;
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_child_subreaper, set_dumpable_behavior};
        set_child_subreaper(Some(getpid())).context("cannot take care of orphans")?;
        // What it is told about the outcome goes through here; no process of the submission
        // is to look at it or to write to it.
        set_dumpable_behavior(DumpableBehavior::NotDumpable).context("cannot keep others out")?;
    }
    let confined: ConfinedCommand =
        serde_json::from_reader(std::io::stdin()).context("no command that can be read")?;
    confined.limits.impose()?;
    let ended = carry_out(&confined, &asked_to_end)?;
    let answer = serde_json::to_string(&ended).context("no answer")?;
    std::io::stdout().write_all(answer.as_bytes()).context("nobody takes the answer")
}

fn carry_out(confined: &ConfinedCommand, asked_to_end: &AtomicBool) -> anyhow::Result<Ended> {
    let (program, arguments) = confined.words.split_first().context("a command without a program")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(confined.environment.iter().cloned())
        .current_dir(&confined.folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let most = confined.limits.output_bytes;
    let output = child.stdout.take().map(|pipe| collect(pipe, most));
    let errors = child.stderr.take().map(|pipe| collect(pipe, most));
    let (status, stopped) = watch(&mut child, confined, asked_to_end);
    let left_behind = if stopped.is_none() { still_there_after(MOMENT) } else { 0 };
    process_tree::kill_all(&[], KILL_TIMEOUT);
    let status = status.or_else(|| child.try_wait().ok().flatten());
    Ok(Ended {
        code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
        stopped,
        left_behind,
        stdout: collected(output),
        stderr: collected(errors),
    })
}

/// Waits for the child's end, or for a reason to end it.
fn watch(
    child: &mut Child,
    confined: &ConfinedCommand,
    asked_to_end: &AtomicBool,
) -> (Option<ExitStatus>, Option<String>) {
    let start = Instant::now();
    let mut disk_due = start + DISK_POLL_INTERVAL;
    // Its number is not to be forgotten before we have its exit status.
    let own = Pid::from_child(child);
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return (Some(status), None);
        }
        if asked_to_end.load(Ordering::Relaxed) {
            return (None, Some("it was asked to end".to_owned()));
        }
        let limits = &confined.limits;
        let processes = process_tree::descendants(&[]);
        processes.iter().filter(|process| process.pid != own).for_each(Process::reap_if_ended);
        let mut exceeded = limits.exceeded(start.elapsed(), &processes);
        if exceeded.is_none() && Instant::now() >= disk_due {
            exceeded = limits.exceeded_on_disk(folder_size(&confined.watched));
            disk_due = Instant::now() + DISK_POLL_INTERVAL;
        }
        if exceeded.is_some() {
            return (None, exceeded);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn still_there_after(moment: Duration) -> usize {
    let deadline = Instant::now() + moment;
    loop {
        let there = process_tree::reap_ended(&[]).len();
        if there == 0 || Instant::now() >= deadline {
            return there;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The thread that reads an output to its end; it keeps the first `most` bytes,
/// and reads on, so that nobody waits for us who writes too much.
fn collect(mut pipe: impl Read + Send + 'static, most: usize) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let (mut kept, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let room = most.saturating_sub(kept.len());
            kept.extend_from_slice(&buffer[..count.min(room)]);
        }
        let _ = sender.send(kept);
    });
    receiver
}

/// When all that could write is dead, the end has come or comes at once; a
/// process that cannot be killed is not waited for.
fn collected(output: Option<Receiver<Vec<u8>>>) -> String {
    let bytes = output.and_then(|output| output.recv_timeout(KILL_TIMEOUT).ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
