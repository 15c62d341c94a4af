//! Measures what durability costs: messages a second and latency through the
//! pipeline, with a database and with none.
//!
//! `cargo run --release -p stage6-auth --example group-commit -- --help`

use anyhow::{Context, bail};
use clap::Parser;
use common::poison::IgnorePoison;
use hdrhistogram::Histogram;
use stage6_auth::pipeline::{Batch, Pipeline, RoomLogic};
use stage6_auth::store::{DbUrl, Message, MessageRow, SCHEMA, StoreError, open};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Sends messages from several threads and times each until it is handed on.
#[derive(Parser)]
struct Args {
    /// The database, or `none` to measure everything else; a fresh SQLite file by default
    #[arg(long, value_name = "URL")]
    db: Option<String>,
    /// Threads that send
    #[arg(long, default_value_t = 10)]
    senders: u32,
    /// Messages a second, all senders together; 0 for as fast as they are taken
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// How long
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=30))]
    seconds: u64,
    /// Bytes of text in each message
    #[arg(long, default_value_t = 100)]
    bytes: usize,
    /// Also time a commit for each message, by one sender, without the committer
    #[arg(long)]
    alone: bool,
}

type Append = Box<dyn FnMut(&[&dyn MessageRow]) -> Result<Vec<usize>, StoreError> + Send>;

/// Written by the room thread.
struct Results {
    messages: AtomicU64,
    commits: AtomicU64,
    refused: AtomicU64,
    latency: Mutex<Histogram<u64>>,
}

/// The room thread, which only counts.
struct Counter(Arc<Results>);

impl RoomLogic<Message, Instant> for Counter {
    fn apply_batch(&mut self, batch: Batch<Message, Instant>) -> bool {
        let mut latency = self.0.latency.lock().ignore_poison();
        for submission in batch.submissions.iter().filter(|submission| submission.message.is_some()) {
            latency.saturating_record(submission.event.elapsed().as_micros() as u64);
            self.0.messages.fetch_add(1, Ordering::Relaxed);
        }
        self.0.refused.fetch_add(batch.refused as u64, Ordering::Relaxed);
        self.0.commits.fetch_add(1, Ordering::Relaxed);
        false
    }

    fn send_lists(&mut self) {}
}

fn main() -> ExitCode {
    common::cli::run(|| {
        let args = Args::parse();
        let folder = tempfile::tempdir_in(".").context("cannot make a folder for the database here")?;
        let url = args.db.clone();
        let url = url.unwrap_or_else(|| format!("sqlite:{}", folder.path().join("chat.db").display()));
        if args.alone {
            return one_by_one(&args, store(&url)?);
        }
        together(&args, store(&url)?)
    })
}

fn store(url: &str) -> anyhow::Result<Append> {
    if url == "none" {
        return Ok(Box::new(|_| Ok(Vec::new())));
    }
    let store = open(&url.parse::<DbUrl>()?, &SCHEMA)?;
    Ok(Box::new(move |batch| store.append(batch)))
}

fn message(args: &Args) -> Message {
    Message::new("alice".into(), "x".repeat(args.bytes))
}

fn together(args: &Args, append: Append) -> anyhow::Result<()> {
    let results = Arc::new(Results {
        messages: AtomicU64::new(0),
        commits: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        latency: Mutex::new(Histogram::new_with_bounds(1, 60_000_000, 3)?),
    });
    let pipeline = Pipeline::start(append, Counter(results.clone()))?;
    let started = Instant::now();
    let end = started + Duration::from_secs(args.seconds);
    thread::scope(|scope| {
        for sender in 0..args.senders {
            let pipeline = &pipeline;
            scope.spawn(move || send(args, pipeline, sender, started, end));
        }
    });
    pipeline.shutdown(Instant::now(), Duration::from_secs(60));
    let took = started.elapsed().as_secs_f64();
    let (messages, commits) =
        (results.messages.load(Ordering::Relaxed), results.commits.load(Ordering::Relaxed));
    let latency = results.latency.lock().ignore_poison();
    report(messages, commits, took, &latency);
    match results.refused.load(Ordering::Relaxed) {
        0 => Ok(()),
        refused => bail!("{refused} messages were not stored"),
    }
}

fn send(args: &Args, pipeline: &Pipeline<Message, Instant>, sender: u32, start: Instant, end: Instant) {
    // The senders take turns, so that the messages are spread evenly.
    let interval = |n: u32| (args.rate > 0).then(|| Duration::from_secs(1) * n / args.rate);
    let mut due = start + interval(sender).unwrap_or_default();
    while due < end && Instant::now() < end {
        if let Some(step) = interval(args.senders) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            due += step;
        }
        if pipeline.submit(Some(message(args)), Instant::now()).is_err() {
            return;
        }
    }
}

fn one_by_one(args: &Args, mut append: Append) -> anyhow::Result<()> {
    let mut latency = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    let started = Instant::now();
    let mut number = 0;
    while started.elapsed() < Duration::from_secs(args.seconds) {
        number += 1;
        let mut message = message(args);
        message.id.run = stage6_auth::store::now();
        message.id.number = number;
        let sent = Instant::now();
        append(&[&message])?;
        latency.saturating_record(sent.elapsed().as_micros() as u64);
    }
    report(latency.len(), latency.len(), started.elapsed().as_secs_f64(), &latency);
    Ok(())
}

fn report(messages: u64, commits: u64, seconds: f64, latency: &Histogram<u64>) {
    let per_second = |count: u64| count as f64 / seconds;
    println!(
        "{:.0} messages/s in {:.0} commits/s ({:.1} messages each)",
        per_second(messages),
        per_second(commits),
        messages as f64 / commits.max(1) as f64
    );
    let quantile = |q: f64| latency.value_at_quantile(q) as f64 / 1000.0;
    println!(
        "latency ms: p50 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2}",
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        latency.max() as f64 / 1000.0
    );
}
