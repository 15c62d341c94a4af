//! The servers that scripts are played against: a right one in Python, and the same
//! with one mistake each ([`faults`](super::faults)). The harness's own tests use them
//! too (`common/testkit/servers`).

use super::faults::Fault;
use crate::sealed::Keys;
use anyhow::{Context, bail};
use lab::process::{ProcessGroup, Program, leashed};
use lab::workspace::root;
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// The first stage with logins.
pub const FIRST_LOGIN: u16 = 6;
/// The first stage with TLS in place of sealed lines.
const FIRST_TLS: u16 = 8;
/// What a key file has in stages 6 and 7.
const KEY: [u8; 32] = [6; 32];
/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(20);

/// The servers of one stage.
pub struct Servers {
    stage: u16,
    python: PathBuf,
    /// What lines are sealed with, in stages 6 and 7.
    pub keys: Option<Keys>,
    /// What can be wrong with a server of this stage and shows in a script.
    pub faults: Vec<Fault>,
}

/// A server that listens. Dropping it kills it.
pub struct Server {
    command: Command,
    program: Program,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it prints: `in IP:PORT` when a client is in the room, `out IP:PORT` when
    /// it is there no longer.
    trace: Receiver<String>,
    /// Where it runs: its key and its database. Goes after the program.
    _folder: TempDir,
}

impl Servers {
    /// Those for this stage. One server serves stages 2 to 5, and is started as that of
    /// stage 4 for stage 5.
    ///
    /// # Errors
    /// When Python is missing.
    pub fn of(stage: u16) -> anyhow::Result<Self> {
        let sealed = (FIRST_LOGIN..FIRST_TLS).contains(&stage);
        let keys = sealed.then(|| Keys::of(Zeroizing::new(KEY)));
        let python = python()?;
        let faults = super::faults::of(stage, &python)?;
        Ok(Self { stage, python, keys, faults })
    }

    /// Returns `true` if users log in.
    pub fn has_logins(&self) -> bool {
        self.stage >= FIRST_LOGIN
    }

    /// A right server; a loose one makes use of what the contract leaves open.
    ///
    /// # Errors
    /// When it does not start.
    pub fn right(&self, loose: bool) -> anyhow::Result<Server> {
        let mut arguments = vec![file(self.stage)];
        if loose {
            arguments.extend(["--loose", "yes"].map(str::to_owned));
        }
        self.start(&arguments)
    }

    /// A server with this mistake.
    ///
    /// # Errors
    /// When it does not start.
    pub fn wrong(&self, fault: &Fault) -> anyhow::Result<Server> {
        self.start(&fault.arguments)
    }

    fn start(&self, arguments: &[String]) -> anyhow::Result<Server> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("chat.key"), format!("key={}\n", hex::encode(KEY)))?;
        let mut command = leashed(&self.python)?;
        command.args(["-S", "-E"]).args(arguments);
        command.args(["--host", "127.0.0.1", "--port", "0", "--trace", "yes"]);
        if self.has_logins() {
            command.args(["--hash-cost", "4"]);
        } else {
            command.args(["--stage", &self.stage.min(4).to_string()]);
        }
        if self.stage >= FIRST_TLS {
            // A script says nothing about TLS.
            command.args(["--plain", "yes"]);
        }
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let (program, address, trace) = run(&mut command)?;
        Ok(Server { command, program, address, trace, _folder: folder })
    }
}

/// Starts the server, and waits until it listens.
fn run(command: &mut Command) -> anyhow::Result<(Program, SocketAddr, Receiver<String>)> {
    let mut program = Program::start(command, ProcessGroup::Background)?;
    let output = program.child().stdout.take().context("a server without standard output")?;
    let (sender, trace) = channel();
    // Ends with the server's standard output.
    thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    let line = trace.recv_timeout(START).context("a server of the hunt does not start")?;
    let address = line.strip_prefix("Listening on ").and_then(|address| address.parse().ok());
    Ok((program, address.context("a server of the hunt says no address")?, trace))
}

impl Server {
    /// Waits until the server says this, `limit` at most: a wrong server may never.
    pub fn wait_for(&self, line: &str, limit: Duration) {
        let deadline = Instant::now() + limit;
        while let Ok(said) = self.trace.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if said == line {
                return;
            }
        }
    }

    /// Sends a signal to it.
    pub fn signal(&mut self, signal: Signal) {
        self.program.signal(signal);
    }

    /// Kills it, and starts it again with the same database.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.program.signal(Signal::KILL);
        (self.program, self.address, self.trace) = run(&mut self.command)?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to lose, and an orderly end takes its time.
        self.program.signal(Signal::KILL);
    }
}

/// The right server of this stage; one serves stages 2 to 5.
pub fn file(stage: u16) -> String {
    let stage = if stage < FIRST_LOGIN { 4 } else { stage };
    root().join(format!("common/testkit/servers/stage{stage}.py")).display().to_string()
}

/// The interpreter itself: `python3` may be a script that takes longer to start.
fn python() -> anyhow::Result<PathBuf> {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let output = output.context("python3 is missing; `make doctor` says how to install it")?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if path.is_empty() {
        bail!("python3 does not work: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(path.into())
}

/// The rules, name and text, as the contract lists them.
///
/// # Errors
/// When the contract cannot be read.
pub fn rules() -> anyhow::Result<Vec<(String, String)>> {
    let contract = root().join("docs/src/contract.md");
    let text = std::fs::read_to_string(&contract).with_context(|| contract.display().to_string())?;
    let rows = text.split("\n| rule | says |\n").skip(1);
    let rows = rows.flat_map(|table| table.lines().take_while(|line| line.starts_with('|')));
    let rows = rows.filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    Ok(rows.map(|(name, says)| (name.to_owned(), says.to_owned())).collect())
}
