//! Everyone sends a line and waits for its echo: stages 2 and 3.

use super::report::Report;
use super::{Plan, STACK, read_line};
use anyhow::{Context, bail};
use common::endpoint::Endpoint;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// An echo that takes longer is counted as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the plan against the server at `address`.
///
/// # Errors
/// When the server cannot be reached.
pub fn run(plan: &Plan, address: &Endpoint) -> anyhow::Result<Report> {
    let streams = plan.connect(address)?;
    let start = plan.epoch.elapsed() + Duration::from_millis(50);
    let mut total = Report::default();
    thread::scope(|scope| {
        let mut clients = Vec::new();
        for (number, stream) in streams.into_iter().enumerate() {
            let thread = thread::Builder::new().stack_size(STACK);
            clients.push(thread.spawn_scoped(scope, move || client(plan, number, &stream, start))?);
        }
        plan.show_progress(start, || clients.iter().all(|c| c.is_finished()));
        for client in clients {
            match client.join() {
                Ok(report) => total.add(&report?),
                Err(_) => bail!("a client's thread panicked"),
            }
        }
        Ok(())
    })?;
    total.elapsed = plan.epoch.elapsed().saturating_sub(start);
    Ok(total)
}

fn client(plan: &Plan, number: usize, stream: &TcpStream, start: Duration) -> anyhow::Result<Report> {
    stream.set_read_timeout(Some(PATIENCE)).context("cannot set a time limit")?;
    let mut report = Report::default();
    let mut answers = BufReader::new(stream);
    let mut answer = Vec::new();
    plan.keep_time(number, start, |line, due| {
        let mut out = stream;
        out.write_all(plan.line(number, line, due).as_bytes())?;
        report.sent += 1;
        report.expected += 1;
        answer.clear();
        answers.read_until(b'\n', &mut answer)?;
        if read_line(&answer) != Some((number, line, due)) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        report.deliver(plan.late_by(due));
        plan.delivered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    Ok(report)
}
