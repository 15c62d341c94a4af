//! Hands submissions to workers, and collects what comes of them.

use super::grader::Grader;
use super::options::Options;
use super::output::{Row, Scale, gradescope, junit, replace, spreadsheet, terminal};
use super::slot::Slot;
use super::submission::Submission;
use super::verdict::{Result, Verdict};
use crate::output::say;
use anyhow::Context;
use common::program::complain;
use common::text::escape;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// One folder, and what it is or why it cannot be graded.
pub struct Job<'a> {
    /// The submission's name.
    pub name: String,
    /// What is to be graded.
    pub submission: std::result::Result<Submission<'a>, String>,
}

/// One run of the command.
pub struct Batch<'a> {
    /// The command line.
    pub options: &'a Options,
    /// How checks become points.
    pub scale: &'a Scale,
    /// Whether it is for one submission only, and says all about it.
    pub single: bool,
}

/// What the workers share.
struct Shop<'a> {
    grader: &'a Grader<'a>,
    jobs: &'a [Job<'a>],
    /// The next job that nobody has taken.
    next: AtomicUsize,
    bar: ProgressBar,
    /// What is being done, by the job's number.
    doing: Mutex<BTreeMap<usize, String>>,
}

impl Batch<'_> {
    /// Grades all jobs, in the order of the jobs; fewer when a signal came.
    ///
    /// # Errors
    /// When results cannot be written.
    pub fn grade(
        &self,
        grader: &Grader,
        jobs: &[Job],
        slots: Vec<Slot>,
        workers: usize,
    ) -> anyhow::Result<Vec<Row>> {
        let (next, doing) = Default::default();
        let shop = Shop { grader, jobs, next, bar: self.bar(jobs.len()), doing };
        let (sender, finished) = channel();
        let mut slots = slots.into_iter();
        let start = Instant::now();
        let rows = thread::scope(|scope| {
            for _ in 0..workers {
                let (shop, slot, sender) = (&shop, slots.next(), sender.clone());
                scope.spawn(move || shop.work(slot, &sender));
            }
            drop(sender);
            let mut rows: Vec<(usize, Row)> = Vec::new();
            for (number, result) in finished {
                let at = rows.partition_point(|(other, _)| *other < number);
                rows.insert(at, (number, Row { name: jobs[number].name.clone(), result }));
                shop.bar.inc(1);
                let width = jobs.iter().map(|job| escape(&job.name).chars().count()).max().unwrap_or(0);
                if !self.single {
                    shop.bar.suspend(|| say!("{}", terminal::line(&rows[at].1, self.scale, width)));
                }
                self.write_one(&rows[at].1)?;
                self.write_table(rows.iter().map(|(_, row)| row))?;
            }
            anyhow::Ok(rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>())
        });
        shop.bar.finish_and_clear();
        let rows = rows?;
        self.write_junit(&rows)?;
        if !self.single {
            terminal::sums(&rows, self.scale, start.elapsed().as_secs());
        }
        Ok(rows)
    }

    /// The last words.
    pub fn conclude(&self, rows: &[Row], jobs: usize) {
        if self.single {
            rows.iter().for_each(|row| terminal::in_full(row, self.scale));
        } else if rows.len() < jobs {
            complain(format_args!(
                "interrupted: {} of {jobs} are graded; the same with --resume goes on from there",
                rows.len()
            ));
        }
    }

    fn bar(&self, jobs: usize) -> ProgressBar {
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new(jobs as u64);
        let template = if self.single {
            "{spinner} {elapsed} {msg}"
        } else {
            "{bar:30} {pos}/{len} {elapsed} {wide_msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    fn write_one(&self, row: &Row) -> anyhow::Result<()> {
        let Some(path) = &self.options.json else { return Ok(()) };
        let text = gradescope::results(row, self.scale);
        if self.single {
            return replace(path, text.as_bytes());
        }
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        replace(&path.join(format!("{}.json", row.name)), text.as_bytes())
    }

    fn write_table<'r>(&self, rows: impl Iterator<Item = &'r Row>) -> anyhow::Result<()> {
        let Some(path) = &self.options.csv else { return Ok(()) };
        replace(path, &spreadsheet::table(rows, self.scale)?)
    }

    fn write_junit(&self, rows: &[Row]) -> anyhow::Result<()> {
        let Some(path) = &self.options.junit else { return Ok(()) };
        replace(path, junit::report(rows)?.as_bytes())
    }
}

impl Shop<'_> {
    /// A worker: it ends when there are no more jobs, at a signal, or when nobody
    /// takes its results any more.
    fn work(&self, slot: Option<Slot>, done: &Sender<(usize, Result)>) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = self.jobs.get(number) else { return };
            let tell = |what: &str| self.tell(number, Some(&format!("{} {what}", escape(&job.name))));
            let graded = match &job.submission {
                Ok(submission) => self.grader.grade(submission, slot.as_ref(), &tell),
                Err(why) => Ok(Result::without_checks(None, Verdict::NotGraded(why.clone()))),
            };
            self.tell(number, None);
            let Ok(result) = graded else { return };
            if done.send((number, result)).is_err() {
                return;
            }
        }
    }

    fn tell(&self, number: usize, what: Option<&str>) {
        let mut doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            Some(what) => doing.insert(number, what.to_owned()),
            None => doing.remove(&number),
        };
        self.bar.set_message(doing.values().cloned().collect::<Vec<_>>().join(", "));
    }
}
