//! The verdict on each check of a run: passed, failed, or not judged.
//!
//! Where nothing listens, fifty checks fail for one reason. So a check may rest on
//! others ([`Check::basic`]): when one of those has
//! failed, it is not judged. It has not passed, but there is nothing to say about
//! it that its basic check does not say. `--strict` judges every check.
//!
//! Where time was over on a busy machine, nothing is known about the program. Such a check
//! is tried again, with no other check beside it, before it is a verdict; with `--strict`
//! it is not.

use crate::check::Check;
use crate::context::Graded;
use crate::poison::IgnorePoison;
use crate::report::{Complaint, Report};
use crate::run_check::run_one;
use crate::settings::Options;
use libtest_mimic::{Completion, Failed};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, RwLock};
use std::time::{Duration, Instant};

/// Checks of one run that are tried again: a program that fails more is not the machine's
/// fault.
const TRIED_AGAIN: usize = 4;

/// Failures shown in full. What comes after them is one line each, so that nobody
/// has to read thousands of lines.
const SHOWN_IN_FULL: usize = 10;

type Outcome = (Result<(), Complaint>, Duration);

/// Judges the checks of one run. Every worker thread of the test runner uses it.
pub(crate) struct Judge {
    graded: Graded,
    report: Option<Report>,
    /// Those that others rest on: each is run once, by the first check that asks.
    basics: HashMap<&'static str, (Check, OnceLock<Outcome>)>,
    /// How many checks were not judged, by the basic check that failed.
    not_judged: Mutex<BTreeMap<&'static str, usize>>,
    failures: AtomicUsize,
    shown_in_full: usize,
    /// Each check holds it to read, and to write when it is tried again, alone.
    alone: RwLock<()>,
    /// How many more may be tried again.
    tries: AtomicUsize,
}

impl Judge {
    /// `selected` are the checks that this run includes: nothing rests on one that
    /// was not asked for.
    pub fn new(graded: Graded, report: Option<Report>, selected: &[Check]) -> Self {
        let strict = Options::get().strict;
        let names = selected.iter().flat_map(|check| check.rests_on.iter().copied());
        let find = |name: &'static str| {
            let check = selected.iter().find(|check| check.name == name)?;
            Some((name, (check.clone(), OnceLock::new())))
        };
        let basics = names.filter(|_| !strict).filter_map(find).collect();
        Self {
            graded,
            report,
            basics,
            not_judged: Mutex::default(),
            failures: AtomicUsize::new(0),
            shown_in_full: if strict { usize::MAX } else { SHOWN_IN_FULL },
            alone: RwLock::default(),
            tries: AtomicUsize::new(if strict { 0 } else { TRIED_AGAIN }),
        }
    }

    /// Runs `check`, unless what it rests on has failed, and reports.
    pub fn judge(&self, check: &Check) -> Result<Completion, Failed> {
        let failed = check.rests_on.iter().copied().find(|name| {
            let outcome = self.basics.get(name).map(|(basic, once)| self.outcome_once(basic, once));
            outcome.is_some_and(|(result, _)| result.is_err())
        });
        if let Some(basic) = failed {
            self.report.iter().for_each(|report| report.not_judged(check.name, basic));
            *self.not_judged.lock().ignore_poison().entry(basic).or_default() += 1;
            return Ok(Completion::ignored_with(format!("not judged, since {basic} failed")));
        }
        match self.basics.get(check.name) {
            Some((basic, once)) => self.conclude(check, self.outcome_once(basic, once)),
            None => self.conclude(check, &self.outcome(check)),
        }
    }

    fn outcome_once<'a>(&self, basic: &Check, once: &'a OnceLock<Outcome>) -> &'a Outcome {
        once.get_or_init(|| self.outcome(basic))
    }

    fn outcome(&self, check: &Check) -> Outcome {
        let start = Instant::now();
        let run = || run_one(self.graded.clone(), check.clone());
        let among_others = self.alone.read().ignore_poison();
        let mut result = run();
        drop(among_others);
        if result.as_ref().is_err_and(|complaint| complaint.late) && crate::is_busy() && self.may_try_again()
        {
            println!("{}: time was over, on a busy machine: it is tried again, alone.", check.name);
            let _alone = self.alone.write().ignore_poison();
            result = run();
        }
        (result, start.elapsed())
    }

    fn may_try_again(&self) -> bool {
        self.tries.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn conclude(&self, check: &Check, (result, took): &Outcome) -> Result<Completion, Failed> {
        self.report.iter().for_each(|report| report.check(check.name, *took, result.as_ref().err()));
        let Err(complaint) = result else { return Ok(Completion::Completed) };
        if self.failures.fetch_add(1, Ordering::Relaxed) < self.shown_in_full {
            return Err(complaint.into());
        }
        let stage = self.graded.stage;
        Err(format!("  not shown; alone: make check {stage} ARGS={}\n", check.name).into())
    }

    /// Says at the end how many checks wait for which, and closes the report.
    pub fn end(&self) {
        for (basic, count) in self.not_judged.lock().ignore_poison().iter() {
            println!("{count} checks were not judged: they wait for {basic}, which failed.");
        }
        self.report.iter().for_each(Report::end);
    }
}
