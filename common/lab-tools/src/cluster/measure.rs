//! `lab cluster 7 --measure`: what several servers cost.
//!
//! One server with MariaDB, and then three with the same MariaDB and Redis, each with two
//! loads. At a small one, the time is taken from a client's `write` to the arrival at
//! clients of other servers. At the largest that the servers accept, the stored messages
//! are counted. How often two servers want the same place in the log, they log when they end.

mod client;

use super::servers::end_all;
use super::{Launch, Server, Services};
use crate::sealed::Keys;
use anyhow::{Context, bail, ensure};
use client::{Client, text};
use hdrhistogram::Histogram;
use lab::run_context::RunContext;
use lab::say;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Those that send as fast as the servers take it.
const SENDERS: usize = 30;

/// Those of the small load, and what they send together.
const TALKERS: usize = 10;
const MESSAGES_PER_SECOND: u32 = 100;

/// Between servers, clients are spread like this, also where there is only one: then the
/// same pairs of clients are measured.
const SPREAD: usize = 3;

/// Until the load is even.
const WARM_UP: Duration = Duration::from_secs(1);

/// What servers do with the log, by their own account when they end.
#[derive(Default)]
struct Races {
    attempts: u64,
    lost: u64,
}

impl Races {
    /// Adds what a server has logged: `appended to the log 12 times, 3 of them too late …`.
    fn add(&mut self, log: &str) {
        let words = log.lines().find_map(|line| line.split_once(" appended to the log "));
        let numbers = words.into_iter().flat_map(|(_, rest)| rest.split(' '));
        let mut numbers = numbers.filter_map(|word| word.parse::<u64>().ok());
        self.attempts += numbers.next().unwrap_or(0);
        self.lost += numbers.next().unwrap_or(0);
    }
}

impl std::fmt::Display for Races {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = 100.0 * self.lost as f64 / self.attempts.max(1) as f64;
        write!(f, "{} of {} INSERTs come too late ({share:.1} %)", self.lost, self.attempts)
    }
}

/// Measures, and tells.
///
/// # Errors
/// When something does not start, or a client is not served.
pub fn run(context: &RunContext<'_>, duration: Duration) -> anyhow::Result<()> {
    Services::check_client()?;
    say!("one server, then three, each at two loads for {} s", duration.as_secs());
    let small = |keys: &Keys, clients: &[Client], _: &Services| latency(keys, clients, duration);
    let full = |_: &Keys, clients: &[Client], services: &Services| full_speed(clients, services, duration);
    let (one, _) = under_load(context, 1, TALKERS, small)?;
    let (three, small_races) = under_load(context, SPREAD, TALKERS, small)?;
    let (one_stored, _) = under_load(context, 1, SENDERS, full)?;
    let (three_stored, full_races) = under_load(context, SPREAD, SENDERS, full)?;
    let [p50, p99] = [50.0, 99.0]
        .map(|percentile| [&one, &three].map(|times| times.value_at_percentile(percentile) as f64 / 1000.0));
    say!("                stored/s   at {MESSAGES_PER_SECOND} messages/s: p50        p99");
    say!("one server    {one_stored:10.0} {:25.2} ms {:7.2} ms", p50[0], p99[0]);
    say!("three servers {three_stored:10.0} {:25.2} ms {:7.2} ms", p50[1], p99[1]);
    say!("added                    {:25.2} ms {:7.2} ms", p50[1] - p50[0], p99[1] - p99[0]);
    say!("three servers want the same place in the log:");
    say!("  at {MESSAGES_PER_SECOND} messages/s:  {small_races}");
    say!("  at full speed:    {full_races}");
    Ok(())
}

/// Starts so many servers, lets so many clients in, and measures.
fn under_load<T>(
    context: &RunContext<'_>,
    servers: usize,
    clients: usize,
    measure: impl Fn(&Keys, &[Client], &Services) -> anyhow::Result<T>,
) -> anyhow::Result<(T, Races)> {
    let services = Services::start(context)?;
    let redis = services.redis.url();
    let start = |n| {
        let launch = Launch {
            name: format!("server-{n}"),
            log: format!("{servers}-servers-{clients}-clients-{n}.log"),
            database: &services.database,
            backplane: (servers > 1).then_some(&*redis),
            options: &["--bcrypt-cost", "4"].map(str::to_owned),
            foreign: None,
        };
        Server::start(context, &launch)
    };
    let mut running = (1..=servers).map(start).collect::<anyhow::Result<Vec<_>>>()?;
    let keys = Keys::read(&context.path("chat.key"))?;
    let connect =
        |n: usize| Client::connect(running[n % SPREAD % servers].address, &keys, &format!("client{n}"));
    let clients = (0..clients).map(connect).collect::<anyhow::Result<Vec<_>>>()?;
    let measured = measure(&keys, &clients, &services).with_context(|| format!("{servers} servers"))?;
    end_all(&mut running)?;
    let mut races = Races::default();
    for server in &running {
        races.add(&fs::read_to_string(&server.log).unwrap_or_default());
    }
    Ok((measured, races))
}

/// Each talks in its turn. Returns how long lines take to clients of other servers.
fn latency(keys: &Keys, clients: &[Client], duration: Duration) -> anyhow::Result<Histogram<u64>> {
    let epoch = Instant::now();
    thread::scope(|scope| {
        let mut receivers = Vec::new();
        for (number, client) in clients.iter().enumerate() {
            receivers.push(scope.spawn(move || arrivals(keys, number, client, epoch)));
        }
        let interval = Duration::from_secs(1) / MESSAGES_PER_SECOND;
        let mut sent = Ok(());
        for (line, client) in clients.iter().cycle().enumerate() {
            let due = interval * u32::try_from(line)?;
            if due > duration || sent.is_err() {
                break;
            }
            thread::sleep(due.saturating_sub(epoch.elapsed()));
            let text = format!("at {}", epoch.elapsed().as_micros());
            sent = (&client.stream).write_all(&keys.seal(&text, true).line());
        }
        // What is under way comes.
        thread::sleep(WARM_UP);
        clients.iter().for_each(|client| drop(client.stream.shutdown(Shutdown::Both)));
        sent.context("a client was disconnected")?;
        let mut all = Histogram::new(3)?;
        for receiver in receivers {
            let Ok(one) = receiver.join() else { bail!("a client's thread panicked") };
            all.add(one?)?;
        }
        ensure!(!all.is_empty(), "no line arrived at a client of another server");
        Ok(all)
    })
}

/// The times of lines from clients of other servers, to the end of the connection.
fn arrivals(keys: &Keys, number: usize, client: &Client, epoch: Instant) -> anyhow::Result<Histogram<u64>> {
    let mut times = Histogram::new(3)?;
    for line in BufReader::new(&client.stream).split(b'\n').map_while(Result::ok) {
        let text = text(keys, &line);
        let now = epoch.elapsed().as_micros() as u64;
        let Some((sender, at)) = text.split_once(": at ") else { continue };
        let sender: usize = sender.trim_start_matches(char::is_alphabetic).parse()?;
        if sender % SPREAD != number % SPREAD {
            times.record(now.saturating_sub(at.parse()?))?;
        }
    }
    Ok(times)
}

/// All send as fast as they can. Returns how many messages are stored in a second.
fn full_speed(clients: &[Client], services: &Services, duration: Duration) -> anyhow::Result<f64> {
    // The ids have no gaps.
    let stored = || anyhow::Ok(services.query("SELECT MAX(id) FROM messages")?.trim().parse::<u32>()?);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in clients {
            // Both end when the connection does.
            scope.spawn(move || std::io::copy(&mut &client.stream, &mut std::io::sink()));
            scope.spawn(|| client.talk_until(&ended));
        }
        let measured = (|| {
            thread::sleep(WARM_UP);
            let (began, before) = (Instant::now(), stored()?);
            thread::sleep(duration);
            Ok(f64::from(stored()? - before) / began.elapsed().as_secs_f64())
        })();
        ended.store(true, Ordering::SeqCst);
        clients.iter().for_each(|client| drop(client.stream.shutdown(Shutdown::Both)));
        measured
    })
}
