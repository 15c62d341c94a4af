//! `lab load N`: many clients on a server, and what they see of it.
//!
//! It is a student's instrument, made to be read: a thread for every client,
//! each line with its number and the time when it was due. It shares the
//! machine with the server it measures, so its figures say how a stage behaves,
//! not how fast a server on a machine of its own would be.

mod echo;
mod report;
mod room;

use crate::loopback;
use anyhow::{Context, bail};
use clap::Args;
use common::endpoint::Endpoint;
use common::{fd_limit, net};
use indicatif::{ProgressBar, ProgressStyle};
use lab::registry::{Registry, Shape, Stage};
use lab::run_context::RunContext;
use lab::workspace::Profile;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A client's thread does little, and there can be two thousand of them.
const STACK: usize = 128 << 10;

/// How much to load, and for how long.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    make load 4                                       one of 100 clients sends 1000 lines/s\n  \
    make load 4 ARGS=\"--clients 200 --senders 10 --rate 5000\"\n  \
    make load 3 ARGS=\"--clients 20\"                    echoes: everyone sends, and waits for the answer\n  \
    make load 4 ARGS=\"--connect 127.0.0.1:7000\"        a server that runs already, in any language\n\n\
    As a make target: make load 4 ARGS=\"--clients 200\"")]
pub struct Options {
    /// The stage's number
    pub stage: Option<String>,
    /// Clients connected at once [default: 100; stage 2: 1]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=2000))]
    clients: Option<u16>,
    /// How many of them send, in a room; with an echo server all do
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=2000))]
    senders: u16,
    /// Lines sent per second, by all senders together
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    rate: u32,
    /// How long to send
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=60))]
    seconds: u16,
    /// Bytes in each line
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(64..=4096))]
    size: u16,
    /// Load this server instead of starting one; this machine's addresses only
    #[arg(long, value_name = "HOST:PORT")]
    connect: Option<Endpoint>,
}

/// What every client's thread needs to know.
struct Plan {
    clients: usize,
    senders: usize,
    /// Between two lines of one sender.
    interval: Duration,
    duration: Duration,
    size: usize,
    /// Times in the lines count from here.
    epoch: Instant,
    /// Lines that have arrived, for the progress bar and for the end.
    delivered: AtomicU64,
}

impl Options {
    /// Whether the options fit the stage.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn check(&self, stage: &Stage) -> Result<(), String> {
        let Some(shape) = stage.load else {
            return Err(format!(
                "stage {} has no load test: `make load` knows echoes and rooms of plain lines",
                stage.number
            ));
        };
        let clients = self.clients(stage);
        match shape {
            Shape::Echo if stage.number == 2 && clients > 1 => {
                Err("stage 2 serves one client at a time, the others would wait for ever: --clients 1"
                    .to_owned())
            }
            Shape::Room if clients < 2 => {
                Err("a room needs two clients, or no client receives what is sent".to_owned())
            }
            Shape::Room if self.senders > clients => {
                Err(format!("--senders {} of --clients {clients} is more than all", self.senders))
            }
            _ => Ok(()),
        }
    }

    fn clients(&self, stage: &Stage) -> u16 {
        self.clients.unwrap_or(if stage.number == 2 { 1 } else { 100 })
    }

    fn plan(&self, stage: &Stage) -> Plan {
        let clients = usize::from(self.clients(stage));
        let senders = if stage.load == Some(Shape::Echo) { clients } else { usize::from(self.senders) };
        Plan {
            clients,
            senders,
            interval: Duration::from_secs(senders as u64) / self.rate,
            duration: Duration::from_secs(self.seconds.into()),
            size: self.size.into(),
            epoch: Instant::now(),
            delivered: AtomicU64::new(0),
        }
    }
}

/// Loads the stage's server and prints what came of it.
///
/// # Errors
/// When the server cannot be started or reached, or lines were lost.
pub fn run(stage: &Stage, all: &Registry, options: &Options) -> anyhow::Result<()> {
    // Two for each client at most: a sender reads and writes on its own.
    let files = 2 * usize::from(options.clients(stage));
    if fd_limit::raise(files) < files {
        bail!("too few open files are allowed for so many clients: ulimit -n {}", files + 100);
    }
    let (context, server, address) = match &options.connect {
        Some(there) => {
            // A load test of another server is an attack.
            loopback::only(there, "`make load` loads").map_err(anyhow::Error::msg)?;
            (None, None, there.clone())
        }
        None => {
            // Figures of an unoptimised build, or of a log on a disk, would say
            // little about the stage.
            let context = RunContext::build(stage, all, Profile::Release)?;
            let quiet = ["--log-level".to_owned(), "warn".to_owned()];
            let (server, address) = context.listening_server("127.0.0.1:0", &quiet)?;
            (Some(context), Some(server), address.parse().context("the server's address")?)
        }
    };
    let plan = options.plan(stage);
    let report = match stage.load {
        Some(Shape::Echo) => echo::run(&plan, &address),
        _ => room::run(&plan, &address),
    };
    let report = match (report, &context) {
        (Err(error), Some(context)) => return Err(error.context(context.log_end())),
        (report, _) => report?,
    };
    report.print(stage, &plan);
    if report.lost() + report.out_of_order > 0 {
        bail!("the server lost or disordered lines");
    }
    // In this order: the server's folder goes when the server has.
    drop(server);
    if let Some(context) = context {
        context.clean_up();
    }
    Ok(())
}

impl Plan {
    fn connect(&self, to: &Endpoint) -> anyhow::Result<Vec<TcpStream>> {
        (0..self.clients).map(|_| Ok(net::connect(to)?)).collect()
    }

    /// Microseconds since `due`, which counts from the epoch: what a user
    /// waits, also for a line that could not be sent in time because the one
    /// before it was stuck.
    fn late_by(&self, due: Duration) -> u64 {
        u64::try_from(self.epoch.elapsed().saturating_sub(due).as_micros()).unwrap_or(u64::MAX)
    }

    /// The `number`th line of a sender that was due at `due`.
    fn line(&self, sender: usize, number: u64, due: Duration) -> String {
        let text = format!("load {sender} {number} {}", due.as_nanos());
        format!("{text:.<width$}\n", width = self.size)
    }

    /// Calls `send` with the number and the due time of each line, in time,
    /// until the time is over; how many it sent.
    ///
    /// Senders start evenly spread over one interval, so that their lines do
    /// not come in salvoes.
    fn keep_time(
        &self,
        sender: usize,
        start: Duration,
        mut send: impl FnMut(u64, Duration) -> std::io::Result<()>,
    ) -> u64 {
        let first = start + self.interval.mul_f64(sender as f64 / self.senders as f64);
        let mut sent = 0;
        loop {
            let due = first + self.interval.mul_f64(sent as f64);
            let now = self.epoch.elapsed();
            if due >= start + self.duration || now >= start + self.duration {
                return sent;
            }
            thread::sleep(due.saturating_sub(now));
            if send(sent, due).is_err() {
                return sent;
            }
            sent += 1;
        }
    }

    /// Shows progress on a terminal until `done`.
    fn show_progress(&self, start: Duration, mut done: impl FnMut() -> bool) {
        let total = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX);
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {msg}") {
            bar.set_style(style);
        }
        while !done() {
            let now = self.epoch.elapsed().saturating_sub(start);
            bar.set_position(u64::try_from(now.as_millis()).unwrap_or(total).min(total));
            bar.set_message(format!("{} lines delivered", self.delivered.load(Ordering::Relaxed)));
            thread::sleep(Duration::from_millis(50));
        }
        bar.finish_and_clear();
    }
}

/// Number and due time of one of our lines, from what a client received.
fn read_line(line: &[u8]) -> Option<(usize, u64, Duration)> {
    let line = std::str::from_utf8(line).ok()?;
    // In a room the sender's address or name stands before it.
    let (_, ours) = line.split_once("load ")?;
    let mut fields = ours.trim_end_matches(['.', '\r', '\n']).split(' ');
    let sender = fields.next()?.parse().ok()?;
    let number = fields.next()?.parse().ok()?;
    Some((sender, number, Duration::from_nanos(fields.next()?.parse().ok()?)))
}
