//! Hands submissions to workers, and collects what comes of them.

use super::grader::Grader;
use super::options::Options;
use super::output::gradebook::{Gradebook, Students};
use super::output::{Row, Scale, feedback, file_name, gradescope, junit, replace, spreadsheet, terminal};
use super::slot::Slot;
use super::submission::Submission;
use super::verdict::{Result, Verdict};
use anyhow::Context;
use common::cli::print_error;
use common::escape::escape;
use common::poison::IgnorePoison;
use indicatif::{ProgressBar, ProgressStyle};
use lab::say;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
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
    /// Which submission is whose, for a gradebook.
    pub students: Option<&'a Students>,
}

/// What the workers share.
struct WorkQueue<'a> {
    grader: &'a Grader<'a>,
    jobs: &'a [Job<'a>],
    /// The jobs to do, by their numbers, and the next of them that no worker has taken.
    todo: Vec<usize>,
    next: AtomicUsize,
    /// Whether they were done before, and the results of then do not count.
    again: bool,
    bar: ProgressBar,
    /// What is being done, by the job's number.
    doing: Mutex<BTreeMap<usize, String>>,
}

/// A result, and when it was found.
struct Done {
    row: Row,
    from: Instant,
    to: Instant,
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
        slots: &[Slot],
        workers: usize,
    ) -> anyhow::Result<Vec<Row>> {
        let start = Instant::now();
        let (next, doing) = Default::default();
        let todo = (0..jobs.len()).collect();
        let mut queue =
            WorkQueue { grader, jobs, todo, next, again: false, bar: self.bar(jobs.len()), doing };
        let mut done = BTreeMap::new();
        self.round(&queue, slots, workers, &mut done)?;
        // A program that took more of the machine than it may have has taken it from
        // those beside it, too. They have a right to be judged without it.
        queue.todo = disturbed(&done);
        queue.todo.iter().for_each(|number| grader.store.forget(&done[number].row.result));
        if !queue.todo.is_empty() && grader.runner.check_signal().is_ok() {
            (queue.next, queue.again) = (AtomicUsize::new(0), true);
            queue.bar.inc_length(queue.todo.len() as u64);
            self.round(&queue, slots, 1, &mut done)?;
        }
        queue.bar.finish_and_clear();
        let rows: Vec<Row> = done.into_values().map(|done| done.row).collect();
        self.write_junit(&rows)?;
        self.write_gradebook(&rows)?;
        if let Some(folder) = self.options.feedback.as_ref().filter(|_| !self.single) {
            replace(&folder.join("class.html"), feedback::class(&rows).as_bytes())?;
        }
        if !self.single {
            terminal::sums(&rows, self.scale, start.elapsed().as_secs());
        }
        Ok(rows)
    }

    /// Has the workers do what there is to do, and writes down each result.
    fn round(
        &self,
        queue: &WorkQueue,
        slots: &[Slot],
        workers: usize,
        done: &mut BTreeMap<usize, Done>,
    ) -> anyhow::Result<()> {
        let width = queue.jobs.iter().map(|job| escape(&job.name).chars().count()).max().unwrap_or(0);
        let (sender, finished) = channel();
        thread::scope(|scope| {
            for worker in 0..workers {
                let (slot, sender) = (slots.get(worker), sender.clone());
                scope.spawn(move || queue.work(slot, &sender));
            }
            drop(sender);
            for (number, result) in finished {
                queue.bar.inc(1);
                if !self.single {
                    queue.bar.suspend(|| say!("{}", terminal::line(&result.row, self.scale, width)));
                }
                self.write_one(&result.row)?;
                done.insert(number, result);
                self.write_table(done.values().map(|done| &done.row))?;
            }
            Ok(())
        })
    }

    /// The last words.
    pub fn conclude(&self, rows: &[Row], jobs: usize) {
        if self.single {
            rows.iter().for_each(|row| terminal::in_full(row, self.scale));
        } else if rows.len() < jobs {
            print_error(format_args!(
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
        if let Some(folder) = &self.options.feedback {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            let page = feedback::page(row, self.scale, self.options.detail);
            replace(&folder.join(file_name(&row.name, "md")), page.as_bytes())?;
        }
        let Some(path) = &self.options.json else { return Ok(()) };
        let text = gradescope::results(row, self.scale, self.options.detail);
        if self.single {
            return replace(path, text.as_bytes());
        }
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        replace(&path.join(file_name(&row.name, "json")), text.as_bytes())
    }

    fn write_table<'r>(&self, rows: impl Iterator<Item = &'r Row>) -> anyhow::Result<()> {
        let Some(path) = &self.options.csv else { return Ok(()) };
        replace(path, &spreadsheet::table(rows, self.scale)?)
    }

    fn write_gradebook(&self, rows: &[Row]) -> anyhow::Result<()> {
        let Some(students) = self.students else { return Ok(()) };
        let stage = rows.iter().find_map(|row| row.result.stage);
        let usual = stage.map_or_else(|| "Points".to_owned(), |stage| format!("Stage {stage}"));
        let column = self.options.column.clone().unwrap_or(usual);
        let about = (self.scale, column.as_str(), self.options.detail);
        for (path, gradebook) in
            [(&self.options.moodle, Gradebook::Moodle), (&self.options.canvas, Gradebook::Canvas)]
        {
            if let Some(path) = path {
                replace(path, &students.table(gradebook, rows, about)?)?;
            }
        }
        let unknown = students.unknown(rows);
        if !unknown.is_empty() {
            print_error(format_args!(
                "not in --students, so in no gradebook: {}",
                escape(&unknown.join(", "))
            ));
        }
        Ok(())
    }

    fn write_junit(&self, rows: &[Row]) -> anyhow::Result<()> {
        let Some(path) = &self.options.junit else { return Ok(()) };
        replace(path, junit::report(rows)?.as_bytes())
    }
}

impl WorkQueue<'_> {
    /// A worker: it ends when there are no more jobs, at a signal, or when nobody
    /// takes its results any more.
    fn work(&self, slot: Option<&Slot>, done: &Sender<(usize, Done)>) {
        loop {
            let Some(&number) = self.todo.get(self.next.fetch_add(1, Ordering::Relaxed)) else { return };
            let (job, from) = (&self.jobs[number], Instant::now());
            let on_progress =
                |what: &str| self.show_progress(number, Some(&format!("{} {what}", escape(&job.name))));
            let graded = match &job.submission {
                Ok(submission) => self.grader.grade(submission, slot, &on_progress),
                Err(why) => Ok(Result::without_checks(None, Verdict::NotGraded(why.clone()))),
            };
            self.show_progress(number, None);
            let Ok(mut result) = graded else { return };
            if self.again {
                result.notes.push("graded again: a greedy one had run beside it".to_owned());
            }
            let row = Row { name: job.name.clone(), result };
            if done.send((number, Done { row, from, to: Instant::now() })).is_err() {
                return;
            }
        }
    }

    fn show_progress(&self, number: usize, what: Option<&str>) {
        let mut doing = self.doing.lock().ignore_poison();
        match what {
            Some(what) => doing.insert(number, what.to_owned()),
            None => doing.remove(&number),
        };
        self.bar.set_message(doing.values().cloned().collect::<Vec<_>>().join(", "));
    }
}

/// Those that failed while another was at work that is greedy.
fn disturbed(done: &BTreeMap<usize, Done>) -> Vec<usize> {
    let beside = |a: &Done, b: &Done| a.from < b.to && b.from < a.to;
    let greedy: Vec<_> = done.values().filter(|it| it.row.result.is_greedy()).collect();
    let troubled = |it: &Done| greedy.iter().any(|other| beside(it, other));
    let failed = |it: &Done| !it.row.result.is_greedy() && it.row.result.failed() > 0;
    done.iter().filter(|(_, it)| failed(it) && troubled(it)).map(|(number, _)| *number).collect()
}
