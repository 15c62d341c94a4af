//! `lab grade`: the checks of one stage against a submission, or against sixty.
//!
//! A submission is a program by another person. It may not compile, hang, print
//! without end, fork, or look for a way to its own grade, and none of this may
//! reach the next one. From the outside in: [`options`] is the command line,
//! [`submission`] finds out what a folder is, [`batch`] hands submissions to
//! workers, [`grader`] takes one of them from its folder to its [`verdict`]:
//! it is built in a [`slot`] or copied, and checked by the [`harness`], both under
//! a [`supervisor`].

mod batch;
mod confined_command;
mod dependencies;
mod findings;
mod grader;
mod harness;
mod limits;
mod options;
mod output;
mod process_tree;
mod slot;
mod sources;
mod store;
mod submission;
pub mod supervisor;
mod tree;
mod verdict;
mod weights;

pub use options::Options;

use anyhow::Context;
use batch::{Batch, Job};
use confined_command::CommandRunner;
use grader::Grader;
use harness::Harness;
use lab::failure::Failure;
use lab::registry::{Registry, Stage};
use lab::workspace::{Profile, build, target};
use options::SubmissionPath;
use output::Scale;
use slot::Slot;
use sources::nobody_wrote;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::Utf8Chunk;
use store::Store;
use submission::{Submission, SubmissionKind, commands_in_place, look};
use tree::Original;

/// What the instructor has written, or had written, beside the submissions.
const GRADERS_FILES: [&str; 7] = [".csv", ".toml", ".json", ".xml", ".html", ".md", ".txt"];

/// Grades what the options say. Whether everything could be graded.
///
/// # Errors
/// When the command line is wrong, nothing can be graded, or a signal came.
pub fn run(all: &Registry, options: &Options) -> Result<bool, Failure> {
    options.asked().check(|what| format!("--{what}")).map_err(Failure::Usage)?;
    if options.prepare {
        let stage = options.stage.map(|number| number.to_string());
        return Ok(prepare(all.stage(stage.as_deref()).map_err(Failure::Usage)?, all)?);
    }
    let path = options.submission_path().map_err(Failure::Usage)?;
    options.check_outputs().map_err(Failure::Usage)?;
    if let Some(number) = options.stage {
        all.stage(Some(&number.to_string())).map_err(Failure::Usage)?;
    }
    let scale = options.scale().map_err(Failure::Usage)?;
    let students = options.students().map_err(Failure::Usage)?;
    let jobs = match &path {
        SubmissionPath::Batch(folder) => several(folder, all, options),
        SubmissionPath::Folder(folder) => one(folder, all, options).map(|job| vec![job]),
        SubmissionPath::CurrentFolder => commands_in_place(&options.asked(), all)
            .map(|submission| vec![Job { name: "here".to_owned(), submission: Ok(submission) }])
            .map_err(|error| format!("{error:#}")),
    };
    let jobs = jobs.map_err(Failure::Usage)?;
    let cache = target()?.join("lab").join("grade");
    let original = Original::read()?;
    let store = Store::new(&cache, options.resume || !options.again.is_empty());
    let stages = stages(&jobs);
    let harnesses = harnesses(&stages, &cache, &scale, options.strict)?;
    let workers = options.jobs(jobs.len());
    let slots = slots(&jobs, workers, &cache, &original)?;
    // From here on Ctrl-C is ours; up to here it was cargo's, too.
    let runner = CommandRunner::handle_signals()?;
    let grader = Grader {
        harnesses,
        programs: programs(&jobs, all)?,
        original: &original,
        build_limits: options.build_limits(workers),
        limits: options.limits(workers),
        store: &store,
        runner: runner.clone(),
    };
    let batch = Batch {
        options,
        scale: &scale,
        single: !matches!(path, SubmissionPath::Batch(_)),
        students: students.as_ref(),
    };
    let rows = batch.grade(&grader, &jobs, &slots, workers)?;
    batch.conclude(&rows, jobs.len());
    runner.check_signal()?;
    Ok(rows.iter().all(|row| row.result.points(&scale.weights, scale.most).is_some()))
}

/// Builds the checks, a place for submissions, and our own programs: all that a
/// later run would build before it grades.
fn prepare(stage: &Stage, all: &Registry) -> anyhow::Result<bool> {
    let cache = target()?.join("lab").join("grade");
    Harness::build(stage, &cache, false)?;
    Slot::take(&cache)?.prepare(stage, &Original::read()?, None)?;
    build(stage, all, Profile::Dev)?;
    Ok(true)
}

fn one<'a>(folder: &Path, all: &'a Registry, options: &Options) -> Result<Job<'a>, String> {
    // `.` and `..` have no name of their own.
    let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    let submission = look(&folder, &options.asked(), all);
    let submission = submission.map_err(|error| format!("{}: {error:#}", folder.display()))?;
    Ok(Job { name: name(&folder), submission: Ok(submission) })
}

fn several<'a>(folder: &Path, all: &'a Registry, options: &Options) -> Result<Vec<Job<'a>>, String> {
    let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let of_the_grader = !path.is_dir() && GRADERS_FILES.iter().any(|end| name(path).ends_with(end));
        !of_the_grader && !name(path).starts_with('.') && !path.file_name().is_some_and(nobody_wrote)
    });
    paths.sort_unstable();
    if paths.is_empty() {
        return Err(format!("there are no folders in {}", folder.display()));
    }
    let is_there = |again: &&String| paths.iter().any(|path| name(path) == **again);
    if let Some(missing) = options.again.iter().find(|again| !is_there(again)) {
        return Err(format!("--again {missing}: there is no such folder in {}", folder.display()));
    }
    let job = |path: &PathBuf| {
        let submission = if path.is_symlink() {
            Err("it is a link, and links are not followed".to_owned())
        } else if !path.is_dir() {
            Err("it is a file, and not a folder: unpack it into a folder of its own, or put it into one"
                .to_owned())
        } else {
            look(path, &options.asked(), all).map_err(|error| format!("{error:#}"))
        };
        let name = name(path);
        let anew = options.again.contains(&name);
        Job { name, submission: submission.map(|submission| Submission { anew, ..submission }) }
    };
    Ok(paths.iter().map(job).collect())
}

/// The folder's name. What is not UTF-8 in it is spelled out, so that two names stay two.
fn name(folder: &Path) -> String {
    let Some(name) = folder.file_name() else { return "submission".to_owned() };
    let text = |chunk: Utf8Chunk<'_>| {
        let bytes = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        chunk.valid().to_owned() + &bytes.collect::<String>()
    };
    name.as_encoded_bytes().utf8_chunks().map(text).collect()
}

/// The stages that are needed, each once.
fn stages<'a>(jobs: &[Job<'a>]) -> BTreeMap<u16, &'a Stage> {
    jobs.iter().filter_map(|job| job.submission.as_ref().ok()).map(|s| (s.stage.number, s.stage)).collect()
}

fn harnesses(
    stages: &BTreeMap<u16, &Stage>,
    cache: &Path,
    scale: &Scale,
    strict: bool,
) -> Result<HashMap<u16, Harness>, Failure> {
    let mut harnesses = HashMap::new();
    for (number, stage) in stages {
        harnesses.insert(*number, Harness::build(stage, cache, strict)?);
    }
    let names: Vec<String> = harnesses.values().flat_map(|harness| harness.names.clone()).collect();
    if let Some(part) = scale.weights.unknown_part() {
        return Err(Failure::Usage(format!(
            "--weights: no part is called {part}; make diff N lists a stage's"
        )));
    }
    match scale.weights.misfit(&names) {
        Some(name) if !names.is_empty() => {
            Err(Failure::Usage(format!("--weights: no check is called {name}")))
        }
        _ => Ok(harnesses),
    }
}

/// A place to build in for each worker, where there is something to build.
fn slots(jobs: &[Job], workers: usize, cache: &Path, original: &Original) -> anyhow::Result<Vec<Slot>> {
    let submissions = jobs.iter().filter_map(|job| job.submission.as_ref().ok());
    let sources = submissions.filter(|submission| matches!(submission.kind, SubmissionKind::Source(_)));
    let stages: BTreeMap<u16, &Stage> = sources.map(|s| (s.stage.number, s.stage)).collect();
    let mut slots: Vec<Slot> = Vec::new();
    for _ in (0..workers).filter(|_| !stages.is_empty()) {
        let slot = Slot::take(cache)?;
        for stage in stages.values() {
            slot.prepare(stage, original, slots.first())?;
        }
        slots.push(slot);
    }
    Ok(slots)
}

/// Our own programs, where a command in another language needs a file that one
/// of them makes: a key.
fn programs(jobs: &[Job], all: &Registry) -> anyhow::Result<HashMap<u16, lab::workspace::Programs>> {
    let mut programs = HashMap::new();
    for submission in jobs.iter().filter_map(|job| job.submission.as_ref().ok()) {
        let stage = submission.stage;
        let needed = !matches!(submission.kind, SubmissionKind::Source(_)) && !stage.prepare.is_empty();
        if needed && !programs.contains_key(&stage.number) {
            let built =
                build(stage, all, Profile::Dev).context("our own programs are needed for their files")?;
            programs.insert(stage.number, built);
        }
    }
    Ok(programs)
}
