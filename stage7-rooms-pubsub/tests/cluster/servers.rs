//! Three servers, a private MariaDB and Redis, and users.

use mysql::prelude::Queryable;
use stage5_aes::keyfile::KeyFile;
use stage6_auth::envelope::Envelope;
use stage6_auth::store::DbUrl;
use stage6_auth::store::mysql::setup::{Account, init};
use stage7_rooms_pubsub::message_store::SCHEMA;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use testkit::mariadb::MariaDb;
use testkit::redis::Redis;

/// Far longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const NOT_STORED: &str = "[SERVER] error: message not stored, try again";

pub struct Cluster {
    pub mariadb: MariaDb,
    pub redis: Redis,
    pub folder: TempDir,
    pub url: String,
    pub servers: Vec<Server>,
    envelope: Arc<Envelope>,
}

impl Cluster {
    pub fn start(servers: usize) -> Self {
        Self::start_with(servers, &[])
    }

    pub fn start_with(servers: usize, flags: &[&str]) -> Self {
        let mariadb = MariaDb::start();
        let DbUrl::MySql(admin) = mariadb.admin_url("chat").parse().unwrap() else { unreachable!() };
        let account = Account { user: "chat".into(), hosts: Vec::new(), new_password: false };
        let url = init(&admin, &SCHEMA, &account).unwrap().url.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let key = KeyFile::random();
        key.save(&folder.path().join("chat.key"), false).unwrap();
        let envelope = Arc::new(Envelope::new(&key.key));
        let redis = Redis::start();
        let mut cluster = Cluster { mariadb, redis, folder, url, servers: Vec::new(), envelope };
        for _ in 0..servers {
            let server = cluster.new_server(flags);
            cluster.servers.push(server);
        }
        cluster
    }

    pub fn command(&self, backplane: &str, db: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stage7-server"));
        command
            .args(["--listen", "127.0.0.1:0", "--bcrypt-cost", "4", "--no-log-file", "--log-level", "info"])
            .env("CHAT_DB", db)
            .env("CHAT_BACKPLANE", backplane)
            .current_dir(self.folder.path());
        command
    }

    /// One more, which reaches the database by this URL.
    pub fn add_server_with_database(&mut self, url: &str) {
        let server = self.new_server_with_database(url, &[]);
        self.servers.push(server);
    }

    pub fn new_server(&self, flags: &[&str]) -> Server {
        self.new_server_with_database(&self.url, flags)
    }

    fn new_server_with_database(&self, url: &str, flags: &[&str]) -> Server {
        let log = self.folder.path().join(format!("log-{}", self.servers.len()));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut child = self
            .command(&self.redis.url(), url)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = said.next().unwrap_or_else(|| panic!("{}", std::fs::read_to_string(&log).unwrap()));
            if let Some(address) = line.unwrap().strip_prefix("Listening on ") {
                break address.to_owned();
            }
        };
        Server { child, address, log }
    }

    /// A new account on this server.
    pub fn register(&self, server: usize, name: &str) -> User {
        self.enter(server, &format!("REGISTER {name} a good password"))
    }

    pub fn login(&self, server: usize, name: &str) -> User {
        self.enter(server, &format!("LOGIN {name} a good password"))
    }

    /// Comes in by this line.
    pub fn enter(&self, server: usize, line: &str) -> User {
        let user = self.connect(server, line);
        user.hears_some("to be let in", |line| line.starts_with("[USERS_LIST] "));
        user
    }

    pub fn connect(&self, server: usize, line: &str) -> User {
        let stream = TcpStream::connect(&self.servers[server].address).unwrap();
        let user = User {
            inbox: read(stream.try_clone().unwrap(), self.envelope.clone()),
            stream,
            envelope: self.envelope.clone(),
        };
        user.send(line);
        user
    }

    pub fn admin(&self) -> mysql::Conn {
        let url = self.mariadb.admin_url("chat");
        mysql::Conn::new(
            mysql::OptsBuilder::from_opts(mysql::Opts::from_url(&url).unwrap()).prefer_socket(false),
        )
        .unwrap()
    }

    /// `name: text` of all messages in the lobby, in the order of the history.
    pub fn history(&self) -> Vec<String> {
        let query =
            "SELECT username, message FROM messages WHERE kind = 'room' AND place = 'lobby' ORDER BY id";
        self.admin().query_map(query, |(name, text): (String, String)| format!("{name}: {text}")).unwrap()
    }

    pub fn log(&self, server: usize) -> String {
        std::fs::read_to_string(&self.servers[server].log).unwrap()
    }
}

impl Drop for Cluster {
    /// When a test fails, what its servers had to say tells more.
    fn drop(&mut self) {
        if thread::panicking() {
            for n in 0..self.servers.len() {
                let log = self.log(n);
                let lines: Vec<&str> = log.lines().collect();
                eprintln!(
                    "the log of server {n} ends with:\n{}",
                    lines[lines.len().saturating_sub(25)..].join("\n")
                );
            }
        }
    }
}

/// Killed when it is dropped.
pub struct Server {
    child: Child,
    pub address: String,
    log: std::path::PathBuf,
}

impl Server {
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Default)]
pub struct Lines {
    pub lines: Vec<String>,
    /// Why, if it was not the end of the stream.
    pub ended: Option<String>,
}

type Inbox = Arc<(Mutex<Lines>, Condvar)>;

pub struct User {
    stream: TcpStream,
    envelope: Arc<Envelope>,
    inbox: Inbox,
}

fn read(stream: TcpStream, envelope: Arc<Envelope>) -> Inbox {
    let inbox = Inbox::default();
    thread::spawn({
        let inbox = inbox.clone();
        move || {
            let mut lines = BufReader::new(stream).split(b'\n');
            // A last line that was cut by the kill does not open, and is none.
            let mut why = String::new();
            for line in &mut lines {
                let text = line
                    .map_err(|e| e.to_string())
                    .and_then(|line| envelope.open(&line).map_err(|e| format!("{e:?}")));
                match text {
                    Ok(text) => inbox.0.lock().unwrap().lines.push(text),
                    Err(error) => {
                        why = error;
                        break;
                    }
                }
                inbox.1.notify_all();
            }
            inbox.0.lock().unwrap().ended = Some(why);
            inbox.1.notify_all();
        }
    });
    inbox
}

impl User {
    pub fn send(&self, line: &str) {
        let _ = self.try_send(line);
    }

    pub fn try_send(&self, line: &str) -> std::io::Result<()> {
        let mut sealed = Vec::new();
        self.envelope.seal_into(line, &mut sealed);
        sealed.push(b'\n');
        (&self.stream).write_all(&sealed)
    }

    /// Waits until `done` is true of all that came so far.
    pub fn wait(&self, what: &str, patience: Duration, done: impl Fn(&Lines) -> bool) {
        let deadline = Instant::now() + patience;
        let mut lines = self.inbox.0.lock().unwrap();
        while !done(&lines) {
            let left = deadline.saturating_duration_since(Instant::now());
            let last = &lines.lines[lines.lines.len().saturating_sub(12)..];
            let ended = &lines.ended;
            assert!(!left.is_zero(), "waited in vain {what}; ended: {ended:?}; the last lines: {last:#?}");
            lines = self.inbox.1.wait_timeout(lines, left.min(Duration::from_millis(500))).unwrap().0;
        }
    }

    pub fn hears_some(&self, what: &str, fits: impl Fn(&str) -> bool) {
        self.wait(what, PATIENCE, |lines| lines.lines.iter().any(|line| fits(line)));
    }

    pub fn hears(&self, text: &str) {
        self.hears_some(&format!("for {text:?}"), |line| line == text);
    }

    pub fn is_disconnected(&self) {
        self.wait("to be disconnected", PATIENCE, |lines| lines.ended.is_some());
    }

    pub fn lines(&self) -> Vec<String> {
        self.inbox.0.lock().unwrap().lines.clone()
    }

    pub fn count(&self, text: &str) -> usize {
        self.lines().iter().filter(|line| *line == text).count()
    }

    pub fn has_ended(&self) -> bool {
        self.inbox.0.lock().unwrap().ended.is_some()
    }

    /// Forgets what came so far.
    pub fn forget(&self) {
        self.inbox.0.lock().unwrap().lines.clear();
    }

    pub fn disconnect(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    pub fn token(&self) -> String {
        let lines = self.lines();
        let success = lines.iter().find(|line| line.starts_with("AUTH_SUCCESS ")).unwrap();
        success.split(' ').nth(2).unwrap().to_owned()
    }

    /// What writers said: `writer…: …`.
    pub fn said(&self) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.starts_with("writer")).collect()
    }
}
