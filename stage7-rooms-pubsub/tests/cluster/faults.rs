//! Faults under load, and the promises P1 to P6.

use crate::Test;
use crate::servers::{Cluster, NOT_STORED, PATIENCE, User};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    ("three_servers_without_a_fault", || {
        under_load(|_, load| load.goes_on());
    }),
    ("redis_is_killed_and_started_again", redis_killed),
    ("redis_is_frozen", redis_frozen),
    ("a_server_is_killed", server_killed),
    ("a_server_is_paused_until_it_is_declared_dead", server_paused),
    ("the_database_is_killed_and_started_again", database_killed),
    ("the_database_is_frozen", database_frozen),
];

const LATE: &str = "[SERVER] Redis is away: what users of other servers say may come late";
const ON_TIME: &str = "[SERVER] Redis is back: what users of other servers say comes at once again";

fn redis_killed() {
    under_load(|cluster, load| {
        cluster.redis.kill();
        load.readers.iter().flatten().for_each(|reader| reader.hears(LATE));
        load.goes_on();
        cluster.redis.restart();
        load.readers.iter().flatten().for_each(|reader| reader.hears(ON_TIME));
        load.goes_on();
        says_once(cluster, load);
    });
}

fn redis_frozen() {
    under_load(|cluster, load| {
        cluster.redis.freeze();
        load.readers.iter().flatten().for_each(|reader| reader.hears(LATE));
        load.goes_on();
        cluster.redis.thaw();
        load.readers.iter().flatten().for_each(|reader| reader.hears(ON_TIME));
        load.goes_on();
        says_once(cluster, load);
    });
}

/// P6, and that nobody is declared dead for it.
fn says_once(cluster: &Cluster, load: &Load) {
    for (n, reader) in load.readers.iter().enumerate() {
        let reader = reader.as_ref().unwrap();
        assert_eq!((reader.count(LATE), reader.count(ON_TIME)), (1, 1));
        let log = cluster.log(n);
        assert_eq!(log.matches("until it is back").count(), 1, "{log}");
        assert_eq!(log.matches("is back\n").count(), 1, "{log}");
        assert!(!log.contains("declared dead"), "{log}");
    }
}

fn server_killed() {
    under_load(|cluster, load| {
        cluster.servers[2].kill();
        load.is_gone(2, Duration::from_secs(10));
        load.goes_on();
        // The names are free.
        let writer = cluster.login(0, "writer2");
        writer.send("back on another server");
        load.readers[1].as_ref().unwrap().hears("writer2: back on another server");
    });
}

fn server_paused() {
    under_load(|cluster, load| {
        cluster.servers[2].signal("-STOP");
        load.is_gone(2, Duration::from_secs(10));
        let (reader, writer) = (load.readers[2].take().unwrap(), load.writers[2].take().unwrap());
        load.goes_on();
        cluster.servers[2].signal("-CONT");
        // It reads of its own death: its users are out, and told so.
        let cut_off = "[SERVER] error: this server was cut off from the others, log in again";
        reader.hears(cut_off);
        reader.is_disconnected();
        writer.stop();
        // And it goes on as a new one.
        let again = cluster.enter(2, &format!("RESUME {}", reader.token()));
        again.send("here again");
        load.readers[0].as_ref().unwrap().hears("reader2: here again");
    });
}

fn database_killed() {
    under_load(|cluster, load| {
        for _ in 0..2 {
            cluster.mariadb.kill();
            load.is_refused();
            cluster.mariadb.restart();
            load.goes_on();
        }
        nobody_died(cluster);
    });
}

fn database_frozen() {
    under_load(|cluster, load| {
        cluster.mariadb.freeze();
        load.is_refused();
        thread::sleep(Duration::from_secs(6));
        cluster.mariadb.thaw();
        load.goes_on();
        // Long enough to be declared dead, if it came to that.
        thread::sleep(Duration::from_secs(6));
        nobody_died(cluster);
    });
}

fn nobody_died(cluster: &Cluster) {
    for n in 0..3 {
        let log = cluster.log(n);
        assert!(!log.contains("declared dead"), "{log}");
    }
}

/// A reader and a writer on each of three servers.
struct Load {
    readers: Vec<Option<User>>,
    writers: Vec<Option<Writer>>,
}

/// Starts three servers and the load, does `fault` to them, and looks at what
/// everybody has seen.
fn under_load(fault: impl Fn(&mut Cluster, &mut Load)) {
    let mut cluster = Cluster::start(3);
    let readers = (0..3).map(|n| Some(cluster.register(n, &format!("reader{n}")))).collect();
    let writers: Vec<_> = (0..3).map(|n| cluster.register(n, &format!("writer{n}"))).collect();
    let mut load = Load { readers, writers: Vec::new() };
    load.writers = writers.into_iter().map(|user| Some(Writer::start(user))).collect();
    load.goes_on();
    fault(&mut cluster, &mut load);
    let writers = load.writers.iter_mut().map(|writer| writer.take().map(Writer::stop));
    let writers: Vec<_> = writers.collect();
    // All who are still there have said all; what they say now comes behind it.
    let ends = load.readers.iter().enumerate().filter(|(_, reader)| reader.is_some());
    let ends: Vec<_> = ends.map(|(n, _)| n).collect();
    for &n in &ends {
        let (user, _) = writers[n].as_ref().expect("its server is there");
        user.send("the end");
    }
    for reader in load.readers.iter().flatten() {
        ends.iter().for_each(|n| reader.hears(&format!("writer{n}: the end")));
    }
    let history: Vec<String> =
        cluster.history().into_iter().filter(|line| line.starts_with("writer")).collect();
    for (n, reader) in load.readers.iter().enumerate() {
        let Some(reader) = reader else { continue };
        // P1 to P3 in one: everything, once, in the order of the history.
        let said = reader.said();
        let differs = said.iter().zip(&history).position(|(one, other)| one != other);
        assert!(
            said == history,
            "reader{n} has seen {} lines of {}; they differ at {differs:?}: {:?} {:?}",
            said.len(),
            history.len(),
            differs.map(|at| &said[at..said.len().min(at + 3)]),
            differs.map(|at| &history[at..history.len().min(at + 3)]),
        );
    }
    let mut last = HashMap::new();
    for line in &history {
        let (name, text) = line.split_once(": ").unwrap();
        let Some(number) = text.strip_prefix("line ").and_then(|n| n.parse::<usize>().ok()) else { continue };
        let before = last.insert(name, number).unwrap_or(0);
        assert!(number > before, "{name} said {number} after {before}");
    }
    // What is not in the history, its writer was told of.
    for (n, writer) in writers.iter().enumerate().filter(|(n, _)| ends.contains(n)) {
        let (user, sent) = writer.as_ref().unwrap();
        let stored = history.iter().filter(|line| line.starts_with(&format!("writer{n}: line"))).count();
        assert_eq!(stored + user.count(NOT_STORED), *sent, "writer{n}");
    }
}

impl Load {
    /// Waits until each reader has seen more of each writer that is there.
    fn goes_on(&self) {
        let there: Vec<_> =
            (0..3).filter(|&n| self.readers[n].is_some() && self.writers[n].is_some()).collect();
        let count = |lines: &[String], n: usize| {
            lines.iter().filter(|line| line.starts_with(&format!("writer{n}: "))).count()
        };
        for reader in self.readers.iter().flatten() {
            let before = reader.lines();
            reader.wait("for more from everybody", PATIENCE, |lines| {
                there.iter().all(|&n| count(&lines.lines, n) > count(&before, n) + 20)
            });
        }
    }

    /// Waits until each writer has been told that something is not stored.
    fn is_refused(&self) {
        for writer in self.writers.iter().flatten() {
            let before = writer.user.count(NOT_STORED);
            writer.user.wait("to be told that it is not stored", PATIENCE, |lines| {
                lines.lines.iter().filter(|line| *line == NOT_STORED).count() > before
            });
        }
    }

    /// The users of this server are gone everywhere within this time (P5). They are
    /// no longer asked for.
    fn is_gone(&mut self, server: usize, limit: Duration) {
        let started = Instant::now();
        for reader in self.readers.iter().enumerate().filter(|(n, _)| *n != server) {
            for name in ["reader", "writer"] {
                let left = format!("[SERVER] {name}{server} left (");
                let limit = limit.saturating_sub(started.elapsed());
                reader.1.as_ref().unwrap().wait(&format!("for {left:?}"), limit, |lines| {
                    lines.lines.iter().any(|line| line.starts_with(&left))
                });
            }
        }
        println!("gone after {:?}", started.elapsed());
        if self.readers[server].as_ref().is_some_and(|reader| reader.has_ended()) {
            self.readers[server] = None;
            self.writers[server].take().map(Writer::stop);
        }
    }
}

/// Writes all the time, each line another one.
struct Writer {
    user: Arc<User>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(user: User) -> Self {
        let (user, stop, sent) =
            (Arc::new(user), Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let thread = thread::spawn({
            let (user, stop, sent) = (user.clone(), stop.clone(), sent.clone());
            move || {
                while !stop.load(Ordering::SeqCst) {
                    let number = sent.load(Ordering::SeqCst) + 1;
                    if user.try_send(&format!("line {number}")).is_err() {
                        return;
                    }
                    sent.store(number, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(3));
                }
            }
        });
        Writer { user, stop, sent, thread }
    }

    fn stop(self) -> (Arc<User>, usize) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        (self.user, self.sent.load(Ordering::SeqCst))
    }
}
