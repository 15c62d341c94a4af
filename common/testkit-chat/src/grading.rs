//! The checks, checked: a right program in another language passes all that it
//! owes, and each of the wrong ones fails where its fault is.
//!
//! The test that does this is the suite of checks itself, started once more for
//! each program: it then finds `STAGEn_SERVER` set.

use crate::wire::Key;
use crate::wrong_servers::{self, WrongServer};
use libtest_mimic::{Arguments, Failed};
use std::process::{Command, ExitCode, Output};
use std::time::Duration;
use tempfile::TempDir;
use testkit::self_test;

/// A fault of a program, and a check that it must fail; or, of a client, a rule that sessions at
/// random name: `rule shown`.
pub type Faults = &'static [(&'static str, &'static str)];

/// A program in Python that is right, and all the ways in which it can be wrong.
#[derive(Clone, Copy)]
pub struct Program {
    /// The path of the file.
    pub file: &'static str,
    /// Options that it always gets.
    pub options: &'static str,
    /// Its faults, in the order of its `--list-faults`.
    pub faults: Faults,
    /// Some of these once more, each with a rule that sessions at random name.
    pub rules: Faults,
}

/// A stage, whose checks are graded.
#[derive(Clone, Copy)]
pub struct Grading {
    /// The stage's number.
    pub stage: u8,
    /// The server.
    pub server: Program,
    /// The client, in the stages that have one of their own in Python.
    pub client: Option<Program>,
    /// The suite of checks.
    pub checks: fn() -> ExitCode,
    /// Those of them that are new in the stage. The right programs get these; what
    /// they owe besides is in the programs that they are made of, and tried there.
    /// `WRONG_SERVERS=all` has them get everything, which takes a minute.
    pub new: fn() -> ExitCode,
}

impl Grading {
    /// Runs the checks, or the trials of them.
    pub fn run(self) -> ExitCode {
        // Started by one of the trials below, this program is the checks.
        if std::env::var_os(self.variable("SERVER")).is_some() {
            let new = std::env::var_os(NEW_ONLY).is_some();
            return if new { (self.new)() } else { (self.checks)() };
        }
        let mut arguments = Arguments::from_args();
        // They mostly wait.
        arguments.test_threads.get_or_insert(4);
        let missing = python().is_none().then_some("python3");
        let right = "right_programs_in_python_pass_every_check";
        let mut trials = vec![self_test(right, missing, move || self.right_ones_pass())];
        let both = [("server", Some(self.server)), ("client", self.client)];
        // A program without faults is one of an earlier stage, and was tried there.
        let new = both.into_iter().filter_map(|(side, p)| Some((side, p.filter(|p| !p.faults.is_empty())?)));
        for (side, program) in new {
            let name = format!("every_fault_of_the_{side}_has_its_check");
            trials.push(self_test(name, missing, move || listed(&program)));
            trials.extend(program.faults.iter().map(|(fault, check)| {
                let name = fault.replace('-', "_");
                let trial = move || self.fails(side, fault, check);
                self_test(format!("a_{side}_that_{name}_fails_its_check"), missing, trial)
            }));
            trials.extend(program.rules.iter().map(|(fault, rule)| {
                let name = format!("a_{side}_that_{}_breaks_its_rule", fault.replace('-', "_"));
                self_test(name, missing, move || self.breaks(fault, rule))
            }));
        }
        let wrong = wrong_servers::all().into_iter().filter(|server| server.stage == self.stage);
        trials.extend(wrong.map(|server| {
            let name = format!("a_server_that_{}_is_caught", server.name.replace('-', "_"));
            self_test(name, missing, move || self.is_caught(&server))
        }));
        libtest_mimic::run(&arguments, trials).exit_code()
    }

    fn variable(&self, what: &str) -> String {
        format!("STAGE{}_{what}", self.stage)
    }

    fn right_ones_pass(&self) -> Result<(), Failed> {
        let mut checks = self.graded("", "", "4000")?;
        if std::env::var("WRONG_SERVERS").is_ok_and(|wanted| wanted == "all") {
            checks.command.env_remove(NEW_ONLY);
        }
        let output = checks.command.output()?;
        if output.status.success() { Ok(()) } else { Err(text(&output).into()) }
    }

    fn fails(&self, side: &str, fault: &str, check: &str) -> Result<(), Failed> {
        let options = format!("--fault {fault}");
        if check == RANDOM {
            let report = self.at_random(self.server.file, &options, RANDOM_SESSIONS)?;
            return if has_failed(&report) { Ok(()) } else { Err(report.into()) };
        }
        if let Some(rule) = check.strip_prefix("rule ") {
            return self.breaks(fault, rule);
        }
        let (server, client) = if side == "server" { (options.as_str(), "") } else { ("", options.as_str()) };
        self.fails_in(self.server.file, server, client, check)
    }

    /// Sessions at random find that a client with this fault breaks this rule.
    fn breaks(&self, fault: &str, rule: &str) -> Result<(), Failed> {
        let mut checks = self.graded("", &format!("--fault {fault}"), "1500")?;
        checks.command.env_remove(NEW_ONLY).env("CHECK_STRICT", "1");
        checks.command.args(["--exact", RANDOM_CLIENT, "--whole"]).args(RANDOM_CLIENT_SESSIONS);
        let report = text(&checks.command.output()?);
        let names_it = report.contains(&format!("  rule:     {rule}: "));
        if has_failed(&report) && names_it { Ok(()) } else { Err(report.into()) }
    }

    /// The server in this file fails this check.
    fn fails_in(&self, file: &str, server: &str, client: &str, check: &str) -> Result<(), Failed> {
        // It is to fail, so there is not much to be patient for.
        let mut checks = self.graded_in(file, server, client, "1500")?;
        checks.command.env_remove(NEW_ONLY).env("CHECK_STRICT", "1");
        let report = text(&checks.command.args(["--exact", check]).output()?);
        if has_failed(&report) { Ok(()) } else { Err(report.into()) }
    }

    /// Its check catches this server; or sessions at random do, and name a rule that it breaks.
    fn is_caught(&self, server: &WrongServer) -> Result<(), Failed> {
        let folder = tempfile::tempdir()?;
        let file = server.write(folder.path())?;
        let file = file.to_str().ok_or("the temporary folder's name is not UTF-8")?;
        if let Some(check) = &server.check {
            return self.fails_in(file, "", "", check);
        }
        let number = server.session.to_string();
        let it_alone = ["--session", &number];
        let mut report = String::new();
        // What comes late is reported under the rule of the next step: then it is played again.
        // Where the sessions are others than when the table was written, one of all catches it.
        for sessions in [it_alone, it_alone, RANDOM_SESSIONS] {
            report = self.at_random(file, "", sessions)?;
            let names_it = |rule: &String| report.contains(&format!("  rule:     {rule}: "));
            if has_failed(&report) && server.rules.iter().any(names_it) {
                return Ok(());
            }
        }
        Err(report.into())
    }

    /// The report on these sessions with the server in `file`.
    fn at_random(&self, file: &str, options: &str, sessions: [&str; 2]) -> Result<String, Failed> {
        // Sessions give up a login that is slow, and see nothing of what would have come
        // behind it. On a busy machine that must not happen.
        let patient = format!("{options} --login-timeout 600");
        let mut checks = self.graded_in(file, &patient, "", "1500")?;
        checks
            .command
            .env(self.variable("LOGIN_TIMEOUT"), "600")
            .env_remove(NEW_ONLY)
            .env("CHECK_STRICT", "1");
        Ok(text(&checks.command.args(["--exact", RANDOM, "--whole"]).args(sessions).output()?))
    }

    /// The checks, told to grade the programs with these options, in a folder with a
    /// key file.
    fn graded(&self, server: &str, client: &str, patience: &str) -> Result<Checks, Failed> {
        self.graded_in(self.server.file, server, client, patience)
    }

    /// The same with the server in this file.
    fn graded_in(&self, file: &str, server: &str, client: &str, patience: &str) -> Result<Checks, Failed> {
        let folder = tempfile::tempdir()?;
        Key::random().write(&folder.path().join("chat.key"));
        let python = python().unwrap_or_default();
        let program = |file: &str, options: &str, more: &str| {
            format!("'{python}' -E '{file}' --host {{host}} --port {{port}} {options} {more}")
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.env("CHECK_PATIENCE_MS", patience).env("PWD", folder.path()).env(NEW_ONLY, "1");
        // A check waits until it is over; on a busy machine many come in more slowly.
        let seconds = testkit::on_this_machine(LOGIN_TIMEOUT).as_secs().to_string();
        let options = format!("{} --login-timeout {seconds}", self.server.options);
        command.env(self.variable("SERVER"), program(file, &options, server));
        command.env(self.variable("LOGIN_TIMEOUT"), seconds);
        if let Some(ours) = &self.client {
            command.env(self.variable("CLIENT"), program(ours.file, ours.options, client));
        }
        Ok(Checks { command, _folder: folder })
    }
}

/// The check that plays sessions at random.
const RANDOM: &str = "random_sessions_keep_to_the_contract";

/// The same for clients. A table names a rule in place of a check: `rule shown`.
const RANDOM_CLIENT: &str = "random_sessions_of_a_client_keep_to_the_contract";

/// So many of those.
const RANDOM_CLIENT_SESSIONS: [&str; 2] = ["--sessions", "40"];

/// Within so many sessions each wrong program is found that a random session finds,
/// however slow the machine is at this moment.
const RANDOM_SESSIONS: [&str; 2] = ["--sessions", "24"];

/// A server's limit for the login, on an idle machine.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(4);

/// Set for the suite that is to run the new checks only.
const NEW_ONLY: &str = "CHECKS_THAT_ARE_NEW";

/// The suite, ready to be started.
struct Checks {
    command: Command,
    /// It has the key, and goes with this.
    _folder: TempDir,
}

/// What Python calls itself: `python3` may be a script that takes longer to start
/// than the interpreter does.
fn python() -> Option<String> {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| path.trim().to_owned())
}

fn listed(program: &Program) -> Result<(), Failed> {
    let output = Command::new("python3").args([program.file, "--list-faults"]).output()?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complete = listed.lines().eq(program.faults.iter().map(|(fault, _)| *fault));
    if complete { Ok(()) } else { Err(listed.into()) }
}

/// The check has failed, and nothing else has, such as a name that no check has.
fn has_failed(report: &str) -> bool {
    report.contains("0 passed; 1 failed")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
