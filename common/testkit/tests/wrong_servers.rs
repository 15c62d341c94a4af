//! The checks are checked: stage 4's, on a right server in another language and
//! on many wrong ones. The right one must pass everything, and each wrong one
//! must fail exactly what the table says: a check that fails nobody is no check,
//! and one that fails the right server is worse.
//!
//! To stay short, each wrong server gets the checks that it must fail and one in
//! six of the others, so that over all of them each has its turn.
//! `WRONG_SERVERS=all` runs every check on every server; it takes minutes.

#[path = "wrong_servers/table.rs"]
mod table;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::{Arc, OnceLock};
use table::{
    Fails, NOT_SEEN_AT_RANDOM, REPORTED_AS, REPORTED_CLIENTS, WITHOUT_A_PROGRAM, WRONG, WRONG_BY_NAME,
    WRONG_CLIENTS,
};

type Names = BTreeSet<String>;

/// The check that plays sessions at random: nearly every fault shows in one of them.
const RANDOM: &str = "random_sessions_keep_to_the_contract";
/// What a server passes that starts, and does nothing else right.
const START: &str = "the_server_starts_listens_and_accepts";
/// Of the checks that must pass on a wrong server, one in so many is run.
const ONE_IN: usize = 6;
const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/stage4.py");
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/stage4.py");
const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/contract.md");
/// The same as [`RANDOM`] for clients.
const RANDOM_CLIENT: &str = "random_sessions_of_a_client_keep_to_the_contract";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each of them runs several checks at once by itself.
    arguments.test_threads.get_or_insert(2);
    let lab: &'static OnceLock<Option<Lab>> = Box::leak(Box::default());
    let with_lab = move |test: &dyn Fn(&Lab) -> Result<(), Failed>| match lab.get_or_init(Lab::new) {
        Some(lab) => test(lab).map(|()| Completion::Completed),
        None => Ok(Completion::ignored_with("python3 is missing")),
    };
    let mut trials = vec![
        Trial::ignorable_test("the_right_server_passes_every_check", move || with_lab(&right)),
        Trial::ignorable_test("a_right_server_may_use_every_freedom", move || with_lab(&right_and_loose)),
        Trial::ignorable_test("the_table_has_every_fault", move || with_lab(&complete)),
        Trial::ignorable_test("every_check_fails_some_server", move || with_lab(&sharp)),
        Trial::ignorable_test("the_right_client_passes", move || with_lab(&right_client)),
        Trial::ignorable_test("the_table_has_every_fault_of_clients", move || with_lab(&complete_clients)),
        Trial::test("every_rule_has_a_wrong_program", every_rule),
    ];
    for fault in WRONG_CLIENTS {
        let test = move || with_lab(&|lab| wrong_client(lab, fault, RANDOM_CLIENT));
        trials.push(Trial::ignorable_test(format!("a_client_that_{fault}_is_noticed"), test));
    }
    for (fault, check) in WRONG_BY_NAME {
        let test = move || with_lab(&|lab| wrong_client(lab, fault, check));
        trials.push(Trial::ignorable_test(format!("a_client_that_{fault}_fails_its_check"), test));
    }
    for (at, (fault, fails)) in WRONG.iter().enumerate() {
        let test = move || with_lab(&|lab| wrong(lab, at, fault, fails));
        trials.push(Trial::ignorable_test(format!("{fault}_is_noticed"), test));
    }
    // Nobody who writes a server needs them: `make test-course` runs them.
    let trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What it takes to run the checks of stage 4 on the Python server.
struct Lab {
    python: String,
    checks: PathBuf,
    /// The checks that grade a server in another language.
    names: Arc<Names>,
}

impl Lab {
    /// `None` without Python.
    fn new() -> Option<Self> {
        // Its own name for itself: `python3` may be a script that takes longer
        // to start than the interpreter does.
        let mut ask = Command::new("python3");
        let answer = ask.args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
        let python = String::from_utf8(answer.stdout).ok().filter(|_| answer.status.success())?;
        let (python, checks) = (python.trim().to_owned(), checks_binary());
        let mut lab = Self { python, checks, names: Arc::default() };
        let listed = |arguments: &[&str]| {
            let output = lab.command(None).args(arguments).output().expect("the checks start");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
            names.map(|name| name.rsplit("] ").next().unwrap_or(name).to_owned()).collect::<Names>()
        };
        let ignored = listed(&["--list", "--ignored"]);
        lab.names = Arc::new(listed(&["--list"]).difference(&ignored).cloned().collect());
        Some(lab)
    }

    /// The checks, told to grade the Python server with this fault.
    fn command(&self, fault: Option<&str>) -> Command {
        let fault = fault.map(|fault| format!("--fault {fault}")).unwrap_or_default();
        let server = format!("{} -S -E '{SERVER}' --host {{host}} --port {{port}} {fault}", self.python);
        let mut command = Command::new(&self.checks);
        command.env("STAGE4_SERVER", server).env_remove("STAGE4_CLIENT");
        if fault.is_empty() {
            return command;
        }
        // Each check on its own: the table says which of them fail.
        command.env("CHECK_STRICT", "1");
        // A right answer takes milliseconds; there are many wrong ones to wait for.
        command.env("CHECK_PATIENCE_MS", "2000");
        command
    }

    /// Runs these checks; gives the names of those that failed, and the report.
    fn failing(&self, fault: Option<&str>, run: &Names) -> (Names, String) {
        let mut command = self.command(fault);
        command.arg("--exact");
        for name in self.names.difference(run) {
            command.args(["--skip", name]);
        }
        let output = command.output().expect("the checks start");
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = report.lines().filter(|line| line.starts_with("test ["));
        let passed = lines.clone().filter(|line| line.ends_with("... ok")).count();
        let failed: Names = lines.filter_map(failed_name).collect();
        assert_eq!(passed + failed.len(), run.len(), "not all checks ran:\n{report}");
        (failed, report)
    }
}

/// The checks, told to grade the Python client with these options.
fn of_client(lab: &Lab, options: &str) -> Command {
    let client = format!("{} -S -E '{CLIENT}' --host {{host}} --port {{port}} {options}", lab.python);
    let mut command = Command::new(&lab.checks);
    command.env("STAGE4_CLIENT", client).env_remove("STAGE4_SERVER");
    // A right one that is slow on a busy machine is tried again; a wrong one need not be.
    command.env("CHECK_STRICT", if options.is_empty() { "0" } else { "1" });
    command
}

/// It passes all checks that a client in another language owes.
fn right_client(lab: &Lab) -> Result<(), Failed> {
    let output = of_client(lab, "").output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stdout).into()) }
}

/// It fails this check; random sessions name its rule.
fn wrong_client(lab: &Lab, fault: &str, check: &str) -> Result<(), Failed> {
    let output = of_client(lab, &format!("--fault {fault}")).args(["--exact", check]).output()?;
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let fails = report.contains("0 passed; 1 failed");
    if fails && is_reported(REPORTED_CLIENTS, fault, &report) { Ok(()) } else { Err(report.into()) }
}

/// Returns `true` if the report names a rule that this fault breaks, if the table says
/// which.
fn is_reported(table: &[(&str, &str)], fault: &str, report: &str) -> bool {
    let mut rules = table.iter().filter(|(_, name)| *name == fault).map(|(rule, _)| rule).peekable();
    rules.peek().is_none() || rules.any(|rule| report.contains(&format!("  rule:     {rule}: ")))
}

fn complete_clients(lab: &Lab) -> Result<(), Failed> {
    let output = Command::new(&lab.python).args([CLIENT, "--list-faults"]).output()?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let by_name = WRONG_BY_NAME.iter().map(|(fault, _)| *fault);
    let all = WRONG_CLIENTS.iter().copied().chain(by_name);
    if listed.lines().eq(all) { Ok(()) } else { Err(listed.into()) }
}

/// Each rule that the contract names has a program that breaks it.
fn every_rule() -> Result<(), Failed> {
    let contract = std::fs::read_to_string(CONTRACT)?;
    let table = contract.split("### The rules by name").nth(1).unwrap_or_default();
    let table = table.split("Left open:").next().unwrap_or_default();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let rules: BTreeSet<_> = rows.map(|(name, _)| name).collect();
    let proven = REPORTED_AS
        .iter()
        .chain(REPORTED_CLIENTS)
        .map(|(rule, _)| *rule)
        .chain(WITHOUT_A_PROGRAM.iter().copied())
        .collect();
    if rules == proven {
        Ok(())
    } else {
        Err(format!("{rules:?} in the contract, {proven:?} in the table").into())
    }
}

fn failed_name(line: &str) -> Option<String> {
    let (name, _) = line.strip_suffix("FAILED")?.split_once(" ... ")?;
    Some(name.rsplit("] ").next()?.trim().to_owned())
}

/// Has cargo build stage 4's checks and say where they are.
fn checks_binary() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.args(["test", "-p", "stage4-multichat", "--test", "checks", "--no-run", "--message-format=json"]);
    let output = build.output().expect("cargo, which runs this test, starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut built = messages.filter(|message| message["target"]["name"] == "checks");
    let path = built.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    path.expect("cargo names the binary that it has built")
}

/// A server that makes use of what the contract leaves open: notices later than lines, one
/// sender's lines later than another's.
fn right_and_loose(lab: &Lab) -> Result<(), Failed> {
    let server = format!("{} -S -E '{SERVER}' --host {{host}} --port {{port}} --loose yes", lab.python);
    let mut command = lab.command(None);
    let output = command.env("STAGE4_SERVER", server).output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stdout).into()) }
}

fn right(lab: &Lab) -> Result<(), Failed> {
    let (failed, report) = lab.failing(None, &lab.names);
    if failed.is_empty() { Ok(()) } else { Err(report.into()) }
}

fn complete(lab: &Lab) -> Result<(), Failed> {
    let output = Command::new(&lab.python).args([SERVER, "--list-faults"]).output()?;
    let listed = String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect::<Names>();
    let table: Names = WRONG.iter().map(|(fault, _)| (*fault).to_owned()).collect();
    if listed == table { Ok(()) } else { Err(format!("{listed:?} against {table:?}").into()) }
}

fn sharp(lab: &Lab) -> Result<(), Failed> {
    let noticing: Names =
        WRONG.iter().flat_map(|(_, fails)| must_fail(fails).iter().map(|n| (*n).to_owned())).collect();
    let idle: Vec<_> = lab.names.difference(&noticing).filter(|name| *name != RANDOM).collect();
    let unknown: Vec<_> = noticing.difference(&lab.names).collect();
    if idle.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    Err(format!("no fault for {idle:?}; no check called {unknown:?}").into())
}

fn must_fail(fails: &Fails) -> &'static [&'static str] {
    match fails {
        Fails::These(names) | Fails::AtLeast(names) | Fails::Perhaps(names, _) => names,
        Fails::Everything => &[],
    }
}

fn wrong(lab: &Lab, at: usize, fault: &str, fails: &Fails) -> Result<(), Failed> {
    let needs_ipv6 = ["no-brackets", "mapped-address"].contains(&fault);
    if needs_ipv6 && std::net::TcpListener::bind("[::1]:0").is_err() {
        return Ok(());
    }
    let must: Names = must_fail(fails).iter().map(|name| (*name).to_owned()).collect();
    let seen = !NOT_SEEN_AT_RANDOM.contains(&fault);
    let all = std::env::var("WRONG_SERVERS").is_ok_and(|wanted| wanted == "all");
    let is_sampled = |i: usize| all || (i + at).is_multiple_of(ONE_IN);
    let sample = lab.names.iter().enumerate().filter(|(i, _)| is_sampled(*i)).map(|(_, name)| name.clone());
    let mut run: Names = must.iter().cloned().chain(sample).collect();
    run.remove(RANDOM);
    let with_random: Names = run.iter().cloned().chain(seen.then(|| RANDOM.to_owned())).collect();
    let (mut failed, report) = lab.failing(Some(fault), &with_random);
    if failed.remove(RANDOM) != seen || (seen && !is_reported(REPORTED_AS, fault, &report)) {
        return Err(format!("random sessions do not see it, or name another rule\n{report}").into());
    }
    let as_it_should = match fails {
        Fails::These(_) => failed == must,
        Fails::AtLeast(_) => failed.is_superset(&must),
        Fails::Perhaps(_, other) => {
            failed.iter().all(|n| must.contains(n) || n == other) && failed.is_superset(&must)
        }
        Fails::Everything => run.iter().all(|name| failed.contains(name) != (name == START)),
    };
    if as_it_should {
        return Ok(());
    }
    let passed: Vec<_> = must.difference(&failed).collect();
    let besides: Vec<_> = failed.difference(&must).collect();
    Err(format!("should have failed: {passed:?}; should have passed: {besides:?}\n{report}").into())
}
