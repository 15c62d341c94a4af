//! The chat servers of a cluster.

use super::{Services, foreign};
use anyhow::Context;
use lab::process::Program;
use lab::run_context::RunContext;
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// SIGKILL cannot be refused.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// What the contract gives a server for its orderly end, and a second more.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(6);

/// How a server is started.
pub struct Launch<'a> {
    /// See [`Server::name`].
    pub name: String,
    /// The file for its log, in the run's folder.
    pub log: String,
    /// `--db`, with its password.
    pub database: &'a str,
    /// `--backplane`; `None` for a server that is alone.
    pub backplane: Option<&'a str>,
    /// More options.
    pub options: &'a [String],
    /// The shell command of another server, which starts in place of ours.
    pub foreign: Option<&'a str>,
}

/// One of them. Dropping it ends it.
pub struct Server {
    /// `server-1`, and so on.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The file with its log.
    pub log: PathBuf,
    program: Program,
}

impl Server {
    /// Starts a server on a free port, and waits until it listens. Like every
    /// [`Program`], it has to be started by a thread that outlives it.
    ///
    /// # Errors
    /// When it does not start; the text has the end of its log.
    pub fn start(context: &RunContext<'_>, launch: &Launch<'_>) -> anyhow::Result<Server> {
        // Everyone on this machine can read a program's arguments: no password there.
        let mut environment = vec![("CHAT_DB", launch.database)];
        environment.extend(launch.backplane.map(|url| ("CHAT_BACKPLANE", url)));
        let why = || format!("{} does not start", launch.name);
        let (program, address) = match launch.foreign {
            Some(command) => foreign::start(context, command, &launch.log, &environment).with_context(why)?,
            None => {
                let listen = "127.0.0.1:0";
                let started = context.listening_server_as(&launch.log, listen, launch.options, &environment);
                let (program, address) = started.with_context(why)?;
                (program, address.parse().context("it listens on a strange address")?)
            }
        };
        Ok(Server { name: launch.name.clone(), address, log: context.path(&launch.log), program })
    }

    /// Three of them, which use `services`.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_three(context: &RunContext<'_>, services: &Services) -> anyhow::Result<Vec<Server>> {
        let start = |n| {
            let name = format!("server-{n}");
            let (log, database) = (format!("{name}.log"), services.database.as_str());
            let backplane = Some(&*services.redis.url());
            Server::start(context, &Launch { name, log, database, backplane, options: &[], foreign: None })
        };
        (1..=3).map(start).collect()
    }

    /// Returns `true` if it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.program.ended().is_none()
    }

    /// Ends it by SIGKILL: it does nothing more, and closes no connection in good order.
    pub fn kill(&mut self) {
        self.program.signal(Signal::KILL);
        self.program.wait_until(Instant::now() + KILL_TIMEOUT);
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.program.signal(signal);
    }

    /// Waits for its end. Returns `true` if it ends in good order.
    fn ends_well(&mut self) -> bool {
        let status = self.program.wait_until(Instant::now() + SHUTDOWN_TIMEOUT);
        status.is_some_and(|status| status.success())
    }
}

/// Ends the servers that run, all at the same time.
///
/// # Errors
/// When one of them does not end in good order.
pub fn end_all(servers: &mut [Server]) -> anyhow::Result<()> {
    let mut running: Vec<_> = servers.iter_mut().collect();
    running.retain_mut(|server| server.is_running());
    running.iter_mut().for_each(|server| server.signal(Signal::TERM));
    for server in running {
        anyhow::ensure!(
            server.ends_well(),
            "{} did not end in good order; its log is {}",
            server.name,
            server.log.display()
        );
    }
    Ok(())
}
