//! A script: the stage's own programs on pipes play what `stages.toml`
//! says, the transcript goes to standard output, and whatever does not happen
//! as it should is an error that says what was expected.

use crate::process::Program;
use crate::registry::{Registry, Stage, Step, matches};
use crate::run_context::{Interrupted, Route, RunContext, at_end_signals, straight};
use crate::say;
use crate::workspace::Profile;
use anyhow::{Context, bail};
use common::escape::escape;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A script takes a second or two; one that hangs is over after this.
const SCRIPT: Duration = Duration::from_secs(30);

/// What one step may wait for.
const STEP: Duration = Duration::from_secs(10);

/// What the contract gives a server for its orderly end.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// The name of the one program that is no client.
const SERVER: &str = "server";

/// Comes from the threads that read the programs' outputs, and from the one
/// that waits for signals; everything is handled by the main thread.
enum Event {
    Line { who: String, mark: char, text: String },
    Closed { who: String },
    Signal(i32),
}

struct Actor {
    program: Program,
    input: Option<ChildStdin>,
    /// What it wrote to standard output, and how much of that was asked for.
    lines: Vec<String>,
    asked: usize,
    closed: bool,
}

struct ScriptRun<'a> {
    context: &'a RunContext<'a>,
    route: Route<'a>,
    actors: BTreeMap<String, Actor>,
    sender: Sender<Event>,
    events: Receiver<Event>,
    address: Option<String>,
    end: Instant,
}

/// Plays the stage's script.
///
/// # Errors
/// The first thing that did not happen, with what was expected and what came
/// instead; or [`Interrupted`].
pub fn play(stage: &Stage, all: &Registry) -> anyhow::Result<()> {
    let context = RunContext::build(stage, all, Profile::Dev)?;
    play_in(&context, &straight)?;
    context.clean_up();
    Ok(())
}

/// The same where the run context exists already, with clients that come by `route`.
///
/// # Errors
/// As [`play`].
pub fn play_in(context: &RunContext<'_>, route: Route<'_>) -> anyhow::Result<()> {
    let stage = context.stage;
    let (sender, events) = channel();
    let signals = sender.clone();
    at_end_signals(move |signal| drop(signals.send(Event::Signal(signal))))?;
    print_line("", '#', &format!("stage {}, {}: {}", stage.number, stage.title, stage.teaches));
    let end = Instant::now() + SCRIPT;
    let mut run = ScriptRun { context, route, actors: BTreeMap::new(), sender, events, address: None, end };
    for step in &stage.script {
        run.step(step).with_context(|| format!("stage {} did not do what it should", stage.number))?;
    }
    drop(run);
    print_line("", '#', &format!("stage {} did all that it should", stage.number));
    Ok(())
}

/// One line of the transcript.
fn print_line(who: &str, mark: char, text: &str) {
    say!("{who:<7} {mark} {}", escape(text));
}

impl ScriptRun<'_> {
    fn step(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Note { note } => print_line("", '#', note),
            Step::Start { start, with } => self.start(start, with)?,
            Step::Says { who, says } => self.says(who, says)?,
            Step::Sees { who, sees } => self.sees(who, sees)?,
            Step::HasNotSeen { who, has_not_seen } => self.has_not_seen(who, has_not_seen)?,
            Step::Leaves { who, .. } => drop(self.actor(who)?.input.take()),
            Step::Ends { who, ends } => self.ends(who, *ends)?,
            Step::Stop { stop } => self.actor(stop)?.program.signal(Signal::TERM),
            Step::LogShows { log_shows } => self.log_shows(log_shows)?,
            Step::LogLacks { log_lacks } => self.log_lacks(log_lacks)?,
        }
        Ok(())
    }

    fn start(&mut self, who: &str, with: &[String]) -> anyhow::Result<()> {
        let mut program = match &self.address {
            _ if who == SERVER => self.context.server("127.0.0.1:0", with)?,
            Some(server) => {
                let address = (self.route)(who, server)?;
                self.context.client_on_pipes(&address, with, Stdio::piped())?
            }
            None => bail!("stages.toml: a client before the server listens"),
        };
        let child = program.child();
        let input = child.stdin.take();
        self.listen_to(who, '|', child.stdout.take());
        self.listen_to(who, ':', child.stderr.take());
        let actor = Actor { program, input, lines: Vec::new(), asked: 0, closed: false };
        self.actors.insert(who.to_owned(), actor);
        Ok(())
    }

    /// A thread that turns an output into events; it ends when the program does.
    fn listen_to(&self, who: &str, mark: char, output: Option<impl Read + Send + 'static>) {
        let (Some(output), sender, who) = (output, self.sender.clone(), who.to_owned()) else { return };
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                let _ = sender.send(Event::Line { who: who.clone(), mark, text });
            }
            if mark == '|' {
                let _ = sender.send(Event::Closed { who });
            }
        });
    }

    fn actor(&mut self, who: &str) -> anyhow::Result<&mut Actor> {
        self.actors.get_mut(who).with_context(|| format!("stages.toml: nobody called {who} was started"))
    }

    /// Handles events until `is_so`, at most `limit`; whether it came to be.
    fn until(
        &mut self,
        limit: Duration,
        mut is_so: impl FnMut(&mut Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<bool> {
        let deadline = self.end.min(Instant::now() + limit);
        loop {
            while let Ok(event) = self.events.try_recv() {
                self.handle(event)?;
            }
            if is_so(self)? {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            // Some things come without an event: a log that grows, an end.
            match self.events.recv_timeout(left.min(Duration::from_millis(10))) {
                Ok(event) => self.handle(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender ourselves"),
            }
        }
    }

    fn handle(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Signal(signal) => bail!(Interrupted(signal)),
            Event::Closed { who } => self.actor(&who)?.closed = true,
            Event::Line { who, mark, text } => {
                print_line(&who, mark, &text);
                if mark == '|' {
                    self.actor(&who)?.lines.push(text);
                }
            }
        }
        Ok(())
    }

    fn says(&mut self, who: &str, line: &str) -> anyhow::Result<()> {
        print_line(who, '>', line);
        let input = self.actor(who)?.input.as_mut();
        let input = input.with_context(|| format!("stages.toml: {who} has left and cannot speak"))?;
        let said = input.write_all(format!("{line}\n").as_bytes());
        self.expect(said.is_ok(), &format!("{who} to read \"{line}\""))
    }

    fn sees(&mut self, who: &str, pattern: &str) -> anyhow::Result<()> {
        let mut found = None;
        self.until(STEP, |s| {
            let actor = s.actor(who)?;
            let new = &actor.lines[actor.asked..];
            found = new.iter().position(|l| matches(pattern, l)).map(|at| actor.asked + at);
            Ok(found.is_some() || actor.closed)
        })?;
        let Some(at) = found else { return self.expect(false, &format!("{who} to show \"{pattern}\"")) };
        let actor = self.actor(who)?;
        actor.asked = at + 1;
        if let Some(address) = actor.lines[at].strip_prefix("Listening on ") {
            self.address = Some(address.to_owned());
        }
        Ok(())
    }

    fn has_not_seen(&mut self, who: &str, pattern: &str) -> anyhow::Result<()> {
        let seen = self.actor(who)?.lines.iter().any(|l| matches(pattern, l));
        self.expect(!seen, &format!("{who} not to show \"{pattern}\" so far"))
    }

    fn ends(&mut self, who: &str, code: i32) -> anyhow::Result<()> {
        let limit = if who == SERVER { SHUTDOWN } else { STEP };
        let ended = self.until(limit, |s| {
            let actor = s.actor(who)?;
            Ok(actor.closed && actor.program.ended().is_some())
        })?;
        self.expect(ended, &format!("{who} to end within {} s", limit.as_secs()))?;
        let status = self.actor(who)?.program.ended();
        let good = status.and_then(|s| s.code()) == Some(code);
        let how = status.map_or_else(String::new, |s| s.to_string());
        self.expect(good, &format!("{who} to end with exit code {code}, not \"{how}\""))?;
        print_line(who, '.', "has ended");
        Ok(())
    }

    fn log_shows(&mut self, pattern: &str) -> anyhow::Result<()> {
        let there = self.until(STEP, |s| Ok(s.context.log_has(pattern)))?;
        self.expect(there, &format!("a line like \"{pattern}\" in the server's log"))
    }

    fn log_lacks(&mut self, pattern: &str) -> anyhow::Result<()> {
        self.expect(
            !self.context.log_has(pattern),
            &format!("no line like \"{pattern}\" in the server's log"),
        )
    }

    fn expect(&self, so: bool, what: &str) -> anyhow::Result<()> {
        if so {
            return Ok(());
        }
        bail!("expected {what}\n{}", self.context.log_end())
    }
}
