//! One round: the stage is built, and its checks run.

use super::screen::Screen;
use super::{End, Event};
use anyhow::Context;
use lab::new_checks::{NewCheck, new_checks};
use lab::process::{ProcessGroup, Program, leashed};
use lab::registry::Stage;
use lab::workspace::{as_from_a_shell, cargo_path, root, without_the_users_settings};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::Instant;

/// What one round needs.
pub struct Round<'a> {
    pub stage: &'a Stage,
    /// For the checks: a filter, for example.
    pub args: &'a [String],
    /// Checks of later parts, which are left out.
    pub later: &'a [String],
    pub sender: &'a Sender<Event>,
    pub events: &'a Receiver<Event>,
    /// How many programs were started so far. What is still under way from one
    /// that was ended is told by its number.
    pub starts: &'a mut u32,
}

/// A program's lines, and how it ended; or what came in between.
struct Ran {
    output: Vec<String>,
    errors: Vec<String>,
    status: ExitStatus,
}

/// What is known of the checks so far.
#[derive(Default)]
pub struct Results {
    /// The checks that run, those of earlier parts first, and whether they are ignored.
    pub listed: Vec<(String, bool)>,
    /// The place of its part, for each check that is new in the stage.
    rank: BTreeMap<String, usize>,
    /// Those of later parts.
    later: Vec<String>,
    /// Those that have run.
    pub passed: BTreeMap<String, bool>,
    /// What is said about those that failed.
    pub complaints: BTreeMap<String, Value>,
    /// Whether the checks came to their end.
    pub through: bool,
}

impl Round<'_> {
    /// Builds, checks, and shows what comes of it.
    ///
    /// # Errors
    /// When cargo or the checks cannot be started.
    pub fn play(mut self, screen: &mut Screen) -> anyhow::Result<End> {
        screen.builds();
        let checks = match self.build(screen)? {
            Ok(Some(checks)) => checks,
            Ok(None) => return Ok(End::Done),
            Err(end) => return Ok(end),
        };
        let began = Instant::now();
        let new = new_checks(self.stage);
        let mut results = Results::new(self.stage, &new, self.later);
        let mut command = leashed(&checks)?;
        if !self.later.is_empty() {
            // Without `--exact` a name would leave out longer ones, too.
            command.arg("--exact").args(self.later.iter().flat_map(|name| ["--skip", name]));
        }
        command.args(self.args).current_dir(root().join(&self.stage.package));
        // Its standard error, which is our pipe; a file would have to be read
        // while it is written.
        command.env("TESTKIT_REPORT", "/dev/stderr");
        without_the_users_settings(&mut command);
        let filtered = !self.args.is_empty();
        let ran = self.run(command, |_, line| {
            if results.take(line) {
                screen.progress(&results);
                screen.first_failure(&results, filtered);
            }
        })?;
        match ran {
            Err(end) => return Ok(end),
            Ok(ran) if !results.through => screen.broke_off(&ran.errors, ran.status),
            Ok(_) => screen.summary(&results, &new, began.elapsed()),
        }
        Ok(End::Done)
    }

    /// Builds the checks and with them the stage's programs; `None` when that
    /// failed, which is shown by then.
    fn build(&mut self, screen: &mut Screen) -> anyhow::Result<Result<Option<PathBuf>, End>> {
        let mut command = leashed(Path::new(&cargo_path()))?;
        as_from_a_shell(&mut command);
        let format = if screen.colour() { "json-diagnostic-rendered-ansi" } else { "json" };
        command.args(["test", "-p", &self.stage.package, "--test", "checks", "--no-run", "--quiet"]);
        command.arg(format!("--message-format={format}")).current_dir(root());
        let ran = match self.run(command, |_, _| {})? {
            Ok(ran) => ran,
            Err(end) => return Ok(Err(end)),
        };
        let messages: Vec<Value> =
            ran.output.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if !ran.status.success() {
            screen.does_not_build(&errors(&messages), &ran.errors);
            return Ok(Ok(None));
        }
        let checks = messages.iter().rfind(|m| m["target"]["name"] == "checks");
        let checks = checks
            .and_then(|m| m["executable"].as_str())
            .context("cargo does not say where the checks are")?;
        Ok(Ok(Some(checks.into())))
    }

    /// Runs a program to its end, unless a save or a signal comes first: then the
    /// program is ended. `on_line` gets each line of its standard error.
    fn run(
        &mut self,
        mut command: Command,
        mut on_line: impl FnMut(&mut Self, &str),
    ) -> anyhow::Result<Result<Ran, End>> {
        *self.starts += 1;
        let of = *self.starts;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Of a group of its own: Ctrl-C is ours, and we end it with all it started.
        let mut program = Program::start(&mut command, ProcessGroup::Background)?;
        let (output, errors) = (program.child().stdout.take(), program.child().stderr.take());
        let sender = self.sender.clone();
        thread::spawn(move || {
            thread::scope(|scope| {
                scope.spawn(|| each_line(output, |line| sender.send(Event::Output { of, line }).is_ok()));
                each_line(errors, |line| sender.send(Event::Errors { of, line }).is_ok());
            });
            let _ = sender.send(Event::Closed { of });
        });
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        loop {
            match self.events.recv().expect("we hold a sender ourselves") {
                Event::Saved(path) => return Ok(Err(End::Saved(path))),
                Event::Signal(signal) => return Ok(Err(End::Signal(signal))),
                Event::Output { of: number, line } if number == of => output.push(line),
                Event::Errors { of: number, line } if number == of => {
                    on_line(self, &line);
                    errors.push(line);
                }
                Event::Closed { of: number } if number == of => {
                    let status = program.child().wait().context("cannot wait for a program")?;
                    return Ok(Ok(Ran { output, errors, status }));
                }
                Event::Output { .. } | Event::Errors { .. } | Event::Closed { .. } => {}
            }
        }
    }
}

/// A thread's work: lines until the end, or until no thread receives them any longer.
fn each_line(from: Option<impl Read>, mut on_line: impl FnMut(String) -> bool) {
    let Some(from) = from else { return };
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        if !on_line(String::from_utf8_lossy(&line).into_owned()) {
            return;
        }
    }
}

/// The compiler's errors, as it would print them.
fn errors(messages: &[Value]) -> Vec<String> {
    let errors = messages.iter().filter(|m| m["message"]["level"] == "error");
    let rendered = errors.filter_map(|m| m["message"]["rendered"].as_str());
    // The last one says only how many there were.
    rendered.filter(|text| !text.contains("aborting due to")).map(str::to_owned).collect()
}

impl Results {
    /// None so far.
    fn new(stage: &Stage, new: &[NewCheck], later: &[String]) -> Results {
        let place = |check: &NewCheck| stage.parts.iter().position(|part| part.name == check.part);
        let rank = new.iter().filter_map(|check| Some((check.name.clone(), place(check)?))).collect();
        Results { rank, later: later.to_vec(), ..Results::default() }
    }

    /// Takes a line of the report; whether it was one.
    fn take(&mut self, line: &str) -> bool {
        let Ok(value) = serde_json::from_str::<Value>(line) else { return false };
        if let Some(checks) = value["checks"].as_array() {
            let listed =
                checks.iter().filter_map(|c| Some((c["name"].as_str()?.to_owned(), c["ignored"] == true)));
            self.listed = listed.filter(|(name, _)| !self.later.contains(name)).collect();
            self.listed.sort_by_key(|(name, _)| self.rank.get(name).copied());
        }
        if let Some(name) = value["check"].as_str() {
            let passed = value["passed"] == true;
            self.passed.insert(name.to_owned(), passed);
            if !passed {
                self.complaints.insert(name.to_owned(), value.clone());
            }
        }
        self.through |= value["end"] == true;
        true
    }

    /// The first failure in the order of the checks, once it is certain that none
    /// before it can fail: several run at once, and end as they like. After a
    /// filter that is known at the end only.
    pub fn first_failure(&self, filtered: bool) -> Option<&Value> {
        for (name, ignored) in &self.listed {
            let will_not_run = *ignored || (filtered && self.through);
            match self.passed.get(name) {
                Some(false) => return self.complaints.get(name),
                None if !will_not_run => return None,
                _ => {}
            }
        }
        None
    }

    /// How many passed and how many failed.
    pub fn counts(&self) -> (usize, usize) {
        let passed = self.passed.values().filter(|passed| **passed).count();
        (passed, self.passed.len() - passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(lines: &[&str]) -> Results {
        let mut results = Results::default();
        let list = r#"{"stage":1,"checks":[{"name":"a","ignored":false},{"name":"b","ignored":true},
            {"name":"c","ignored":false},{"name":"d","ignored":false}]}"#;
        assert!(results.take(&list.replace('\n', "")));
        lines.iter().for_each(|line| assert!(results.take(line)));
        results
    }

    #[test]
    fn checks_of_earlier_parts_come_first_and_those_of_later_ones_not_at_all() {
        let all = lab::registry::Registry::load();
        let stage = all.stage(Some("4")).unwrap();
        let new = |name: &str, part: &str| NewCheck { name: name.into(), part: part.into() };
        let new = [new("late", "limits"), new("middle", "slow-clients"), new("early", "room")];
        let mut results = Results::new(stage, &new, &["late".to_owned()]);
        let list = ["late", "middle", "early", "old"].map(|name| format!("{{\"name\":\"{name}\"}}"));
        assert!(results.take(&format!("{{\"checks\":[{}]}}", list.join(","))));
        let names: Vec<_> = results.listed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["old", "early", "middle"]);
    }

    #[test]
    fn the_first_failure_is_the_first_in_order_and_not_in_time() {
        let (a, c) = (r#"{"check":"a","passed":true}"#, r#"{"check":"c","passed":false,"hint":"of c"}"#);
        let d = r#"{"check":"d","passed":false,"hint":"of d"}"#;
        assert_eq!(results(&[d]).first_failure(false), None, "a and c may still fail");
        assert_eq!(results(&[d, c]).first_failure(false), None);
        assert_eq!(results(&[d, c, a]).first_failure(false).unwrap()["hint"], "of c");
        let end = r#"{"end":true}"#;
        assert_eq!(results(&[d]).first_failure(true), None);
        assert_eq!(results(&[d, end]).first_failure(true).unwrap()["hint"], "of d");
        assert_eq!(results(&[d, c, a]).counts(), (1, 2));
        assert!(!Results::default().take("thread panicked"));
    }
}
