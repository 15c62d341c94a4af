//! An open server, and people who come to it.

use super::arena::{Arena, PASSWORD, PATIENCE};
use super::form::Form;
use super::member::Member;
use super::person::Person;
use super::talk::Talk;
use super::tap::Tap;
use crate::process::Program;
use crate::scene::Scene;
use anyhow::{Context, bail};
use rustix::process::Signal;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// An open server with a folder of its own. Dropping it ends the server.
pub struct Site<'a> {
    /// Where the server listens.
    pub address: SocketAddr,
    arena: &'a Arena<'a>,
    server: Option<Program>,
    /// There until it is dropped.
    scene: Option<Scene<'a>>,
}

impl<'a> Site<'a> {
    /// A site whose server listens at `address`; `server` is there when it is ours.
    pub fn new(
        arena: &'a Arena<'a>,
        scene: Scene<'a>,
        server: Option<Program>,
        address: SocketAddr,
    ) -> Site<'a> {
        Site { address, arena, server, scene: Some(scene) }
    }

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

    /// A tap, and a talk whose speaker goes through it.
    ///
    /// # Errors
    /// When they do not come about.
    pub fn tapped_talk(&self) -> anyhow::Result<(Tap, Talk)> {
        let tap = self.tap()?;
        let talk = self.talk_with(&tap, &[])?;
        Ok((tap, talk))
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
        self.arena.keep_log_end(self.scene().log_end());
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
