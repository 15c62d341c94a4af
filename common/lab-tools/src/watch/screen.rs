//! What the user sees of it: on a terminal one screen for each round, on a pipe
//! the same as lines.

use super::round::Results;
use common::escape::escape;
use lab::new_checks::NewCheck;
use lab::registry::{Part, Stage};
use lab::say;
use lab::workspace::root;
use std::io::{IsTerminal, Write, stdout};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

/// The compiler's errors that are shown; the rest often follows from the first.
const ERRORS: usize = 3;

/// Lines that are shown of a run that broke off.
const LAST_LINES: usize = 12;

/// Home, and everything cleared, what is above the screen too.
const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

pub struct Screen {
    terminal: bool,
    colour: bool,
    /// Whether a line stands there that the next one replaces.
    unfinished: bool,
    /// Whether this round's first failure is shown.
    failure_shown: bool,
}

impl Screen {
    pub fn new() -> Screen {
        let terminal = stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Screen { terminal, colour, unfinished: false, failure_shown: false }
    }

    pub fn colour(&self) -> bool {
        self.colour
    }

    fn line(&mut self, text: &str) {
        self.forget();
        say!("{text}");
    }

    fn bold(&self, text: &str) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn coloured(&self, text: &str, colour: u8) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A line that will be replaced; on a pipe there is no such thing.
    fn passing(&mut self, text: &str) {
        if self.terminal {
            let _ = write!(stdout(), "\r\x1b[K{text}").and_then(|()| stdout().flush());
            self.unfinished = true;
        }
    }

    fn forget(&mut self) {
        if std::mem::take(&mut self.unfinished) {
            let _ = write!(stdout(), "\r\x1b[K");
        }
    }

    pub fn begin(&mut self, stage: &Stage, part: Option<&Part>, saved: Option<&Path>) {
        if self.terminal {
            let _ = write!(stdout(), "{CLEAR}");
        } else if saved.is_some() {
            say!("");
        }
        (self.unfinished, self.failure_shown) = (false, false);
        let why = saved.map_or(String::new(), |path| {
            let path = path.strip_prefix(root()).unwrap_or(path);
            format!(", after {} was saved", escape(&path.display().to_string()))
        });
        let up_to = part.map_or(String::new(), |part| format!(", up to the part {}", part.name));
        let title = self.bold(&format!("The checks of stage {}, {}{up_to}", stage.number, stage.title));
        self.line(&format!("{title}{why}"));
    }

    pub fn builds(&mut self) {
        self.passing("building ...");
    }

    pub fn progress(&mut self, results: &Results) {
        let (passed, failed) = results.counts();
        self.passing(&format!("{passed} pass, {failed} fail, of {} ...", results.listed.len()));
    }

    /// Shows the first failure, once it is known, and once only.
    pub fn first_failure(&mut self, results: &Results, filtered: bool) {
        if self.failure_shown {
            return;
        }
        let Some(failure) = results.first_failure(filtered) else { return };
        let text = |key: &str| failure[key].as_str().unwrap_or_default().trim_end().to_owned();
        self.failure_shown = true;
        self.line("");
        self.line(&self.coloured(&format!("The first that fails: {}", text("check")), 31));
        self.line("  steps so far");
        // What a program has said is escaped in there already.
        self.line(&text("steps"));
        self.line(&text("what"));
        self.line(&format!("  likely cause: {}", self.bold(&text("hint"))));
        if !text("errors").is_empty() {
            self.line(&text("errors"));
        }
    }

    pub fn summary(&mut self, results: &Results, new: &[NewCheck], took: Duration) {
        let (passed, failed) = results.counts();
        let ignored = results.listed.iter().filter(|(_, ignored)| *ignored).count();
        self.line("");
        let verdict = match failed {
            0 if passed == 0 => self.coloured("No check has this in its name, so none was run", 31),
            0 => self.coloured(&format!("All {passed} pass"), 32),
            _ => self.coloured(&format!("{passed} pass, {failed} fail"), 31),
        };
        let ignored = if ignored > 0 { format!(", {ignored} ignored") } else { String::new() };
        self.line(&format!("{verdict}{ignored}, in {:.1} s", took.as_secs_f64()));
        if failed == 0 || new.is_empty() {
            return;
        }
        let is_new = |name: &&String| new.iter().any(|check| check.name == **name);
        let (of_new, done): (Vec<_>, Vec<_>) = {
            let of_new: Vec<_> = results.passed.keys().filter(is_new).collect();
            let done = of_new.iter().copied().filter(|name| results.passed[*name]).collect();
            (of_new, done)
        };
        self.line(&format!("of those that are new in this stage {} of {} pass", done.len(), of_new.len()));
        let lost: Vec<_> =
            results.passed.iter().filter(|(name, passed)| !**passed && !is_new(name)).collect();
        if !lost.is_empty() {
            let names: Vec<_> = lost.iter().take(5).map(|(name, _)| name.as_str()).collect();
            let more = if lost.len() > 5 { ", ..." } else { "" };
            self.line(&format!("what held before and fails now: {}{more}", names.join(", ")));
        }
    }

    pub fn does_not_build(&mut self, errors: &[String], said: &[String]) {
        self.line("");
        self.line(&self.coloured("It does not build, so there is nothing to check yet.", 31));
        self.line("");
        for error in errors.iter().take(ERRORS) {
            self.line(error.trim_end());
            self.line("");
        }
        match errors.len().saturating_sub(ERRORS) {
            0 if errors.is_empty() => said.iter().for_each(|line| self.line(line)),
            0 => {}
            more => self.line(&format!("and {more} more; the first ones first")),
        }
    }

    pub fn broke_off(&mut self, said: &[String], status: ExitStatus) {
        self.line("");
        self.line(&self.coloured(&format!("The checks came to no end: {status}"), 31));
        let last = &said[said.len().saturating_sub(LAST_LINES)..];
        last.iter().filter(|line| !line.starts_with('{')).for_each(|line| self.line(&escape(line)));
    }

    pub fn waits(&mut self) {
        self.line("\nSave a file, and they run again; Ctrl-C ends it.");
    }

    pub fn end(&mut self) {
        self.forget();
        say!("");
    }
}
