//! A MariaDB server of one's own, from the installed binaries: on a free port
//! of the loopback interface, with a fresh data folder, gone with its test.
//!
//! Its `root` has no password. It holds nothing but a test's data and can be
//! reached from this machine only.

mod install;

pub(crate) use install::find;
use install::template;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Starting takes 0.1 s, and after a kill a little recovery.
const STARTUP: Duration = Duration::from_secs(30);

/// A private MariaDB server; dropping it stops it and removes its data.
pub struct MariaDb {
    folder: TempDir,
    port: u16,
    running: Option<Running>,
}

struct Running {
    server: Child,
    /// Ends the server and removes its data when this process dies without
    /// dropping anything: by SIGKILL, or by Ctrl-C.
    watchdog: Child,
}

impl MariaDb {
    /// Why there can be no MariaDB here, or `None`. A test that needs it is
    /// then to be reported as ignored, not as passed.
    ///
    /// With `TESTKIT_REQUIRE_MARIADB=1`, which CI sets, it is always `None`, so
    /// that such tests fail there instead of being ignored for ever.
    pub fn missing() -> Option<String> {
        if std::env::var_os("TESTKIT_REQUIRE_MARIADB").is_some_and(|value| value == "1") {
            return None;
        }
        let missing: Vec<&str> = ["mariadbd", "mariadb-install-db", "my_print_defaults"]
            .into_iter()
            .filter(|name| find(name).is_none())
            .collect();
        if missing.is_empty() {
            return None;
        }
        Some(format!(
            "{} not installed; on Debian: apt-get install --no-install-recommends mariadb-server-core mariadb-client-core",
            missing.join(", ")
        ))
    }

    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// When it does not start, with the end of its log.
    pub fn start() -> Self {
        Self::launch().unwrap_or_else(|why| panic!("{why}"))
    }

    /// As [`MariaDb::start`], for a program and not a test.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub fn launch() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("mdb").tempdir();
        let folder = folder.map_err(|e| format!("no temporary folder can be made: {e}"))?;
        let copied = Command::new("cp").arg("-a").arg(template()?).arg(folder.path().join("data")).status();
        if !copied.is_ok_and(|status| status.success()) {
            return Err("copying MariaDB's fresh data folder failed".to_owned());
        }
        let mut server = MariaDb { folder, port: 0, running: None };
        // Between our asking for a free port and the server's taking it,
        // another program may have taken it.
        for _ in 0..5 {
            server.port = free_port();
            if server.try_start() {
                return Ok(server);
            }
        }
        Err(format!("MariaDB does not start; its log ends with:\n{}", server.log_end()))
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The administrator's URL for a database, which need not exist yet.
    pub fn admin_url(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.port)
    }

    /// Ends it by SIGKILL, as a power cut would: nothing is flushed or said.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Ends it in good order.
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Starts it again, on the same port and data, and waits until it answers.
    ///
    /// # Panics
    /// When it does not start, with the end of its log.
    pub fn restart(&mut self) {
        self.end(Signal::TERM);
        let deadline = Instant::now() + STARTUP;
        while !self.try_start() {
            assert!(Instant::now() < deadline, "MariaDB does not start again:\n{}", self.log_end());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Freezes it: connections stay and nothing answers.
    ///
    /// # Panics
    /// When it does not stop within [`STARTUP`].
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        // The signal reaches one thread after the other: until then they answer.
        let deadline = Instant::now() + STARTUP;
        while !self.is_frozen() {
            assert!(Instant::now() < deadline, "the database does not stop");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns `true` if every thread of the process is stopped: state `T` in
    /// proc_pid_stat(5), behind the name in brackets.
    fn is_frozen(&self) -> bool {
        let Some(Running { server, .. }) = &self.running else { return true };
        let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", server.id())) else { return true };
        tasks.flatten().all(|task| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
        })
    }

    /// Ends what [`MariaDb::freeze`] began.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// False when it ended by itself before it answered.
    fn try_start(&mut self) -> bool {
        let mut server = self.command().spawn().expect("mariadbd can be started");
        let watchdog = watch(&server, self.folder.path());
        let deadline = Instant::now() + STARTUP;
        while !answers(self.port) {
            if server.try_wait().ok().flatten().is_some() {
                end_watchdog(watchdog);
                return false;
            }
            if Instant::now() > deadline {
                self.running = Some(Running { server, watchdog });
                self.kill();
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.running = Some(Running { server, watchdog });
        true
    }

    fn command(&self) -> Command {
        let folder = self.folder.path();
        let log = fs::File::create(self.log_path()).expect("the log can be made in our own folder");
        let mut command = Command::new(find("mariadbd").expect("`missing` says whether it is installed"));
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.join("data").display()))
            .arg(format!("--socket={}", folder.join("s").display()))
            .arg(format!("--pid-file={}", folder.join("pid").display()))
            .arg(format!("--port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin", "--local-infile=0"])
            .args(["--skip-ssl", "--performance-schema=OFF", "--max-connections=32"])
            .args(["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M"])
            .args(["--key-buffer-size=1M", "--aria-pagecache-buffer-size=1M"])
            .args(["--character-set-server=utf8mb4"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        // A Ctrl-C at the terminal is not meant for it.
        command.process_group(0);
        // As root it refuses to start unless told so.
        if fs::metadata(folder).is_ok_and(|folder| folder.uid() == 0) {
            command.arg("--user=root");
        }
        command
    }

    fn end(&mut self, signal: Signal) {
        self.signal(signal);
        let Some(Running { mut server, watchdog }) = self.running.take() else { return };
        // While it has not been waited for, its number cannot be anyone else's;
        // afterwards the watchdog must not use it any more.
        end_watchdog(watchdog);
        let deadline = Instant::now() + STARTUP;
        while server.try_wait().is_ok_and(|status| status.is_none()) {
            if Instant::now() > deadline {
                let _ = server.kill();
                let _ = server.wait();
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(Running { server, .. }) = &self.running {
            let _ = kill_process(Pid::from_child(server), signal);
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        // A frozen server would never see a gentler signal, and its data goes anyway.
        self.kill();
    }
}

/// A shell whose standard input is a pipe that only this process holds the
/// other end of: when the pipe breaks, this process is gone.
pub(crate) fn watch(server: &Child, folder: &Path) -> Child {
    Command::new("sh")
        .args(["-c", r#"trap "" INT TERM HUP; cat; kill -9 "$1" && sleep 0.2; rm -rf -- "$2""#, "watchdog"])
        .arg(server.id().to_string())
        .arg(folder)
        // Out of reach of a Ctrl-C meant for the tests.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh can be started")
}

pub(crate) fn end_watchdog(mut watchdog: Child) {
    // The whole group: the shell alone would leave its `cat` behind, which
    // ends by itself only when the pipe is closed.
    let _ = rustix::process::kill_process_group(Pid::from_child(&watchdog), Signal::KILL);
    let _ = watchdog.wait();
}

/// A server greets each client; a port that is merely open does not.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut greeting = [0; 5];
    // Behind the packet's length and number: protocol version 10.
    stream.read_exact(&mut greeting).is_ok() && greeting[4] == 10
}

pub(crate) fn free_port() -> u16 {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback interface has free ports");
    listener.local_addr().expect("a bound socket has an address").port()
}
