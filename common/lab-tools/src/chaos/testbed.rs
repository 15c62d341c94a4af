//! What a run breaks: three servers, MariaDB and Redis, and the links between them.

use super::fault::{Fault, LinkTo, SERVERS};
use super::history::Line;
use super::line_format::{LineFormat, listen_for_tls};
use crate::cluster::{Launch, Server, Services, foreign};
use crate::proxy::Proxy;
use crate::sealed::Keys;
use crate::wire::tap::Link;
use anyhow::Context;
use lab::run_context::RunContext;
use rustix::process::Signal;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How much later everything comes over a slow link.
const DELAY: Duration = Duration::from_millis(60);

/// What a link carries that is given few bytes a second: less than is said meanwhile.
const BYTES_A_SECOND: u32 = 8000;

/// Before a link is cut or loses its connections, nothing is answered for so long: long enough
/// that each server stores something meanwhile.
const UNANSWERED: Duration = Duration::from_millis(200);

/// All of it. Dropping it ends everything.
pub struct Testbed<'a> {
    context: &'a RunContext<'a>,
    services: Services,
    /// One for each server: from users, to Redis, to the database.
    links: [Vec<Proxy>; 3],
    servers: Vec<Server>,
    /// Servers that were killed and have not been started again.
    down: Vec<usize>,
    /// How often a server was started, for the names of the logs.
    starts: usize,
    /// The run's folder, below that of the context.
    folder: &'a str,
    /// The command of another server in place of ours.
    foreign: Option<&'a str>,
}

impl<'a> Testbed<'a> {
    /// Starts everything; logs come into `folder`. `foreign` is the command of a server
    /// in place of ours.
    ///
    /// # Errors
    /// When something does not start.
    pub fn start(
        context: &'a RunContext<'a>,
        folder: &'a str,
        foreign: Option<&'a str>,
    ) -> anyhow::Result<Testbed<'a>> {
        let services = Services::start(context)?;
        let link = |port| {
            let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            Proxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), vec![to]).context("a link cannot listen")
        };
        // The servers are not there yet: `start_server` says where they are.
        let ports = [0, services.redis.port(), services.mariadb.port()];
        let links = ports.map(|port| (0..SERVERS).map(|_| link(port)).collect::<anyhow::Result<Vec<_>>>());
        let [users, redis, database] = links;
        let links = [users?, redis?, database?];
        let (servers, down) = (Vec::new(), Vec::new());
        let mut testbed = Testbed { context, services, links, servers, down, starts: 0, folder, foreign };
        for n in 0..SERVERS {
            let server = testbed.start_server(n)?;
            testbed.servers.push(server);
        }
        Ok(testbed)
    }

    /// Where users reach the servers, over TLS if need be.
    ///
    /// # Errors
    /// When nothing can listen there.
    pub fn addresses(&self) -> anyhow::Result<Vec<SocketAddr>> {
        let links = self.links[0].iter().map(|link| link.address);
        match self.speaks_tls() {
            true => links.map(|link| listen_for_tls(link, &self.file("certs/ca.pem"))).collect(),
            false => Ok(links.collect()),
        }
    }

    /// How lines look.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn format(&self) -> anyhow::Result<LineFormat> {
        match self.speaks_tls() {
            true => Ok(LineFormat::Plain),
            false => Ok(LineFormat::Sealed(Keys::read(&self.file("chat.key"))?)),
        }
    }

    fn speaks_tls(&self) -> bool {
        matches!(self.context.stage.wire, lab::registry::WireFormat::Tls)
    }

    /// The key that users and servers share, or the authority that users trust. Another
    /// server takes the one where the user typed the command, as in the checks.
    fn file(&self, name: &str) -> PathBuf {
        match self.foreign {
            Some(_) => foreign::working_folder().join(name),
            None => self.context.path(name),
        }
    }

    fn start_server(&mut self, n: usize) -> anyhow::Result<Server> {
        self.starts += 1;
        let port = self.services.mariadb.port();
        let over_link = self.link(LinkTo::Database, n).address.port();
        let database = self.services.database.replace(&format!(":{port}/"), &format!(":{over_link}/"));
        let server = Server::start(
            self.context,
            &Launch {
                name: format!("server-{}", n + 1),
                log: format!("{}/server-{}-{}.log", self.folder, n + 1, self.starts),
                database: &database,
                backplane: Some(&format!("redis://{}", self.link(LinkTo::Redis, n).address)),
                // What is tried is not the hash: logins are to be quick.
                options: &["--bcrypt-cost".to_owned(), "4".to_owned()],
                foreign: self.foreign,
            },
        )?;
        self.link(LinkTo::Server, n).set_servers(vec![server.address]);
        Ok(server)
    }

    fn link(&self, to: LinkTo, n: usize) -> &Proxy {
        &self.links[to as usize][n]
    }

    /// Does what is planned.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn begin(&mut self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::KillServer(n) => {
                self.servers[n].kill();
                self.down.push(n);
            }
            Fault::PauseServer(n) => self.servers[n].signal(Signal::STOP),
            Fault::KillRedis | Fault::AgeRedis => self.services.redis.kill(),
            Fault::EmptyRedis => self.flush_redis()?,
            Fault::FreezeRedis => self.services.redis.freeze(),
            Fault::KillDatabase => self.services.mariadb.kill(),
            Fault::FreezeDatabase => self.services.mariadb.freeze(),
            Fault::Cut(to, n) => self.without_answers(to, n).cut(),
            Fault::Freeze(to, n) => self.link(to, n).link().freeze(),
            Fault::Delay(to, n) => self.link(to, n).link().slow_down(DELAY),
            Fault::LimitRate(to, n) => self.link(to, n).link().limit_rate(BYTES_A_SECOND),
            Fault::Split(to, n) => self.link(to, n).link().split(),
            Fault::HalfClose(to, n) => self.link(to, n).link().half_close(),
            Fault::Lose(to, n) => self.without_answers(to, n).lose(),
        }
        Ok(())
    }

    /// Holds up the answers on a link for a moment: whatever ends the link then, something has
    /// arrived that was never answered.
    fn without_answers(&self, to: LinkTo, n: usize) -> &Link {
        let link = self.link(to, n).link();
        link.block_answers();
        thread::sleep(UNANSWERED);
        link
    }

    /// Ends it. A server that was killed is started by [`Testbed::start_again`].
    pub fn end(&mut self, fault: Fault) {
        match fault {
            Fault::KillServer(_) | Fault::EmptyRedis | Fault::HalfClose(..) | Fault::Lose(..) => {}
            Fault::PauseServer(n) => self.servers[n].signal(Signal::CONT),
            Fault::KillRedis => self.services.redis.restart(),
            Fault::AgeRedis => self.services.redis.restart_with_old_data(),
            Fault::FreezeRedis => self.services.redis.thaw(),
            Fault::KillDatabase => self.services.mariadb.restart(),
            Fault::FreezeDatabase => self.services.mariadb.thaw(),
            Fault::Cut(to, n)
            | Fault::Freeze(to, n)
            | Fault::Delay(to, n)
            | Fault::LimitRate(to, n)
            | Fault::Split(to, n) => Link::restore(self.link(to, n).link()),
        }
    }

    /// Starts the servers again that were killed, but those that could not start while
    /// these faults last, or are to stay dead yet.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start_again(&mut self, active: &[Fault]) -> anyhow::Result<()> {
        let waits = |n: usize| {
            active.iter().any(|fault| *fault == Fault::KillServer(n) || fault.prevents_start_of(n))
        };
        for n in std::mem::take(&mut self.down) {
            match waits(n) {
                true => self.down.push(n),
                false => self.servers[n] = self.start_server(n)?,
            }
        }
        Ok(())
    }

    fn flush_redis(&self) -> anyhow::Result<()> {
        self.services.redis.command("FLUSHALL").map_err(anyhow::Error::msg)
    }

    /// Keeps what Redis has now, for [`Fault::AgeRedis`].
    ///
    /// # Errors
    /// When Redis does not do it.
    pub fn dump_redis(&self) -> anyhow::Result<()> {
        self.services.redis.keep_data().map_err(anyhow::Error::msg)
    }

    /// The messages of the lobby, in the order of the log.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub fn lobby(&self) -> anyhow::Result<Vec<Line>> {
        let query = "SELECT CONCAT(username, ': ', message) FROM messages \
                     WHERE kind = 'room' AND place = 'lobby' ORDER BY id";
        Ok(self.services.query(query)?.lines().map(str::to_owned).collect())
    }

    /// How often a server was declared dead, by the logs.
    pub fn declared_dead(&self) -> usize {
        let files = fs::read_dir(self.context.path(self.folder)).into_iter().flatten().flatten();
        let logs =
            files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "log"));
        let count =
            |path: &Path| fs::read_to_string(path).unwrap_or_default().matches("is declared dead").count();
        logs.map(|path| count(&path)).sum()
    }
}

impl Drop for Testbed<'_> {
    /// Whatever their state is: a server that is stopped would not see a gentler signal.
    fn drop(&mut self) {
        self.servers.iter_mut().for_each(Server::kill);
    }
}
