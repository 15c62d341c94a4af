//! Grades one submission, from its folder to its verdict.

use super::confined_command::CommandRunner;
use super::harness::{Harness, Subject, seen_from_outside};
use super::limits::Limits;
use super::slot::{Built, Slot};
use super::sources::{self, Source};
use super::store::Store;
use super::submission::{Brought, Submission, SubmissionKind};
use super::supervisor::ConfinedCommand;
use super::tree::{Original, hex};
use super::verdict::{Result, Verdict};
use anyhow::Context;
use lab::registry::Stage;
use lab::run_context::Interrupted;
use lab::workspace::Programs;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

/// What grading needs, made before the first submission.
pub struct Grader<'a> {
    /// The checks, by stage.
    pub harnesses: HashMap<u16, Harness>,
    /// Our programs, for stages whose programs need a file that one of ours makes.
    pub programs: HashMap<u16, Programs>,
    /// The workspace's files.
    pub original: &'a Original,
    /// How far a build may go.
    pub build_limits: Limits,
    /// How far the checks and their programs may go.
    pub limits: Limits,
    /// Earlier results.
    pub store: &'a Store,
    /// Ends everything at a signal.
    pub runner: CommandRunner,
}

/// Called at each step of grading a submission, to show it.
pub type OnProgress<'a> = &'a dyn Fn(&str);

impl Grader<'_> {
    /// Grades a submission. What goes wrong is part of the result, except for a
    /// signal.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn grade(
        &self,
        submission: &Submission,
        slot: Option<&Slot>,
        on_progress: OnProgress,
    ) -> anyhow::Result<Result> {
        let start = Instant::now();
        let stage = Some(submission.stage.number);
        let mut result = match self.try_to(submission, slot, on_progress) {
            Ok(result) => result,
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => Result::without_checks(stage, Verdict::NotGraded(format!("{error:#}"))),
        };
        result.notes.extend(submission.notes.iter().cloned());
        if result.seconds == 0.0 {
            result.seconds = start.elapsed().as_secs_f64();
        }
        Ok(result)
    }

    fn try_to(
        &self,
        submission: &Submission,
        slot: Option<&Slot>,
        on_progress: OnProgress,
    ) -> anyhow::Result<Result> {
        // A name as short as that: paths of sockets in it must not be long.
        let private = tempfile::Builder::new().prefix("grade-").tempdir().context("no temporary folder")?;
        let stage = submission.stage;
        let harness = self.harnesses.get(&stage.number).context("the checks were not built")?;
        let mut digest = Sha256::new();
        sources::add(&mut digest, harness.digest.as_bytes());
        // What was stopped may come to an end within other limits.
        let Limits { seconds, processes, memory_mib, disk_mib, .. } = self.limits;
        let limits = (self.build_limits.seconds, seconds, processes, memory_mib, disk_mib);
        sources::add(&mut digest, format!("{limits:?}").as_bytes());
        match &submission.kind {
            SubmissionKind::Source(source) => {
                sources::add(&mut digest, self.original.digest.as_bytes());
                source.digest(&mut digest);
                let slot = slot.context("no place to build in")?;
                self.known_or(submission, hex(digest), || {
                    self.source(stage, source, slot, private.path(), on_progress)
                })
            }
            SubmissionKind::Commands(folder, brought) => {
                let copy = private.path().join("work");
                sources::add(&mut digest, format!("{brought:?}").as_bytes());
                sources::copy(folder, &copy, &mut digest)?;
                self.known_or(submission, hex(digest), || {
                    self.commands(stage, brought, &copy, private.path(), on_progress)
                })
            }
            SubmissionKind::CommandsInPlace(folder, brought) => {
                self.commands(stage, brought, folder, private.path(), on_progress)
            }
        }
    }

    fn known_or(
        &self,
        submission: &Submission,
        digest: String,
        grade: impl FnOnce() -> anyhow::Result<Result>,
    ) -> anyhow::Result<Result> {
        if let Some(known) = self.store.find(&digest).filter(|_| !submission.anew) {
            return Ok(known);
        }
        let start = Instant::now();
        let mut result = grade()?;
        result.seconds = start.elapsed().as_secs_f64();
        result.digest = Some(digest);
        self.store.keep(&result);
        Ok(result)
    }

    fn source(
        &self,
        stage: &Stage,
        source: &Source,
        slot: &Slot,
        private: &Path,
        on_progress: OnProgress,
    ) -> anyhow::Result<Result> {
        let ended = |verdict| Ok(Result::without_checks(Some(stage.number), verdict));
        on_progress("builds");
        let to = (&self.runner, &self.build_limits, &*private.join("programs"));
        match slot.build(stage, source, self.original, to)? {
            Built::Failed(messages) => ended(Verdict::DoesNotCompile(messages)),
            Built::Stopped(limit) => {
                ended(Verdict::DoesNotCompile(format!("error: building was broken off: {limit}")))
            }
            Built::Programs(folder) => self.check(stage, &Subject::Programs(&folder), private, on_progress),
        }
    }

    fn commands(
        &self,
        stage: &Stage,
        brought: &Brought,
        folder: &Path,
        private: &Path,
        on_progress: OnProgress,
    ) -> anyhow::Result<Result> {
        if let Some(programs) = self.programs.get(&stage.number) {
            programs.prepare(stage, folder, &[])?;
        }
        if let Some(failed) = self.build_command(brought, folder, on_progress)? {
            return Ok(Result::without_checks(Some(stage.number), Verdict::DoesNotCompile(failed)));
        }
        let Brought { server, client, at_once, .. } = brought;
        let (server, client) = (server.as_deref(), client.as_deref());
        self.check(
            stage,
            &Subject::Commands { server, client, folder, at_once: *at_once },
            private,
            on_progress,
        )
    }

    /// Runs the submission's own build command; what it said, if it failed.
    fn build_command(
        &self,
        brought: &Brought,
        folder: &Path,
        on_progress: OnProgress,
    ) -> anyhow::Result<Option<String>> {
        let Some(build) = &brought.build else { return Ok(None) };
        on_progress("builds");
        let mut environment = seen_from_outside();
        environment.push(("HOME".to_owned(), folder.to_string_lossy().into_owned()));
        let order = ConfinedCommand {
            words: ["sh", "-c", build].map(String::from).into(),
            folder: folder.to_owned(),
            environment,
            limits: self.build_limits.clone(),
            watched: folder.to_owned(),
        };
        let ended = self.runner.run(&order)?;
        let said =
            || format!("{}{}", ended.stdout, ended.stderr).lines().take(40).collect::<Vec<_>>().join("\n");
        Ok(match &ended.stopped {
            Some(limit) => Some(format!("error: building was broken off: {limit}\n{}", said())),
            None if ended.code == Some(0) => None,
            None => Some(format!("error: `{build}` failed\n{}", said())),
        })
    }

    fn check(
        &self,
        stage: &Stage,
        subject: &Subject,
        private: &Path,
        on_progress: OnProgress,
    ) -> anyhow::Result<Result> {
        on_progress("is checked");
        let harness = self.harnesses.get(&stage.number).context("the checks were not built")?;
        let findings = harness.run(subject, private, &self.limits, &self.runner)?;
        let mut result = Result::without_checks(Some(stage.number), findings.verdict);
        (result.checks, result.ignored) = (findings.checks, findings.ignored);
        result.left_behind = findings.left_behind;
        result.notes.extend(result.why_not_judged());
        if findings.left_behind > 0 {
            result.notes.push(format!("it left {} processes behind, which were ended", findings.left_behind));
        }
        Ok(result)
    }
}
