//! A server in a folder of its own, and users who talk.

use stage5_aes::keyfile::KeyFile;
use stage6_auth::envelope::Envelope;
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

const NOT_STORED: &str = "[SERVER] error: message not stored, try again";

/// The folder, with the key and the database in it.
pub struct Chat {
    folder: TempDir,
    envelope: Arc<Envelope>,
}

impl Chat {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyFile::random();
        key.save(&folder.path().join("chat.key"), false).unwrap();
        Chat { folder, envelope: Arc::new(Envelope::new(&key.key)) }
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("chat.db")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn sqlite_url(&self) -> String {
        format!("sqlite:{}", self.database().display())
    }
}

/// A running server; killed when it is dropped.
pub struct Server {
    child: Child,
    address: String,
    envelope: Arc<Envelope>,
}

impl Server {
    pub fn start(chat: &Chat, database: &str) -> Self {
        Self::start_with(chat, database, &[])
    }

    /// With more in its environment.
    pub fn start_with(chat: &Chat, database: &str, environment: &[(&str, &Path)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stage6-server"))
            .args(["--listen", "127.0.0.1:0", "--bcrypt-cost", "4", "--log-level", "warn"])
            .env("CHAT_DB", database)
            .envs(environment.iter().copied())
            .current_dir(chat.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        said.next().expect("the server starts").unwrap();
        let second = said.next().expect("the server listens").unwrap();
        let address = second.strip_prefix("Listening on ").unwrap().to_owned();
        Server { child, address, envelope: chat.envelope.clone() }
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; how it ended, and after how long.
    pub fn terminate(mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        (self.child.wait().unwrap().code(), start.elapsed())
    }

    pub fn still_runs(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "the server has ended");
    }

    pub fn enter(&self, name: &str, new: bool) -> TestUser {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let user = TestUser {
            reader: Some(read(stream.try_clone().unwrap(), self.envelope.clone())),
            stream,
            envelope: self.envelope.clone(),
        };
        let command = if new { "REGISTER" } else { "LOGIN" };
        user.send(&[format!("{command} {name} a good password")]).unwrap();
        user.wait("to be let in", |inbox| inbox.is_in);
        user
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a user has seen since it came in.
#[derive(Default)]
pub struct Inbox {
    is_in: bool,
    /// What others said, `name: text`.
    seen: Vec<String>,
    pub not_stored: usize,
    pub shutdown_notice: bool,
}

pub struct TestUser {
    stream: TcpStream,
    envelope: Arc<Envelope>,
    reader: Option<(Arc<Mutex<Inbox>>, JoinHandle<()>)>,
}

fn read(stream: TcpStream, envelope: Arc<Envelope>) -> (Arc<Mutex<Inbox>>, JoinHandle<()>) {
    let inbox = Arc::new(Mutex::new(Inbox::default()));
    let thread = thread::spawn({
        let inbox = inbox.clone();
        move || {
            let mut lines = BufReader::new(stream).split(b'\n');
            // A last line that was cut by the kill has no line end, and is none.
            while let Some(Ok(line)) = lines.next() {
                let Ok(text) = envelope.open(&line) else { break };
                let mut inbox = inbox.lock().unwrap();
                if text.starts_with("[USERS_LIST]") {
                    inbox.is_in = true;
                } else if text == "[SERVER] server is shutting down" {
                    inbox.shutdown_notice = true;
                } else if text == NOT_STORED {
                    inbox.not_stored += 1;
                } else if text.starts_with("writer") {
                    inbox.seen.push(text);
                }
            }
        }
    });
    (inbox, thread)
}

impl TestUser {
    pub fn send(&self, lines: &[String]) -> std::io::Result<()> {
        let mut sealed = Vec::new();
        for line in lines {
            self.envelope.seal_into(line, &mut sealed);
            sealed.push(b'\n');
        }
        (&self.stream).write_all(&sealed)
    }

    pub fn wait(&self, what: &str, done: impl Fn(&Inbox) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(&self.reader.as_ref().unwrap().0.lock().unwrap()) {
            assert!(Instant::now() < deadline, "waited in vain {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn sees_more_than(&self, count: usize) {
        self.wait("for lines of others", |inbox| inbox.seen.len() > count);
    }

    pub fn seen(&self) -> usize {
        self.reader.as_ref().unwrap().0.lock().unwrap().seen.len()
    }

    pub fn not_stored(&self) -> usize {
        self.reader.as_ref().unwrap().0.lock().unwrap().not_stored
    }

    pub fn half_close(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// All that came until the connection ended, each line at most once.
    pub fn seen_to_the_end(self) -> HashSet<String> {
        self.seen_and_refused().0
    }

    /// The same, and how many lines of its own were not stored.
    pub fn seen_and_refused(mut self) -> (HashSet<String>, usize) {
        let (inbox, thread) = self.reader.take().unwrap();
        thread.join().unwrap();
        let inbox = std::mem::take(&mut *inbox.lock().unwrap());
        (crate::once(inbox.seen), inbox.not_stored)
    }
}

/// Somebody who writes all the time, each line another one.
pub struct Writer {
    user: Arc<TestUser>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub fn start(user: TestUser, round: u64) -> Self {
        let (user, stop, sent) = (Arc::new(user), Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let thread = thread::spawn({
            let (user, stop, sent) = (user.clone(), stop.clone(), sent.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    let first = sent.load(Ordering::Relaxed);
                    let lines: Vec<_> =
                        (first..first + 10).map(|n| format!("round {round} line {n}")).collect();
                    if user.send(&lines).is_err() {
                        return;
                    }
                    sent.store(first + 10, Ordering::Relaxed);
                    // Enough for a batch each time, and still a short test.
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Writer { user, stop, sent, thread }
    }

    pub fn user(&self) -> &TestUser {
        &self.user
    }

    /// Stops, if the connection has not ended already; how many lines it sent.
    pub fn stop(self) -> (TestUser, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        let user = Arc::into_inner(self.user).expect("its thread has ended");
        (user, self.sent.load(Ordering::Relaxed))
    }

    pub fn end(self) -> TestUser {
        self.stop().0
    }
}
