//! Scripted users: each logs in, says numbered lines, comes back when its connection
//! ends, and records everything, a JSON object a line.

use super::connection::{Connection, Known};
use super::history::{Millis, Session};
use super::line_format::LineFormat;
use anyhow::Context;
use common::poison::IgnorePoison;
use rand::RngExt;
use serde_json::json;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const CONNECT: Duration = Duration::from_secs(2);

/// A login waits for the database, which may be away.
const LOGIN: Duration = Duration::from_secs(10);

/// The same for every account.
const PASSWORD: &str = "a good password";

/// What a user does when its connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// It logs in on the next server at once.
    Returns,
    /// It is gone.
    StaysAway,
    /// It logs in again some time later, though the other scripted user of this name may
    /// have done so. It says nothing.
    Competes,
}

/// What the users of a run share.
pub struct RunState {
    /// How lines look.
    pub format: LineFormat,
    /// Where the servers are reached.
    pub servers: Vec<SocketAddr>,
    /// When the run began.
    pub started: Instant,
    /// Users say something.
    pub talking: AtomicBool,
    /// The run is over.
    pub ended: AtomicBool,
}

impl RunState {
    /// The time now.
    pub fn now(&self) -> Millis {
        // A run takes seconds.
        self.started.elapsed().as_millis() as Millis
    }
}

/// A scripted user.
pub struct User {
    /// Its account.
    pub name: String,
    /// When its connection ends.
    pub habit: Habit,
    state: Arc<RunState>,
    /// All of them, the last one last.
    connections: Mutex<Vec<Arc<Connection>>>,
    record: Mutex<File>,
}

impl User {
    /// A user that records in this file.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn new(
        name: &str,
        habit: Habit,
        state: &Arc<RunState>,
        record: PathBuf,
    ) -> anyhow::Result<Arc<User>> {
        let record = File::create(&record).with_context(|| format!("cannot write {}", record.display()))?;
        Ok(Arc::new(User {
            name: name.to_owned(),
            habit,
            state: state.clone(),
            connections: Mutex::default(),
            record: Mutex::new(record),
        }))
    }

    /// Comes, talks and comes back until the run is over. `server` counts from 0.
    pub fn live(self: &Arc<User>, mut server: usize, account_exists: bool) {
        let mut request =
            format!("{} {} {PASSWORD}", if account_exists { "LOGIN" } else { "REGISTER" }, self.name);
        let mut number = 0;
        while !self.state.ended.load(Ordering::SeqCst) {
            if let Some(connection) = self.log_in(server, &request) {
                let token = connection.lock().token.clone().unwrap_or_default();
                self.talk(&connection, &mut number);
                if self.habit == Habit::StaysAway {
                    return;
                }
                request = format!("RESUME {token}");
            } else {
                // The session may be over, and a registration may have come through.
                request = format!("LOGIN {} {PASSWORD}", self.name);
            }
            let pause = if self.habit == Habit::Competes { 500..2500 } else { 50..300 };
            thread::sleep(Duration::from_millis(rand::rng().random_range(pause)));
            // While everything recovers, no user takes a name any longer.
            if self.habit == Habit::Competes && !self.state.talking.load(Ordering::SeqCst) {
                return;
            }
            server = (server + 1) % self.state.servers.len();
        }
    }

    /// Connects, and waits until it is let in or not.
    fn log_in(self: &Arc<User>, server: usize, request: &str) -> Option<Arc<Connection>> {
        let stream = TcpStream::connect_timeout(&self.state.servers[server], CONNECT).ok()?;
        let connection = {
            let mut connections = self.connections.lock().ignore_poison();
            let connection = Connection::new(stream, &self.name, connections.len() + 1, server + 1);
            connections.push(Arc::new(connection));
            connections.last().cloned()?
        };
        self.note(&connection, "says", request);
        // Ends with the connection.
        thread::spawn({
            let (user, connection) = (self.clone(), connection.clone());
            move || user.read(&connection)
        });
        self.send(&connection, request);
        let deadline = Instant::now() + LOGIN;
        let mut known = connection.lock();
        let waits = |known: &Known| !known.logged_in && !known.failed && !known.ended;
        while waits(&known) && !self.state.ended.load(Ordering::SeqCst) && Instant::now() < deadline {
            known = connection.changed.wait_timeout(known, Duration::from_millis(100)).ignore_poison().0;
        }
        let is_in = known.logged_in;
        drop(known);
        if !is_in {
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
        is_in.then_some(connection)
    }

    /// Says lines until the connection has ended.
    fn talk(&self, connection: &Connection, number: &mut u64) {
        while !connection.lock().ended && !self.state.ended.load(Ordering::SeqCst) {
            if self.state.talking.load(Ordering::SeqCst) && self.habit != Habit::Competes {
                *number += 1;
                let text = format!("line {number}");
                connection.lock().says(format!("{}: {text}", self.name), self.state.now());
                self.note(connection, "says", &text);
                self.send(connection, &text);
            }
            thread::sleep(Duration::from_millis(rand::rng().random_range(30..90)));
        }
    }

    fn send(&self, connection: &Connection, text: &str) {
        if (&connection.stream).write_all(&self.state.format.line(text)).is_err() {
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
    }

    /// Asks for the list of users, on the connection that is open.
    pub fn ask_for_list(&self) {
        let last = self.connections.lock().ignore_poison().last().cloned();
        if let Some(connection) = last.filter(|connection| connection.lock().is_open()) {
            connection.lock().session.list.clear();
            self.send(&connection, "/users");
        }
    }

    /// Takes in what comes, to the end of the connection.
    fn read(&self, connection: &Connection) {
        let mut lines = BufReader::new(&connection.stream).split(b'\n');
        while let Some(Ok(line)) = lines.next() {
            let Some(text) = self.state.format.text(&line) else { break };
            self.note(connection, "shown", &text);
            connection.lock().take_in(&text, self.state.now());
            connection.changed.notify_all();
        }
        self.note(connection, "end", "");
        connection.lock().end(self.state.now());
        connection.changed.notify_all();
        let _ = connection.stream.shutdown(Shutdown::Both);
    }

    /// Its connections that were logged in.
    pub fn sessions(&self) -> Vec<Session> {
        let connections = self.connections.lock().ignore_poison();
        let mut sessions = Vec::new();
        for connection in connections.iter() {
            let known = connection.lock();
            if known.logged_in {
                sessions.push(Session { is_open: known.is_open(), ..known.session.clone() });
            }
        }
        sessions
    }

    /// Returns `true` if it has a connection that is logged in.
    pub fn is_in(&self) -> bool {
        let connections = self.connections.lock().ignore_poison();
        connections.iter().any(|connection| connection.lock().is_open())
    }

    /// Ends all its connections.
    pub fn disconnect(&self) {
        for connection in self.connections.lock().ignore_poison().iter() {
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
    }

    fn note(&self, connection: &Connection, what: &str, text: &str) {
        let (number, server) = {
            let session = &connection.lock().session;
            (session.number, session.server)
        };
        let at = self.state.now();
        let record = json!({ "ms": at, "connection": number, "server": server, what: text });
        // A disk that is full ends no run: the checks do not need this file.
        let _ = writeln!(self.record.lock().ignore_poison(), "{record}");
    }
}
