//! Runs the checks of a stage and reports each failure in full.

use crate::case::Case;
use crate::check::Check;
use crate::context::{Context, Graded};
use crate::failure::Failure;
use crate::poison::IgnorePoison;
use crate::report::{Complaint, Report};
use libtest_mimic::{Arguments, Failed, Trial};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::any::Any;
use std::cell::RefCell;
use std::ffi::OsString;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, Once, Weak, mpsc};
use std::time::{Duration, Instant};

/// Checks at once. They mostly wait for each other's programs, so more than
/// there are cores; `--test-threads` says otherwise.
const AT_ONCE: usize = 4;
/// Lines shown of what a program wrote on standard error.
const ERROR_LINES: usize = 12;

/// The checks of one stage and the programs that they grade.
pub struct Suite {
    graded: Graded,
    checks: Vec<Check>,
}

impl Suite {
    /// A suite for stage `stage`: `server` and `client` are the paths of our
    /// binaries, in place of which `STAGEn_SERVER` and `STAGEn_CLIENT` may name
    /// others. `STAGEn_PROGRAMS` names a folder with another build of the stage's
    /// own programs, under the same names: those owe all that ours owe.
    pub fn new(stage: u8, server: impl Into<PathBuf>, client: impl Into<PathBuf>) -> Self {
        let named = |what| std::env::var(format!("STAGE{stage}_{what}")).ok();
        let graded = Graded {
            stage,
            server: server.into(),
            client: client.into(),
            foreign_server: named("SERVER"),
            foreign_client: named("CLIENT"),
            programs: None,
        };
        let graded = match named("PROGRAMS") {
            Some(folder) => graded.built_in(folder.into()),
            None => graded,
        };
        Self { graded, checks: Vec::new() }
    }

    /// Adds a group of checks.
    pub fn with(mut self, checks: Vec<Check>) -> Self {
        self.checks.extend(checks);
        self
    }

    /// Runs the checks that the command line asks for (a filter, `--list`,
    /// `--exact`, `--format json`, … as for any test) and reports.
    pub fn run(self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        arguments.test_threads.get_or_insert(AT_ONCE);
        end_programs_at_ctrl_c();
        if let Err(why) = understood(self.graded.stage, std::env::vars_os()) {
            eprintln!("error: {why}");
            return ExitCode::from(2);
        }
        let report = match Report::asked_for() {
            Ok(report) => report.map(Arc::new),
            Err(why) => {
                eprintln!("error: {why}");
                return ExitCode::from(2);
            }
        };
        report.iter().for_each(|report| report.begin(&self.graded, &self.checks));
        let trials = self.checks.into_iter().map(|check| trial(&self.graded, check, report.clone()));
        let trials = trials.collect();
        // It panics when its standard output is closed, as by `| head`.
        HOOK.call_once(keep_quiet_about_failures);
        QUIET.set(true);
        let conclusion = catch_unwind(AssertUnwindSafe(|| libtest_mimic::run(&arguments, trials)));
        QUIET.set(false);
        match conclusion {
            Ok(conclusion) => {
                report.iter().for_each(|report| report.end());
                conclusion.exit_code()
            }
            Err(payload) => without_a_reader(payload, arguments.list),
        }
    }
}

/// The end when printing has failed: a list that is cut short is what the user
/// asked for, checks that are cut short are not passed.
fn without_a_reader(payload: Box<dyn Any + Send>, list: bool) -> ExitCode {
    kill_programs();
    let message = described(payload);
    if !message.contains("BrokenPipe") {
        let _ = writeln!(std::io::stderr(), "{message}");
    }
    if list { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What may be said about the programs under test in `STAGEn_…`.
const SETTINGS: [&str; 5] = ["SERVER", "CLIENT", "PROGRAMS", "CA", "LOGIN_TIMEOUT"];

/// A variable that is blank, is no text, or has a name that means nothing is an
/// error: our own programs would be graded in place of those that were meant.
fn understood(stage: u8, variables: impl Iterator<Item = (OsString, OsString)>) -> Result<(), String> {
    let start = format!("STAGE{stage}_");
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let Some(setting) = name.strip_prefix(&start) else { continue };
        if !SETTINGS.contains(&setting) {
            return Err(format!(
                "{name} means nothing; there are: {start}{}",
                SETTINGS.join(&format!(", {start}"))
            ));
        }
        match value.to_str() {
            None => return Err(format!("{name} is not UTF-8")),
            Some(text) if text.trim().is_empty() => {
                return Err(format!("{name} is empty: name a command, or unset it"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn trial(graded: &Graded, check: Check, report: Option<Arc<Report>>) -> Trial {
    let (name, kind, graded) = (check.name, check.kind.name(), graded.clone());
    let ignored = graded.ignores(&check);
    let run = move || {
        let start = Instant::now();
        let result = run_one(graded, check);
        report.iter().for_each(|report| report.check(name, start.elapsed(), result.as_ref().err()));
        result.map_err(Failed::from)
    };
    Trial::test(name, run).with_kind(kind).with_ignored_flag(ignored)
}

/// Runs one check on a thread of its own, so that one that hangs can be given
/// up. `Err` holds all that there is to say about the failure.
pub(crate) fn run_one(graded: Graded, check: Check) -> Result<(), Complaint> {
    HOOK.call_once(keep_quiet_about_failures);
    let context =
        Context::new(graded).map_err(|e| Complaint::of_ours(format!("no temporary folder: {e}")))?;
    RUNNING.lock().ignore_poison().push(Arc::downgrade(&context));
    let case = Case { context: context.clone() };
    let (done, outcome) = mpsc::channel();
    let (prepare, body) = (check.prepare, check.body);
    std::thread::spawn(move || {
        QUIET.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| {
            prepare.inspect(|prepare| prepare(&case));
            body(&case);
        }));
        let _ = done.send(result.map_err(|payload| (described(payload), case.context.errors())));
    });
    let (what, errors) = match outcome.recv_timeout(check.limit) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(failed)) => failed,
        Err(_) => {
            context.kill_all();
            (overdue(check.limit), context.errors())
        }
    };
    let errors = errors.into_iter().filter(|(_, text)| !text.is_empty());
    let errors = errors.map(|(who, text)| {
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(ERROR_LINES)..];
        format!("  stderr of the {who} (last lines)\n    | {}\n", last.join("\n    | "))
    });
    Err(Complaint { steps: context.transcript.render(), what, hint: check.hint, errors: errors.collect() })
}

/// Installs [`keep_quiet_about_failures`] once.
static HOOK: Once = Once::new();

/// Every check's workplace, for [`end_programs_at_ctrl_c`]; those that are done are dead.
static RUNNING: Mutex<Vec<Weak<Context>>> = Mutex::new(Vec::new());

/// The graded programs run in process groups of their own, which a Ctrl-C at
/// the terminal does not reach: this thread passes it on.
fn end_programs_at_ctrl_c() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    std::thread::spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        kill_programs();
        std::process::exit(128 + signal);
    });
}

fn kill_programs() {
    let contexts = RUNNING.lock().ignore_poison();
    contexts.iter().filter_map(Weak::upgrade).for_each(|context| context.kill_all());
}

fn overdue(limit: Duration) -> String {
    format!("  expected: the check to be done within {limit:?}\n  got:      it still waits\n")
}

fn described(payload: Box<dyn Any + Send>) -> String {
    if let Some(failure) = payload.downcast_ref::<Failure>() {
        let Failure { expected, got, place } = failure;
        return format!("  expected: {expected}\n  got:      {got}\n  (at {place})\n");
    }
    let message = match (payload.downcast_ref::<String>(), payload.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (_, Some(text)) => *text,
        _ => "a panic without a message",
    };
    let place = PLACE.take();
    format!("  expected: the check to run through\n  got:      {message}\n  (at {place})\n")
}

thread_local! {
    /// Set on threads that run a check: their panics are the report's business.
    static QUIET: RefCell<bool> = const { RefCell::new(false) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

fn keep_quiet_about_failures() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !QUIET.with_borrow(|quiet| *quiet) {
            return usual(info);
        }
        PLACE.set(info.location().map(ToString::to_string).unwrap_or_default());
    }));
}

#[cfg(test)]
mod tests {
    use super::understood;

    fn said(name: &str, value: &str) -> Result<(), String> {
        understood(4, [(name.into(), value.into())].into_iter())
    }

    #[test]
    fn a_setting_that_is_blank_or_misspelt_is_an_error() {
        for blank in ["", " ", "\t\n"] {
            for name in ["STAGE4_SERVER", "STAGE4_CLIENT", "STAGE4_PROGRAMS"] {
                assert!(said(name, blank).unwrap_err().contains(&format!("{name} is empty")));
            }
        }
        assert!(said("STAGE4_SEVER", "python3 x.py").unwrap_err().contains("there are: STAGE4_SERVER, "));
        assert_eq!(said("STAGE4_SERVER", "python3 x.py"), Ok(()));
        assert_eq!(said("STAGE5_SERVER", ""), Ok(()), "another stage's");
    }
}
