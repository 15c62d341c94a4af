//! One attack, tried on one stage: it starts a server of its own (or is given
//! one that runs already), and shows what it finds.

use super::cancellation::Cancellation;
use super::protocol::Protocol;
use super::target::{ExternalServer, Target};
use anyhow::Context;
use common::escape::escape;
use lab::process::Program;
use lab::registry::Stage;
use lab::run_context::RunContext;
use lab::say;
use lab::workspace::Programs;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

/// One attack on one stage.
pub struct Attempt<'a> {
    /// The stage that is attacked.
    pub stage: &'a Stage,
    /// Its protocol.
    pub protocol: Protocol,
    /// Told by a signal.
    pub cancellation: Cancellation,
    programs: &'a Programs,
    target: Option<&'a ExternalServer>,
    /// Whether evidence is shown, or only counts.
    verbose: bool,
    /// How the log of the server that was stopped last ends, for an error.
    log_end: Rc<RefCell<String>>,
    /// Tells this attack's users from those of the one before, on a server that
    /// remembers them.
    number: u32,
}

impl<'a> Attempt<'a> {
    /// An attempt with the stage's built programs.
    pub fn new(
        stage: &'a Stage,
        programs: &'a Programs,
        target: Option<&'a ExternalServer>,
        cancellation: &Cancellation,
        verbose: bool,
    ) -> Attempt<'a> {
        static TRIED: AtomicU32 = AtomicU32::new(0);
        Attempt {
            stage,
            protocol: Protocol::of(stage),
            cancellation: cancellation.clone(),
            programs,
            target,
            verbose,
            log_end: Rc::default(),
            number: TRIED.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// A server whose logins cost little, for attacks that are not about that.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_server(&'a self) -> anyhow::Result<Target<'a>> {
        self.start_server_with(if self.protocol.has_names() { &["--bcrypt-cost", "4"] } else { &[] })
    }

    /// A server with these options; one that runs already has those it has.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_server_with(&'a self, options: &[&str]) -> anyhow::Result<Target<'a>> {
        if let Some(target) = self.target {
            let context = RunContext::with(self.stage, self.programs.clone())?;
            for (file, name) in [(&target.key, "chat.key"), (&target.ca, "certs/ca.pem")] {
                let Some(file) = file else { continue };
                let there = context.folder().join(name);
                std::fs::create_dir_all(there.parent().unwrap_or(&there))?;
                std::fs::copy(file, there).with_context(|| format!("cannot copy {}", file.display()))?;
            }
            return Ok(self.target(context, None, target.address));
        }
        self.start_own_server(options)
    }

    /// A server of our own even where another one is the target.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_own_server(&'a self, options: &[&str]) -> anyhow::Result<Target<'a>> {
        let context = RunContext::with(self.stage, self.programs.clone())?;
        let options: Vec<String> = options.iter().map(|&o| o.to_owned()).collect();
        let (server, address) = context.listening_server("127.0.0.1:0", &options)?;
        let address = address.parse().with_context(|| format!("{address} is no address"))?;
        Ok(self.target(context, Some(server), address))
    }

    fn target(&self, context: RunContext<'a>, server: Option<Program>, address: SocketAddr) -> Target<'a> {
        Target {
            address,
            protocol: self.protocol,
            cancellation: self.cancellation.clone(),
            name_suffix: self.name_suffix(),
            server,
            context: Some(context),
            log_end: self.log_end.clone(),
        }
    }

    /// Another of the stage's programs, to be run beside the server.
    ///
    /// # Errors
    /// When it was not built.
    pub fn command(&self, program: &str) -> anyhow::Result<Command> {
        Ok(Command::new(self.programs.path(program)?))
    }

    /// Returns `true` if the server is one that ran before us: its options and its
    /// files are not ours.
    pub fn is_external(&self) -> bool {
        self.target.is_some()
    }

    /// The name that a user has here.
    pub fn named(&self, name: &str) -> String {
        name.to_owned() + &self.name_suffix()
    }

    /// On a server that remembers names, a name must be one that no user has.
    fn name_suffix(&self) -> String {
        match self.is_external() {
            true => format!("-{:x}-{}", std::process::id(), self.number),
            false => String::new(),
        }
    }

    /// A step, or what came of it.
    pub fn note(&self, text: impl AsRef<str>) {
        if self.verbose {
            say!("  {}", escape(text.as_ref()));
        }
    }

    /// What a user's screen shows.
    pub fn shows(&self, who: &str, text: &str) {
        self.note(format!("{who:<8}| {}", super::client_process::cut(text)));
    }

    /// Bytes, as far as they help.
    pub fn dump(&self, what: &str, bytes: &[u8]) {
        const ROWS: usize = 6;
        self.note(format!("{what} ({} bytes):", bytes.len()));
        for (row, bytes) in bytes.chunks(16).enumerate().take(ROWS) {
            let hex: Vec<_> = bytes.iter().map(|b| format!("{b:02x}")).collect();
            let text: String =
                bytes.iter().map(|&b| if (32..127).contains(&b) { b as char } else { '.' }).collect();
            self.note(format!("    {:04x}  {:<47}  {text}", 16 * row, hex.join(" ")));
        }
        if bytes.len() > 16 * ROWS {
            self.note("    …");
        }
    }

    /// How the log of the last server ends, for an error message.
    pub fn log_end(&self) -> String {
        self.log_end.borrow().clone()
    }
}
