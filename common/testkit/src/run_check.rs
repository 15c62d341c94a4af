//! Runs one check: on a thread of its own, with a time limit, and with all that
//! there is to say when it fails.

use crate::case::Case;
use crate::check::Check;
use crate::context::{Context, Graded};
use crate::failure::{Failure, FailureSource};
use crate::poison::IgnorePoison;
use crate::report::Complaint;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::any::Any;
use std::cell::RefCell;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Once, Weak, mpsc};
use std::time::Duration;

/// Lines shown of what a program wrote on standard error.
const ERROR_LINES: usize = 12;

/// Runs one check on a thread of its own, so that one that hangs can be given
/// up. `Err` holds all that there is to say about the failure.
pub(crate) fn run_one(graded: Graded, check: Check) -> Result<(), Complaint> {
    HOOK.call_once(keep_quiet_about_failures);
    let context =
        fresh_context(graded).map_err(|e| Complaint::of_ours(format!("no temporary folder: {e}")))?;
    let case = Case { context: context.clone() };
    let (done, outcome) = mpsc::channel();
    let (prepare, body) = (check.prepare, check.body);
    std::thread::spawn(move || {
        QUIET.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| {
            prepare.inspect(|prepare| prepare(&case));
            body(&case);
        }));
        let failed = |payload: Box<dyn Any + Send>| {
            let late = payload.downcast_ref::<Failure>().is_some_and(|failure| failure.late);
            (described(payload), late, case.context.errors())
        };
        let result = result.map_err(failed);
        // The last one that holds the folder removes it, and nobody waits for this thread.
        drop(case);
        let _ = done.send(result);
    });
    let ((what, hint), late, errors) = match outcome.recv_timeout(check.limit.mul_f64(crate::slowness())) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(failed)) => failed,
        Err(_) => {
            context.kill_all();
            ((overdue(check.limit), None), true, context.errors())
        }
    };
    let errors = errors.into_iter().filter(|(_, text)| !text.is_empty());
    let errors = errors.map(|(who, text)| {
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(ERROR_LINES)..];
        format!("  stderr of the {who} (last lines)\n    | {}\n", last.join("\n    | "))
    });
    let hint = hint.unwrap_or(check.hint);
    Err(Complaint { steps: context.transcript.render(), what, hint, errors: errors.collect(), late })
}

/// A context whose programs end when the checks are interrupted.
pub(crate) fn fresh_context(graded: Graded) -> std::io::Result<Arc<Context>> {
    let context = Context::new(graded)?;
    RUNNING.lock().ignore_poison().push(Arc::downgrade(&context));
    Ok(context)
}

/// Runs `test` on this thread. When it fails, gives what was expected and what came
/// instead, and prints nothing.
pub(crate) fn quietly<T>(test: impl FnOnce() -> T) -> Result<T, (String, String)> {
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(test));
    QUIET.set(before);
    result.map_err(|payload| match payload.downcast::<Failure>() {
        Ok(failure) => (failure.expected, failure.got),
        Err(_) => ("the check to run through".to_owned(), format!("a panic at {}", PLACE.take())),
    })
}

/// Installs [`keep_quiet_about_failures`] once.
static HOOK: Once = Once::new();

/// Every check's workplace, for [`end_programs_at_ctrl_c`]; those that are done are dead.
static RUNNING: Mutex<Vec<Weak<Context>>> = Mutex::new(Vec::new());

/// The graded programs run in process groups of their own, which a Ctrl-C at
/// the terminal does not reach: this thread passes it on.
pub(crate) fn end_programs_at_ctrl_c() {
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

/// Runs the test runner, which panics when nobody reads its standard output any
/// longer. That is no message for the user; any other panic is.
pub(crate) fn without_panic_message<T>(run: impl FnOnce() -> T) -> Result<T, ()> {
    HOOK.call_once(keep_quiet_about_failures);
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    QUIET.set(false);
    result.map_err(|payload| {
        kill_programs();
        let (message, _) = described(payload);
        if !message.contains("BrokenPipe") {
            let _ = writeln!(std::io::stderr(), "{message}");
        }
    })
}

fn overdue(limit: Duration) -> String {
    format!("  expected: the check to be done within {limit:?}\n  got:      it still waits\n")
}

/// What was expected and what came instead, and a better hint than that of the check.
fn described(payload: Box<dyn Any + Send>) -> (String, Option<String>) {
    if let Some(failure) = payload.downcast_ref::<Failure>() {
        let Failure { expected, got, source, .. } = failure;
        let what = format!("  expected: {expected}\n  got:      {got}\n");
        return match source {
            FailureSource::Code(place) => (format!("{what}  (at {place})\n"), None),
            FailureSource::Rule { rule, session } => {
                let what = format!("{what}  rule:     {}: {}\n  ({session})\n", rule.name, rule.says);
                (what, Some(rule.hint.to_owned()))
            }
        };
    }
    let message = match (payload.downcast_ref::<String>(), payload.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (_, Some(text)) => *text,
        _ => "a panic without a message",
    };
    let place = PLACE.take();
    (format!("  expected: the check to run through\n  got:      {message}\n  (at {place})\n"), None)
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
