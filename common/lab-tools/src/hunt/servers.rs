//! The servers that scripts are played against: a right one in Python, and the same
//! with one mistake each. The harness's own tests use them too
//! (`common/testkit/servers`).

use anyhow::{Context, bail};
use lab::process::{ProcessGroup, Program, leashed};
use lab::workspace::root;
use rustix::process::Signal;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(20);

/// One way to be wrong.
pub struct Fault {
    /// The word by which the server knows it.
    pub name: String,
    /// The rule of the contract that it breaks.
    pub rule: String,
    /// What the server does, for a sentence that begins with "it".
    pub does: String,
}

/// The servers of one stage.
pub struct Servers {
    stage: String,
    python: PathBuf,
    /// What can be wrong with a server of this stage and shows in a script.
    pub faults: Vec<Fault>,
}

/// A server that listens. Dropping it kills it.
pub struct Server {
    program: Program,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it prints: `in IP:PORT` when a client is in the room, `out IP:PORT` when
    /// it is there no longer.
    trace: Receiver<String>,
}

impl Servers {
    /// Those for this stage; the server of stage 5 is that of stage 4.
    ///
    /// # Errors
    /// When Python is missing.
    pub fn of(stage: u16) -> anyhow::Result<Self> {
        let stage = stage.min(4).to_string();
        let python = python()?;
        let mut list = Command::new(&python);
        list.arg(script()).args(["--list-faults", "--rules", "yes", "--stage", &stage]);
        let output = list.output().context("cannot start python3")?;
        if !output.status.success() {
            bail!("{}: {}", script().display(), String::from_utf8_lossy(&output.stderr));
        }
        let fault = |line: &str| {
            let mut words = line.split('\t').map(str::to_owned);
            let fault = Fault { name: words.next()?, rule: words.next()?, does: words.next()? };
            // None: it takes more than a script to see it.
            (fault.rule != "None").then_some(fault)
        };
        let faults = String::from_utf8_lossy(&output.stdout).lines().filter_map(fault).collect();
        Ok(Self { stage, python, faults })
    }

    /// A right server; a loose one makes use of what the contract leaves open.
    ///
    /// # Errors
    /// When it does not start.
    pub fn right(&self, loose: bool) -> anyhow::Result<Server> {
        self.start(if loose { &["--loose", "yes"] } else { &[] })
    }

    /// A server with this mistake.
    ///
    /// # Errors
    /// When it does not start.
    pub fn wrong(&self, fault: &Fault) -> anyhow::Result<Server> {
        self.start(&["--fault", &fault.name])
    }

    fn start(&self, more: &[&str]) -> anyhow::Result<Server> {
        let mut command = leashed(&self.python)?;
        command.args(["-S", "-E"]).arg(script()).args(["--host", "127.0.0.1", "--port", "0"]);
        command.args(["--trace", "yes", "--stage", &self.stage]).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut program = Program::start(&mut command, ProcessGroup::Background)?;
        let output = program.child().stdout.take().context("a server without standard output")?;
        let (sender, trace) = channel();
        // Ends with the server's standard output.
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let line = trace.recv_timeout(START).context("a server of the hunt does not start")?;
        let address = line.strip_prefix("Listening on ").and_then(|address| address.parse().ok());
        Ok(Server { program, address: address.context("a server of the hunt says no address")?, trace })
    }
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
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to lose, and an orderly end takes its time.
        self.program.signal(Signal::KILL);
    }
}

fn script() -> PathBuf {
    root().join("common/testkit/servers/stage4.py")
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
    let table = text.split("### The rules by name").nth(1).unwrap_or_default();
    let rows =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    Ok(rows.map(|(name, says)| (name.to_owned(), says.to_owned())).collect())
}
