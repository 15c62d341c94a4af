//! A Redis server of one's own, from the installed binary: on a free port of the
//! loopback interface, with nothing in it and nothing kept, gone with its test.

use crate::mariadb::{end_watchdog, find, free_port, watch};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Starting takes some milliseconds.
const STARTUP: Duration = Duration::from_secs(20);

/// Where it writes its data, and where they are kept.
const DUMP: &str = "dump.rdb";
const OLD_DUMP: &str = "old.rdb";

/// A private Redis server; dropping it stops it.
pub struct Redis {
    folder: TempDir,
    port: u16,
    password: Option<String>,
    running: Option<(Child, Child)>,
}

impl Redis {
    /// Why there can be no Redis here, or `None`. As with MariaDB,
    /// `TESTKIT_REQUIRE_MARIADB=1`, which CI sets, makes it always `None`.
    pub fn missing() -> Option<String> {
        if std::env::var_os("TESTKIT_REQUIRE_MARIADB").is_some_and(|value| value == "1") {
            return None;
        }
        let why =
            "redis-server not installed; on Debian: apt-get install --no-install-recommends redis-server";
        find("redis-server").is_none().then(|| why.to_owned())
    }

    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        Self::launch().unwrap_or_else(|why| panic!("{why}"))
    }

    /// As [`Redis::start`], for a program and not a test.
    ///
    /// # Errors
    /// When it does not start.
    pub fn launch() -> Result<Self, String> {
        Self::launch_with(None)
    }

    /// The same, which refuses clients without this password.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_with_password(password: &str) -> Self {
        Self::launch_with(Some(password.to_owned())).unwrap_or_else(|why| panic!("{why}"))
    }

    fn launch_with(password: Option<String>) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("redis").tempdir();
        let folder = folder.map_err(|e| format!("no temporary folder can be made: {e}"))?;
        let mut redis = Redis { folder, port: 0, password, running: None };
        // Between our asking for a free port and the server's taking it, another
        // program may have taken it.
        for _ in 0..5 {
            redis.port = free_port();
            if redis.try_start() {
                return Ok(redis);
            }
        }
        Err("redis-server does not start".to_owned())
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As `--backplane` has it, without a password.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it by SIGKILL; all that it had is lost.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        if let Some((mut server, watchdog)) = self.running.take() {
            end_watchdog(watchdog);
            let _ = server.wait();
        }
    }

    /// Starts it again, empty, on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let deadline = Instant::now() + STARTUP;
        while !self.try_start() {
            assert!(Instant::now() < deadline, "redis-server does not start again");
        }
    }

    /// Keeps a copy of what it has now, for [`Redis::restart_with_old_data`].
    ///
    /// # Errors
    /// When it does not do that.
    pub fn keep_data(&self) -> Result<(), String> {
        self.command("SAVE")?;
        fs::rename(self.folder.path().join(DUMP), self.folder.path().join(OLD_DUMP))
            .map_err(|e| format!("Redis has saved no data: {e}"))
    }

    /// Starts it again with the data that [`Redis::keep_data`] has kept.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart_with_old_data(&mut self) {
        self.kill();
        let [old, dump] = [OLD_DUMP, DUMP].map(|name| self.folder.path().join(name));
        fs::copy(old, &dump).expect("`keep_data` has made it");
        self.restart();
        fs::remove_file(dump).expect("it was made just now");
    }

    /// Has it do this, a command without arguments that answers `OK`.
    ///
    /// # Errors
    /// When it does not.
    pub fn command(&self, command: &str) -> Result<(), String> {
        let mut answer = [0; 3];
        let done = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(STARTUP))?;
            stream.write_all(format!("{command}\r\n").as_bytes())?;
            stream.read_exact(&mut answer)
        });
        match done {
            Ok(()) if &answer == b"+OK" => Ok(()),
            Ok(()) => Err(format!("Redis refuses {command}")),
            Err(error) => Err(format!("Redis does not answer {command}: {error}")),
        }
    }

    /// Freezes it: connections stay and nothing answers.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends what [`Redis::freeze`] began.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Returns `false` if it ended before it answered.
    fn try_start(&mut self) -> bool {
        let mut command = Command::new(find("redis-server").expect("`missing` says whether it is installed"));
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(["--port", &self.port.to_string()])
            .arg("--dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal is not meant for it.
            .process_group(0);
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        let server = command.spawn().expect("redis-server can be started");
        let watchdog = watch(&server, self.folder.path());
        self.running = Some((server, watchdog));
        let deadline = Instant::now() + STARTUP;
        while !answers(self.port) {
            let ended =
                self.running.as_mut().is_some_and(|(server, _)| !matches!(server.try_wait(), Ok(None)));
            if ended || Instant::now() > deadline {
                self.kill();
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    }

    fn signal(&self, signal: Signal) {
        if let Some((server, _)) = &self.running {
            let _ = kill_process(Pid::from_child(server), signal);
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `PONG`, or that a password is needed.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut answer = [0; 5];
    stream.write_all(b"PING\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && (&answer == b"+PONG" || &answer == b"-NOAU")
}
