//! Where one attack runs against one stage: it can open a server of its own
//! (or is given one that runs already), bring people in, and put a tap between.

use super::form::Form;
use super::member::Member;
use super::person::Person;
use super::stop::Stop;
use super::talk::Talk;
use super::tap::Tap;
use crate::output::say;
use crate::process::Program;
use crate::registry::Stage;
use crate::scene::Scene;
use crate::workspace::Programs;
use anyhow::{Context, bail};
use common::text::escape;
use rustix::process::Signal;
use std::cell::RefCell;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
}

/// An open server with a folder of its own. Dropping it ends the server.
pub struct Site<'a> {
    /// Where the server listens.
    pub address: SocketAddr,
    arena: &'a Arena<'a>,
    server: Option<Program>,
    /// There until it is dropped.
    scene: Option<Scene<'a>>,
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
        let log_end = RefCell::default();
        Arena { stage, form: Form::of(stage), stop: stop.clone(), programs, target, aloud, log_end }
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
            return Ok(Site { address: target.address, arena: self, server: None, scene: Some(scene) });
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
        Ok(Site { address, arena: self, server: Some(server), scene: Some(scene) })
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
        if self.is_foreign() { format!("{name}-{:x}", std::process::id()) } else { name.to_owned() }
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

    /// How the log of the last server ends, for an error message.
    pub fn log_end(&self) -> String {
        self.log_end.borrow().clone()
    }
}

impl<'a> Site<'a> {
    /// A tap in front of the server.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn tap(&self) -> anyhow::Result<Tap> {
        Tap::before(self.address, self.arena.form)
    }

    /// The folder in which the programs run.
    pub fn folder(&self) -> &Path {
        self.scene().folder()
    }

    /// What a member has who uses the key file.
    ///
    /// # Errors
    /// When there is none.
    pub fn member(&self) -> anyhow::Result<Member> {
        Member::with_key_file(&self.folder().join("chat.key"), self.arena.form)
    }

    /// A client that is started and no more.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn client(&self, name: &str, at: SocketAddr, options: &[&str]) -> anyhow::Result<Person> {
        let options: Vec<String> = options.iter().map(|&o| o.to_owned()).collect();
        let program = self.scene().client_on_pipes(&at.to_string(), &options, Stdio::piped())?;
        Person::new(&self.arena.named(name), program, &self.arena.stop)
    }

    /// A person who is served, or in the room; with a new account where there
    /// are accounts.
    ///
    /// # Errors
    /// When it does not come so far.
    pub fn enter(&self, name: &str) -> anyhow::Result<Person> {
        self.enter_at(name, self.address)
    }

    /// As [`Site::enter`], through `tap`.
    ///
    /// # Errors
    /// When it does not come so far.
    pub fn enter_through(&self, name: &str, tap: &Tap) -> anyhow::Result<Person> {
        self.enter_at(name, tap.address)
    }

    /// As [`Site::enter`], at an address that leads to the server.
    ///
    /// # Errors
    /// When it does not come so far.
    pub fn enter_at(&self, name: &str, at: SocketAddr) -> anyhow::Result<Person> {
        let mut person = self.client(name, at, &[])?;
        self.settle(&mut person, "REGISTER")?;
        Ok(person)
    }

    /// Sees to it that a client is served, or in the room; `command` is LOGIN or
    /// REGISTER, where there are accounts.
    ///
    /// # Errors
    /// When it does not come so far.
    pub fn settle(&self, person: &mut Person, command: &str) -> anyhow::Result<()> {
        match self.arena.form {
            Form::Silent => {}
            Form::Echo => {
                person.say("hello")?;
                person.must_hear("server: hello", PATIENCE)?;
            }
            Form::Room | Form::Encrypted => self.knock_until_heard(person)?,
            Form::Sealed | Form::Tls => {
                person.say(&format!("{command} {} {PASSWORD}", person.name))?;
                person.must_hear("[USERS_LIST] *", PATIENCE)?;
            }
        }
        Ok(())
    }

    /// A room without logins tells a newcomer nothing. So others come and go
    /// until it hears one.
    fn knock_until_heard(&self, person: &Person) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(20);
        while Instant::now() < end {
            let knock = TcpStream::connect(self.address).context("the server takes no connection")?;
            let heard = person.hears_since(0, "[SERVER] * joined (*", pause)?;
            pause = (2 * pause).min(Duration::from_millis(500));
            drop(knock);
            if heard.is_some() {
                // Or it would be taken for somebody else's departure.
                return person.must_hear("[SERVER] * left (*", PATIENCE).map(drop);
            }
        }
        bail!("{} has not come into the room; it says: {}", person.name, person.complaint())
    }

    /// A talk whose speaker goes through `tap`.
    ///
    /// # Errors
    /// When it does not come about.
    pub fn talk_through(&self, tap: &Tap) -> anyhow::Result<Talk> {
        Talk::begin(self, tap.address, self.arena.form, &[])
    }

    /// A talk whose speaker goes through `tap` and has these options.
    ///
    /// # Errors
    /// When it does not come about.
    pub fn talk_with(&self, tap: &Tap, options: &[&str]) -> anyhow::Result<Talk> {
        Talk::begin(self, tap.address, self.arena.form, options)
    }

    fn scene(&self) -> &Scene<'a> {
        self.scene.as_ref().expect("it is there until the site is dropped")
    }
}

impl Drop for Site<'_> {
    fn drop(&mut self) {
        *self.arena.log_end.borrow_mut() = self.scene().log_end();
        if let Some(server) = &mut self.server {
            // A server may wait some seconds for those who are at its door, as
            // it should; a second signal tells it not to (the contract).
            for _ in 0..2 {
                server.signal(Signal::TERM);
                server.wait_until(Instant::now() + Duration::from_millis(500));
            }
        }
        // In this order: the server's folder goes when the server has.
        drop(self.server.take());
        if let Some(scene) = self.scene.take() {
            scene.clean_up();
        }
    }
}
