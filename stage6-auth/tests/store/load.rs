//! Many senders at once, each of whom repeats what was not stored until it is.

use stage6_auth::pipeline::{Batch, Pipeline, RoomLogic};
use stage6_auth::store::{DbUrl, Message, MessageRow, SCHEMA, Store, open};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(30);

/// Tells the sender whether it was stored.
type Tag = Sender<bool>;

pub struct Load {
    shared: Arc<Shared>,
    pipeline: Arc<Pipeline<Message, Tag>>,
    senders: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    shown: Mutex<Vec<String>>,
    refused: AtomicUsize,
    stop: AtomicBool,
}

impl Load {
    pub fn start(store: Arc<Store>, senders: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let append = move |rows: &[&dyn MessageRow]| store.append(rows);
        let pipeline = Arc::new(Pipeline::start(append, Shown(shared.clone())).unwrap());
        let sender = |n: usize| {
            let (pipeline, shared) = (pipeline.clone(), shared.clone());
            thread::spawn(move || shared.send(&pipeline, n))
        };
        let senders = (0..senders).map(sender).collect();
        Load { shared, pipeline, senders }
    }

    pub fn wait_for_more(&self, messages: usize) {
        let shown = || self.shared.shown.lock().unwrap().len();
        let target = shown() + messages;
        wait(|| shown() >= target);
    }

    pub fn wait_for_refusal(&self) {
        let before = self.shared.refused.load(Ordering::Relaxed);
        wait(|| self.shared.refused.load(Ordering::Relaxed) > before);
    }

    /// What was shown, in that order.
    pub fn stop(self) -> Vec<String> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.senders.into_iter().for_each(|sender| sender.join().unwrap());
        let is_all = self.pipeline.shutdown(channel().0, Duration::from_secs(60));
        assert!(is_all, "the committer does not end");
        std::mem::take(&mut self.shared.shown.lock().unwrap())
    }
}

impl Shared {
    fn send(&self, pipeline: &Pipeline<Message, Tag>, sender: usize) {
        for n in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            loop {
                let (tag, answer) = channel();
                let message = Message::new("alice".into(), format!("{sender}-{n}"));
                pipeline.submit(Some(message), tag).unwrap();
                if answer.recv_timeout(LONG).expect("an answer to every message") {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// The room thread: notes what is stored, and tells the sender.
struct Shown(Arc<Shared>);

impl RoomLogic<Message, Tag> for Shown {
    fn apply_batch(&mut self, batch: Batch<Message, Tag>) -> bool {
        for submission in batch.submissions {
            let is_stored = submission.message.is_some();
            match submission.message {
                Some(message) => self.0.shown.lock().unwrap().push(message.text),
                None => _ = self.0.refused.fetch_add(1, Ordering::Relaxed),
            }
            let _ = submission.event.send(is_stored);
        }
        false
    }

    fn send_lists(&mut self) {}
}

fn wait(done: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !done() {
        assert!(Instant::now() < end, "it takes too long");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What [`killed_processes`] starts: writes what is committed to standard output.
pub const WRITER: &str = "STORE_TEST_WRITER";

pub fn writer(url: &str) {
    let url: DbUrl = url.parse().unwrap();
    let store = open(&url, &SCHEMA).unwrap();
    let append = move |rows: &[&dyn MessageRow]| store.append(rows);
    let pipeline = Pipeline::start(append, Written).unwrap();
    thread::scope(|scope| {
        for sender in 0..4 {
            let pipeline = &pipeline;
            scope.spawn(move || {
                for n in 0.. {
                    let text = format!("{}-{sender}-{n}", std::process::id());
                    pipeline.submit(Some(Message::new("alice".into(), text)), ()).unwrap();
                }
            });
        }
    });
}

/// Writes what is stored to standard output.
struct Written;

impl RoomLogic<Message, ()> for Written {
    fn apply_batch(&mut self, batch: Batch<Message, ()>) -> bool {
        let mut out = std::io::stdout().lock();
        for message in batch.submissions.into_iter().filter_map(|submission| submission.message) {
            writeln!(out, "{}", message.text).unwrap();
        }
        out.flush().unwrap();
        false
    }

    fn send_lists(&mut self) {}
}

/// Whatever a process had shown when it was killed is in the database.
pub fn killed_processes(url: &str, times: usize) {
    let store = open(&url.parse().unwrap(), &SCHEMA).unwrap();
    for round in 0..times {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(WRITER, url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut shown: Vec<String> = lines.by_ref().take(500 + 137 * round).map(Result::unwrap).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        // What was still in the pipe; its last line may have been cut.
        shown.extend(lines.map_while(Result::ok));
        let cut = shown.pop();
        assert!(cut.is_some(), "it showed nothing");
        let stored: Vec<String> =
            store.recent(shown.len() + 10_000).unwrap().into_iter().map(|m| m.text).collect();
        let different: HashSet<&String> = stored.iter().collect();
        assert_eq!(different.len(), stored.len(), "something is there twice");
        let first = stored.iter().position(|text| *text == shown[0]).expect("the first one is there");
        assert_eq!(stored[first..][..shown.len()], shown, "all of it, in order");
    }
}
