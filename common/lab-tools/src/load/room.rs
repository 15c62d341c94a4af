//! Some clients send, and all others receive: from stage 4 on.

use super::report::Report;
use super::{Plan, STACK, read_line};
use anyhow::{Context, bail};
use common::endpoint::Endpoint;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// How long it may take until everyone hears everyone.
const GATHERING: Duration = Duration::from_secs(10);

/// After this long without a delivery, what is missing counts as lost.
const SILENCE: Duration = Duration::from_secs(2);

/// Runs the plan against the server at `address`.
///
/// # Errors
/// When the server cannot be reached, or not all clients get into the room.
pub fn run(plan: &Plan, address: &Endpoint) -> anyhow::Result<Report> {
    let streams = plan.connect(address)?;
    let ready = AtomicUsize::new(0);
    thread::scope(|scope| {
        let receivers = start_receivers(scope, plan, &streams, &ready);
        let result = receivers.and_then(|receivers| {
            gather(plan, &streams[0], &ready)?;
            let (sent, start) = send(scope, plan, &streams)?;
            wait_for_the_rest(plan, start, &sent);
            Ok((receivers, sent, start))
        });
        // Ends the receivers, also when something failed: the scope waits for them.
        let elapsed = plan.epoch.elapsed();
        for stream in &streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let (receivers, sent, start) = result?;
        let all: u64 = sent.iter().sum();
        let mut total = Report::default();
        (total.sent, total.elapsed) = (all, elapsed.saturating_sub(start));
        for (number, receiver) in receivers.into_iter().enumerate() {
            let Ok(report) = receiver.join() else { bail!("a client's thread panicked") };
            total.add(&report);
            total.expected += all - sent.get(number).copied().unwrap_or(0);
        }
        Ok(total)
    })
}

type Receivers<'s> = Vec<ScopedJoinHandle<'s, Report>>;

fn start_receivers<'s, 'e>(
    scope: &'s Scope<'s, 'e>,
    plan: &'e Plan,
    streams: &'e [TcpStream],
    ready: &'e AtomicUsize,
) -> anyhow::Result<Receivers<'s>> {
    let receive = |(number, stream)| {
        let thread = thread::Builder::new().stack_size(STACK);
        thread
            .spawn_scoped(scope, move || receive(plan, number, stream, ready))
            .context("cannot start a thread")
    };
    streams.iter().enumerate().map(receive).collect()
}

/// Reads until the socket is shut down.
fn receive(plan: &Plan, me: usize, stream: &TcpStream, ready: &AtomicUsize) -> Report {
    let mut report = Report::default();
    let mut next = vec![0; plan.senders];
    let mut heard = false;
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let ours = read_line(&line);
        line.clear();
        let Some((sender, number, due)) = ours else { continue };
        // The first client's call while the room fills has no sender's number.
        if sender >= plan.senders {
            // It is to hear nothing itself: what a server echoes is no room.
            if !heard && me != 0 {
                ready.fetch_add(1, Ordering::Relaxed);
            }
            heard = true;
            continue;
        }
        report.deliver(plan.late_by(due));
        report.out_of_order += u64::from(number < next[sender]);
        next[sender] = next[sender].max(number + 1);
        plan.delivered.fetch_add(1, Ordering::Relaxed);
    }
    report
}

/// A connection that stands is not yet a client in the room: the first one
/// calls until all others have heard it.
fn gather(plan: &Plan, mut first: &TcpStream, ready: &AtomicUsize) -> anyhow::Result<()> {
    let deadline = Instant::now() + GATHERING;
    while ready.load(Ordering::Relaxed) < plan.clients - 1 {
        let heard = ready.load(Ordering::Relaxed);
        if Instant::now() >= deadline {
            bail!("only {heard} of {} clients hear the first one; is this a chat room?", plan.clients - 1);
        }
        let call = plan.line(plan.senders, 0, Duration::ZERO);
        first.write_all(call.as_bytes()).context("the server has closed the connection")?;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Sends all lines; how many each sender sent, and when it began.
fn send<'s, 'e>(
    scope: &'s Scope<'s, 'e>,
    plan: &'e Plan,
    streams: &'e [TcpStream],
) -> anyhow::Result<(Vec<u64>, Duration)> {
    let start = plan.epoch.elapsed() + Duration::from_millis(50);
    let mut senders = Vec::new();
    for (number, mut stream) in streams.iter().enumerate().take(plan.senders) {
        // A server that does not read must not hold us for ever.
        stream.set_write_timeout(Some(plan.duration)).context("cannot set a time limit")?;
        let thread = thread::Builder::new().stack_size(STACK);
        let send = move || {
            plan.keep_time(number, start, |line, due| {
                stream.write_all(plan.line(number, line, due).as_bytes())
            })
        };
        senders.push(thread.spawn_scoped(scope, send).context("cannot start a thread")?);
    }
    plan.show_progress(start, || senders.iter().all(|s| s.is_finished()));
    let sent = senders.into_iter().map(|s| s.join().unwrap_or(0)).collect();
    Ok((sent, start))
}

fn wait_for_the_rest(plan: &Plan, start: Duration, sent: &[u64]) {
    let expected = sent.iter().sum::<u64>() * (plan.clients as u64 - 1);
    let mut last = (plan.delivered.load(Ordering::Relaxed), Instant::now());
    plan.show_progress(start, || {
        let now = plan.delivered.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
        now >= expected || last.1.elapsed() >= SILENCE
    });
}
