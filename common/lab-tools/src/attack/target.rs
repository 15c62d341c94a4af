//! An open server, and the clients of an attack.

use super::cancellation::Cancellation;
use super::client_process::ClientProcess;
use super::mitm_proxy::MitmProxy;
use super::protocol::Protocol;
use super::shared_key::SharedKey;
use anyhow::{Context, bail};
use lab::process::Program;
use lab::run_context::RunContext;
use rustix::process::Signal;
use std::cell::RefCell;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What anything ordinary may take: a start, a login, a line's way.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Every user's password, unless an attack needs another.
pub const PASSWORD: &str = "wonderland-1865";

/// A server that runs already, and what its users have.
#[derive(Clone, Debug)]
pub struct ExternalServer {
    /// A loopback address.
    pub address: SocketAddr,
    /// The users' key file, in stages 5 to 7.
    pub key: Option<PathBuf>,
    /// The authority's certificate, from stage 8 on.
    pub ca: Option<PathBuf>,
}

/// An open server with a folder of its own. Dropping it ends the server.
pub struct Target<'a> {
    /// Where the server listens.
    pub address: SocketAddr,
    /// What its lines look like.
    pub(super) protocol: Protocol,
    /// Ends every wait at a signal.
    pub(super) cancellation: Cancellation,
    /// Stands behind each user's name.
    pub(super) name_suffix: String,
    /// The server, where we have started it.
    pub(super) server: Option<Program>,
    /// Present until the target is dropped.
    pub(super) context: Option<RunContext<'a>>,
    /// Written when the server stops, read for an error message.
    pub(super) log_end: Rc<RefCell<String>>,
}

impl<'a> Target<'a> {
    /// A proxy in front of the server.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn proxy(&self) -> anyhow::Result<MitmProxy> {
        MitmProxy::before(self.address, self.protocol)
    }

    /// The folder in which the programs run.
    pub fn folder(&self) -> &Path {
        self.context().folder()
    }

    /// How many threads the server has; `None` when it is not ours, or the system does
    /// not say (proc(5)).
    pub fn threads(&mut self) -> Option<usize> {
        let process = self.server.as_mut()?.child().id();
        Some(std::fs::read_dir(format!("/proc/{process}/task")).ok()?.count())
    }

    /// What a user of the key file has.
    ///
    /// # Errors
    /// When there is none.
    pub fn shared_key(&self) -> anyhow::Result<SharedKey> {
        SharedKey::read(&self.folder().join("chat.key"), self.protocol)
    }

    /// A client that is only started.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn client(&self, name: &str, at: SocketAddr, options: &[&str]) -> anyhow::Result<ClientProcess> {
        let options: Vec<String> = options.iter().map(|&o| o.to_owned()).collect();
        let program = self.context().client_on_pipes(&at.to_string(), &options, Stdio::piped())?;
        ClientProcess::new(&format!("{name}{}", self.name_suffix), program, &self.cancellation)
    }

    /// A client that is served, or in the room; with a new account where there
    /// are accounts.
    ///
    /// # Errors
    /// When it does not come so far.
    pub fn enter(&self, name: &str) -> anyhow::Result<ClientProcess> {
        self.enter_at(name, self.address)
    }

    /// As [`Target::enter`], through `proxy`.
    ///
    /// # Errors
    /// When it does not come so far.
    pub fn enter_through(&self, name: &str, proxy: &MitmProxy) -> anyhow::Result<ClientProcess> {
        self.enter_at(name, proxy.address)
    }

    /// As [`Target::enter`], at an address that leads to the server.
    ///
    /// # Errors
    /// When it does not come so far.
    pub fn enter_at(&self, name: &str, at: SocketAddr) -> anyhow::Result<ClientProcess> {
        let mut client = self.client(name, at, &[])?;
        self.log_in(&mut client, "REGISTER")?;
        Ok(client)
    }

    /// Sees to it that a client is served, or in the room; `command` is LOGIN or
    /// REGISTER, where there are accounts.
    ///
    /// # Errors
    /// When it does not come so far.
    pub fn log_in(&self, client: &mut ClientProcess, command: &str) -> anyhow::Result<()> {
        match self.protocol {
            Protocol::Silent => {}
            Protocol::Echo => {
                client.type_line("hello")?;
                client.expect_line("server: hello", TIMEOUT)?;
            }
            Protocol::Room | Protocol::Encrypted => self.connect_until_noticed(client)?,
            Protocol::Sealed | Protocol::Tls => {
                client.type_line(&format!("{command} {} {PASSWORD}", client.name))?;
                client.expect_line("[USERS_LIST] *", TIMEOUT)?;
            }
        }
        Ok(())
    }

    /// A room without logins tells a newcomer nothing. So others come and go
    /// until it hears one.
    fn connect_until_noticed(&self, client: &ClientProcess) -> anyhow::Result<()> {
        let end = Instant::now() + TIMEOUT;
        let mut pause = Duration::from_millis(20);
        while Instant::now() < end {
            let knock = TcpStream::connect(self.address).context("the server takes no connection")?;
            let heard = client.find_line_since(0, "[SERVER] * joined (*", pause)?;
            pause = (2 * pause).min(Duration::from_millis(500));
            drop(knock);
            if heard.is_some() {
                // Or it would be taken for the departure of another client.
                return client.expect_line("[SERVER] * left (*", TIMEOUT).map(drop);
            }
        }
        bail!("{} has not come into the room; it says: {}", client.name, client.last_error())
    }

    fn context(&self) -> &RunContext<'a> {
        self.context.as_ref().expect("it is there until the target is dropped")
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        *self.log_end.borrow_mut() = self.context().log_end();
        if let Some(server) = &mut self.server {
            // A server may wait some seconds for clients that are logging in, as
            // it should; a second signal tells it not to (the contract).
            for _ in 0..2 {
                server.signal(Signal::TERM);
                server.wait_until(Instant::now() + Duration::from_millis(500));
            }
        }
        // In this order: the server's folder goes when the server has.
        drop(self.server.take());
        if let Some(context) = self.context.take() {
            context.clean_up();
        }
    }
}
