//! Where one attack runs against one stage: it can open a server of its own
//! (or is given one that runs already), and shows what it finds.

use super::form::Form;
use super::site::Site;
use super::stop::Stop;
use crate::output::say;
use crate::registry::Stage;
use crate::scene::Scene;
use crate::workspace::Programs;
use anyhow::Context;
use common::escape::escape;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What anything ordinary may take: a start, a login, a line's way.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Everybody's password but where an attack needs another.
pub const PASSWORD: &str = "wonderland-1865";

/// A server that runs already, and what its members have.
#[derive(Clone, Debug)]
pub struct Target {
    /// A loopback address.
    pub address: SocketAddr,
    /// The members' key file, in stages 5 to 7.
    pub key: Option<PathBuf>,
    /// The authority's certificate, from stage 8 on.
    pub ca: Option<PathBuf>,
}

/// One attack's surroundings.
pub struct Arena<'a> {
    /// The stage that is attacked.
    pub stage: &'a Stage,
    /// Its protocol.
    pub form: Form,
    /// Told by a signal.
    pub stop: Stop,
    programs: &'a Programs,
    target: Option<&'a Target>,
    /// Whether evidence is shown, or only counts.
    aloud: bool,
    /// How the log of the server that was open last ends, for an error.
    log_end: RefCell<String>,
    /// Tells this attack's people from those of the one before, on a server that
    /// remembers them.
    number: u32,
}

impl<'a> Arena<'a> {
    /// Surroundings with the stage's built programs.
    pub fn new(
        stage: &'a Stage,
        programs: &'a Programs,
        target: Option<&'a Target>,
        stop: &Stop,
        aloud: bool,
    ) -> Arena<'a> {
        static TRIED: AtomicU32 = AtomicU32::new(0);
        Arena {
            stage,
            form: Form::of(stage),
            stop: stop.clone(),
            programs,
            target,
            aloud,
            log_end: RefCell::default(),
            number: TRIED.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// A server whose logins cost little, for attacks that are not about that.
    ///
    /// # Errors
    /// When it does not start.
    pub fn open(&'a self) -> anyhow::Result<Site<'a>> {
        self.open_with(if self.form.has_names() { &["--bcrypt-cost", "4"] } else { &[] })
    }

    /// A server with these options; one that runs already has those it has.
    ///
    /// # Errors
    /// When it does not start.
    pub fn open_with(&'a self, options: &[&str]) -> anyhow::Result<Site<'a>> {
        if let Some(target) = self.target {
            let scene = Scene::with(self.stage, self.programs.clone())?;
            for (file, name) in [(&target.key, "chat.key"), (&target.ca, "certs/ca.pem")] {
                let Some(file) = file else { continue };
                let there = scene.folder().join(name);
                std::fs::create_dir_all(there.parent().unwrap_or(&there))?;
                std::fs::copy(file, there).with_context(|| format!("cannot copy {}", file.display()))?;
            }
            return Ok(Site::new(self, scene, None, target.address));
        }
        self.open_own(options)
    }

    /// A server of our own even where another one is the target.
    ///
    /// # Errors
    /// When it does not start.
    pub fn open_own(&'a self, options: &[&str]) -> anyhow::Result<Site<'a>> {
        let scene = Scene::with(self.stage, self.programs.clone())?;
        let options: Vec<String> = options.iter().map(|&o| o.to_owned()).collect();
        let (server, address) = scene.listening_server("127.0.0.1:0", &options)?;
        let address = address.parse().with_context(|| format!("{address} is no address"))?;
        Ok(Site::new(self, scene, Some(server), address))
    }

    /// Another of the stage's programs, to be run beside the server.
    ///
    /// # Errors
    /// When it was not built.
    pub fn command(&self, program: &str) -> anyhow::Result<Command> {
        Ok(Command::new(self.programs.path(program)?))
    }

    /// Whether the server is one that ran before us: its options and its files
    /// are not ours.
    pub fn is_foreign(&self) -> bool {
        self.target.is_some()
    }

    /// The name that a person has here. On a server that remembers names, it
    /// must be one that nobody has.
    pub fn named(&self, name: &str) -> String {
        match self.is_foreign() {
            true => format!("{name}-{:x}-{}", std::process::id(), self.number),
            false => name.to_owned(),
        }
    }

    /// A step, or what came of it.
    pub fn note(&self, text: impl AsRef<str>) {
        if self.aloud {
            say!("  {}", escape(text.as_ref()));
        }
    }

    /// What somebody's screen shows.
    pub fn shows(&self, who: &str, text: &str) {
        self.note(format!("{who:<8}| {}", super::person::cut(text)));
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

    /// Keeps how the log of a server ends that is about to go.
    pub fn keep_log_end(&self, end: String) {
        *self.log_end.borrow_mut() = end;
    }

    /// How the log of the last server ends, for an error message.
    pub fn log_end(&self) -> String {
        self.log_end.borrow().clone()
    }
}
