//! The command line of `lab grade`.

use super::limits::Limits;
use super::output::Scale;
use super::output::feedback::Detail;
use super::output::gradebook::Students;
use super::submission::Brought;
use super::weights::Weights;
use clap::Args;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

/// What to grade, and how.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    make grade ../anna                                a copy of this workspace with one stage changed\n  \
    make grade ../anna ARGS=\"--stage 4 --json results.json\"\n  \
    make grade ../ben ARGS=\"--stage 4 --server 'python3 server.py --host {host} --port {port}'\"\n  \
    make grade ARGS=\"--batch submissions --csv grades.csv\"\n  \
    make grade ARGS=\"--batch submissions --csv grades.csv --weights weights.toml --resume\"\n  \
    make grade ARGS=\"--batch submissions --csv grades.csv --again anna\"\n  \
    make grade ARGS=\"--batch submissions --students students.csv --moodle import.csv\"\n\n\
    A folder with a grade.toml names its own command:\n  \
    stage = 4\n  \
    server = \"python3 server.py --host {host} --port {port}\"\n\n\
    Exit codes: 0 everything was graded, whatever the points; 1 something could not\n\
    be graded; 2 the command line is wrong.\n\n\
    A submission is a program that runs with your rights. For strangers' code use an\n\
    account or a container that has nothing to lose: docs/src/grading.md.\n\n\
    As a make target: make grade DIR ARGS=\"--stage 4\"")]
pub struct Options {
    /// The submission's folder; a command without one runs where it is typed
    pub dir: Option<PathBuf>,
    /// Grade each folder in this one
    #[arg(long, value_name = "FOLDER", conflicts_with = "dir")]
    pub batch: Option<PathBuf>,
    /// The stage [default: the one whose src is not ours]
    #[arg(long, value_name = "N")]
    pub stage: Option<u16>,
    /// Grade this server; {host}, {port} and {folder} are filled in
    #[arg(long, value_name = "COMMAND")]
    server: Option<String>,
    /// Grade this client
    #[arg(long, value_name = "COMMAND")]
    client: Option<String>,
    /// Run this in the folder before, once
    #[arg(long, value_name = "COMMAND")]
    build: Option<String>,
    /// Points of a submission that passes all checks
    #[arg(long, default_value_t = 100.0, value_name = "NUMBER")]
    points: f64,
    /// What each check is worth; without this file all are worth the same
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Judge every check on its own, even if it depends on one that failed
    #[arg(long)]
    pub strict: bool,
    /// Write results as Gradescope reads them; for a batch a folder with one file each
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write results as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write a table for a gradebook
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write a table that Moodle imports, points and a sentence of feedback
    #[arg(long, value_name = "FILE", requires = "students", conflicts_with = "canvas")]
    pub moodle: Option<PathBuf>,
    /// Write a table that Canvas imports
    #[arg(long, value_name = "FILE", requires = "students")]
    pub canvas: Option<PathBuf>,
    /// Which submission belongs to which student: CSV, a column `submission` and the columns of the gradebook
    #[arg(long, value_name = "FILE")]
    students: Option<PathBuf>,
    /// The name of the points' column in these tables [default: Stage N]
    #[arg(long, value_name = "NAME", requires = "students")]
    pub column: Option<String>,
    /// Write a page of Markdown for each student into this folder, and class.html
    #[arg(long, value_name = "FOLDER")]
    pub feedback: Option<PathBuf>,
    /// How much students are told, in --json and --feedback
    #[arg(long, value_name = "HOW MUCH", value_enum, default_value_t = Detail::Full)]
    pub detail: Detail,
    /// Submissions at once [default: half as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// Seconds for all checks of a submission
    #[arg(long, default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    time_limit: u64,
    /// Seconds for building it
    #[arg(long, default_value_t = 240, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    build_limit: u64,
    /// MiB of memory for a submission, the checks included
    #[arg(long, default_value_t = 3072, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..))]
    memory_limit: u64,
    /// MiB that a submission may write
    #[arg(long, default_value_t = 2048, value_name = "MIB", value_parser = clap::value_parser!(u64).range(16..))]
    disk_limit: u64,
    /// Processes of a submission at once
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u64).range(16..))]
    process_limit: u64,
    /// Take the results of what has not changed from earlier runs
    #[arg(long)]
    pub resume: bool,
    /// As --resume, but grade this submission anew; may be given several times
    #[arg(long, value_name = "NAME", requires = "batch")]
    pub again: Vec<String>,
    /// Build what grading needs and grade nothing, so that later runs compile no checks
    #[arg(long, requires = "stage", conflicts_with_all = ["dir", "batch", "server", "client"])]
    pub prepare: bool,
}

/// Where submissions are.
pub enum SubmissionPath {
    /// One, in this folder.
    Folder(PathBuf),
    /// One, a command that was typed in the current folder.
    CurrentFolder,
    /// One in each folder of this one.
    Batch(PathBuf),
}

/// Threads that a submission's programs may have: a client may cost one, and the
/// checks connect a thousand.
const TASKS: u64 = 8192;
/// What is kept of an output: the report of the checks is a small part of that.
const OUTPUT: usize = 32 << 20;

impl Options {
    /// What the command line says about the submissions.
    pub fn asked(&self) -> Brought {
        let Options { stage, server, client, build, .. } = self.clone();
        Brought { stage, server, client, build, at_once: None }
    }

    /// What is to be graded.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn submission_path(&self) -> Result<SubmissionPath, String> {
        match (&self.batch, &self.dir) {
            (Some(folder), _) | (_, Some(folder)) if !folder.is_dir() => {
                Err(format!("there is no folder {}", folder.display()))
            }
            (Some(folder), _) => Ok(SubmissionPath::Batch(folder.clone())),
            (None, Some(folder)) => Ok(SubmissionPath::Folder(folder.clone())),
            (None, None) if self.asked().is_named() => Ok(SubmissionPath::CurrentFolder),
            (None, None) => {
                Err("what is to be graded? make grade DIR, or make grade ARGS=\"--batch FOLDER\"".to_owned())
            }
        }
    }

    /// How checks become points.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn scale(&self) -> Result<Scale, String> {
        if !self.points.is_finite() || self.points < 0.0 {
            return Err(format!("--points {}: not a number of points", self.points));
        }
        let read = |path: &PathBuf| Weights::read(path).map_err(|error| format!("--weights: {error:#}"));
        let weights = self.weights.as_ref().map(read).transpose()?.unwrap_or_default();
        Ok(Scale { weights, most: self.points })
    }

    /// Which submission is whose.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn students(&self) -> Result<Option<Students>, String> {
        let read = |path: &PathBuf| {
            Students::read(path)
                .and_then(|students| match self.canvas {
                    Some(_) => students.fit_canvas().map(|()| students),
                    None => Ok(students),
                })
                .map_err(|error| format!("--students: {}: {error:#}", path.display()))
        };
        self.students.as_ref().map(read).transpose()
    }

    /// Whether results can be written where they are to be.
    ///
    /// # Errors
    /// A sentence for the user: better now than after an hour.
    pub fn check_outputs(&self) -> Result<(), String> {
        for path in [&self.json, &self.junit, &self.csv, &self.feedback, &self.moodle, &self.canvas]
            .into_iter()
            .flatten()
        {
            let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !folder.is_dir() {
                return Err(format!("there is no folder {}", folder.display()));
            }
        }
        Ok(())
    }

    /// Submissions at once, of so many.
    pub fn jobs(&self, submissions: usize) -> usize {
        let usual = available_parallelism().map_or(1, |cores| cores.get() / 2);
        self.jobs.map_or(usual, usize::from).clamp(1, submissions.max(1))
    }

    /// How far the checks and their programs may go.
    pub fn limits(&self, jobs: usize) -> Limits {
        Limits {
            seconds: self.time_limit,
            processes: usize::try_from(self.process_limit).unwrap_or(usize::MAX),
            // The system counts a user's, so those of the others at work too.
            tasks: TASKS * jobs as u64,
            memory_mib: self.memory_limit,
            disk_mib: self.disk_limit,
            output_bytes: OUTPUT,
        }
    }

    /// How far a build may go.
    pub fn build_limits(&self, jobs: usize) -> Limits {
        Limits { seconds: self.build_limit, ..self.limits(jobs) }
    }
}
