//! Runs the checks of a stage and reports each failure in full.

use crate::case::Side;
use crate::check::Check;
use crate::context::Graded;
use crate::judge::Judge;
use crate::report::Report;
use crate::run_check::{end_programs_at_ctrl_c, without_panic_message};
use crate::settings::{self, Options};
use libtest_mimic::{Arguments, Trial};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Checks at once. They mostly wait for each other's programs, so more than
/// there are cores; `--test-threads` says otherwise.
const AT_ONCE: usize = 6;
/// More than these where checks wait for a time limit ([`Check::waits`]): while one of
/// them waits, it needs no processor.
const WAITING: usize = 2;
/// `make check N` sets this variable: a name that no check has is an error then.
const NAMED: &str = "CHECK_NAMED";

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

    /// Adds a group of checks. They rest on the basic checks that were added before.
    pub fn with(mut self, checks: Vec<Check>) -> Self {
        for mut check in checks {
            let concerns = |basic: &&Check| check.side == basic.side || check.side == Side::Both;
            let basics = self.checks.iter().filter(|other| other.basic);
            check.rests_on = basics.filter(concerns).map(|basic| basic.name).collect();
            self.checks.push(check);
        }
        self
    }

    /// Runs the checks that the command line asks for (a filter, `--list`,
    /// `--exact`, `--format json`, … as for any test) and reports.
    pub fn run(self) -> ExitCode {
        let mut arguments = match Options::of_this_run() {
            Ok((_, words)) => Arguments::from_iter(words),
            Err(why) => {
                eprintln!("error: {why}");
                return ExitCode::from(2);
            }
        };
        let waiting = self.selected(&arguments).iter().filter(|check| check.waits).count();
        arguments.test_threads.get_or_insert(AT_ONCE + waiting.min(WAITING));
        end_programs_at_ctrl_c();
        if let Err(why) = settings::understood(self.graded.stage, std::env::vars_os()) {
            eprintln!("error: {why}");
            return ExitCode::from(2);
        }
        let report = match Report::asked_for() {
            Ok(report) => report,
            Err(why) => {
                eprintln!("error: {why}");
                return ExitCode::from(2);
            }
        };
        if std::env::var_os(NAMED).is_some()
            && !arguments.list
            && !self.checks.iter().any(|check| is_named(check, &arguments))
        {
            let (stage, words) = (self.graded.stage, arguments.filter.unwrap_or_default());
            eprintln!(
                "error: no check of stage {stage} has '{words}' in its name; make check {stage} ARGS=--list lists them"
            );
            return ExitCode::from(2);
        }
        report.iter().for_each(|report| report.begin(&self.graded, &self.checks));
        let judge = Arc::new(Judge::new(self.graded.clone(), report, &self.selected(&arguments)));
        let (waiting, others): (Vec<_>, Vec<_>) = self.checks.iter().partition(|check| check.waits);
        let trials = waiting.iter().chain(&others).map(|check| trial(&self.graded, check, judge.clone()));
        let trials = trials.collect();
        // It panics when its standard output is closed, as by `| head`.
        match without_panic_message(|| libtest_mimic::run(&arguments, trials)) {
            Ok(conclusion) => {
                judge.end();
                conclusion.exit_code()
            }
            // A list that is cut short is what the user asked for, checks that are cut
            // short are not passed.
            Err(()) if arguments.list => ExitCode::SUCCESS,
            Err(()) => ExitCode::FAILURE,
        }
    }

    /// The checks that the command line asks for.
    fn selected(&self, arguments: &Arguments) -> Vec<Check> {
        let asked_for = |check: &&Check| !self.graded.ignores(check) && is_named(check, arguments);
        self.checks.iter().filter(asked_for).cloned().collect()
    }
}

/// Returns `true` if the command line does not leave this check out.
fn is_named(check: &Check, arguments: &Arguments) -> bool {
    !arguments.is_filtered_out(&Trial::test(check.name, || Ok(())).with_kind(check.kind.name()))
}

fn trial(graded: &Graded, check: &Check, judge: Arc<Judge>) -> Trial {
    let (name, kind, ignored) = (check.name, check.kind.name(), graded.ignores(check));
    let check = check.clone();
    Trial::ignorable_test(name, move || judge.judge(&check)).with_kind(kind).with_ignored_flag(ignored)
}
