//! The checks, checked: a right program in another language passes all that it
//! owes, and each of the wrong ones fails where its fault is.
//!
//! The test that does this is the suite of checks itself, started once more for
//! each program: it then finds `STAGEn_SERVER` set.

use crate::wire::Key;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::{Command, ExitCode, Output};

/// A fault of a program, and a check that it must fail.
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
}

impl Grading {
    /// Runs the checks, or the trials of them.
    pub fn run(self) -> ExitCode {
        // Started by one of the trials below, this program is the checks.
        if std::env::var_os(self.variable("SERVER")).is_some() {
            return (self.checks)();
        }
        let mut arguments = Arguments::from_args();
        // They mostly wait.
        arguments.test_threads.get_or_insert(4);
        let missing = Command::new("python3").arg("--version").output().is_err();
        // In CI it has to be there.
        let ignored = missing && std::env::var_os("CI").is_none();
        let mut trials =
            vec![Trial::test("right_programs_in_python_pass_every_check", move || self.right_ones_pass())];
        let both = [("server", Some(self.server)), ("client", self.client)];
        // A program without faults is one of an earlier stage, and was tried there.
        let new = both.into_iter().filter_map(|(side, p)| Some((side, p.filter(|p| !p.faults.is_empty())?)));
        for (side, program) in new {
            let name = format!("every_fault_of_the_{side}_has_its_check");
            trials.push(Trial::test(name, move || listed(&program)));
            trials.extend(program.faults.iter().map(|(fault, check)| {
                let name = fault.replace('-', "_");
                let trial = move || self.fails(side, fault, check);
                Trial::test(format!("a_{side}_that_{name}_fails_its_check"), trial)
            }));
        }
        let trials = trials.into_iter().map(|trial| trial.with_ignored_flag(ignored)).collect();
        libtest_mimic::run(&arguments, trials).exit_code()
    }

    fn variable(&self, what: &str) -> String {
        format!("STAGE{}_{what}", self.stage)
    }

    fn right_ones_pass(&self) -> Result<(), Failed> {
        let output = self.graded("", "", &[], "4000")?;
        if output.status.success() { Ok(()) } else { Err(text(&output).into()) }
    }

    fn fails(&self, side: &str, fault: &str, check: &str) -> Result<(), Failed> {
        let options = format!("--fault {fault}");
        let (server, client) = if side == "server" { (options.as_str(), "") } else { ("", options.as_str()) };
        // It is to fail, so there is not much to be patient for.
        let output = self.graded(server, client, &["--exact", check], "1500")?;
        // Not for any other reason, such as a name that no check has.
        let failed = text(&output).contains("0 passed; 1 failed");
        if failed { Ok(()) } else { Err(text(&output).into()) }
    }

    /// Runs the checks on the programs with these options, in a folder with a key file.
    fn graded(
        &self,
        server: &str,
        client: &str,
        arguments: &[&str],
        patience: &str,
    ) -> Result<Output, Failed> {
        let folder = tempfile::tempdir()?;
        Key::random().write(&folder.path().join("chat.key"));
        let command = |program: &Program, more: &str| {
            format!("python3 '{}' --host {{host}} --port {{port}} {} {more}", program.file, program.options)
        };
        let mut checks = Command::new(std::env::current_exe()?);
        checks.args(arguments).env("CHECK_PATIENCE_MS", patience).env("PWD", folder.path());
        checks.env(self.variable("SERVER"), command(&self.server, server));
        checks.env(self.variable("LOGIN_TIMEOUT"), "3");
        if let Some(program) = &self.client {
            checks.env(self.variable("CLIENT"), command(program, client));
        }
        Ok(checks.output()?)
    }
}

fn listed(program: &Program) -> Result<(), Failed> {
    let output = Command::new("python3").args([program.file, "--list-faults"]).output()?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complete = listed.lines().eq(program.faults.iter().map(|(fault, _)| *fault));
    if complete { Ok(()) } else { Err(listed.into()) }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
