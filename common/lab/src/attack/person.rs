//! A person in an attack: the stage's own client on pipes, so that whatever is
//! shown here was shown by the real program.

use super::stop::Stop;
use crate::process::Program;
use crate::registry::matches;
use anyhow::{Context, bail};
use common::poison::IgnorePoison;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::ChildStdin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// A line that a client has printed, and when.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Without its line end.
    pub text: String,
    /// When it was read from the pipe.
    pub at: Instant,
}

/// What the two reading threads add to, and the attack waits for.
#[derive(Default)]
struct Heap {
    lines: Vec<Heard>,
    errors: Vec<String>,
    /// Standard output is closed: nothing will come any more.
    closed: bool,
}

/// Everything a client says, as it comes.
#[derive(Default)]
struct Ear {
    heap: Mutex<Heap>,
    more: Condvar,
}

/// A running client. Dropping it ends it.
pub struct Person {
    /// How the course calls it.
    pub name: String,
    program: Program,
    input: Option<ChildStdin>,
    ear: Arc<Ear>,
    stop: Stop,
}

impl Person {
    /// Takes over a client whose three streams are pipes.
    ///
    /// # Errors
    /// When one of them is not.
    pub fn new(name: &str, mut program: Program, stop: &Stop) -> anyhow::Result<Person> {
        let child = program.child();
        let input = child.stdin.take();
        let output = child.stdout.take().context("no standard output")?;
        let errors = child.stderr.take().context("no standard error")?;
        let ear = Arc::new(Ear::default());
        // Both end with the program.
        listen(output, ear.clone(), |heap, text, at| heap.lines.push(Heard { text, at }), true);
        listen(errors, ear.clone(), |heap, text, _| heap.errors.push(text), false);
        Ok(Person { name: name.to_owned(), program, input, ear, stop: stop.clone() })
    }

    /// Types a line.
    ///
    /// # Errors
    /// When the client reads no more.
    pub fn say(&mut self, line: &str) -> anyhow::Result<()> {
        let input = self.input.as_mut().with_context(|| format!("{} has left", self.name))?;
        let said = input.write_all(format!("{line}\n").as_bytes());
        said.with_context(|| format!("{} reads no more", self.name))
    }

    /// How many lines it has shown: a mark to look from.
    pub fn mark(&self) -> usize {
        self.ear.lock().lines.len()
    }

    /// The first line like `pattern` since `mark`, waiting at most `limit`.
    /// `None` when there is none by then, or none can come any more.
    ///
    /// # Errors
    /// When a signal has ended us.
    pub fn hears_since(&self, mark: usize, pattern: &str, limit: Duration) -> anyhow::Result<Option<Heard>> {
        let deadline = Instant::now() + limit;
        let mut looked = mark;
        let mut heap = self.ear.lock();
        loop {
            self.stop.check()?;
            let found = heap.lines[looked..].iter().find(|heard| matches(pattern, &heard.text));
            if let Some(heard) = found {
                return Ok(Some(heard.clone()));
            }
            looked = heap.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || heap.closed {
                return Ok(None);
            }
            // Not for long at a time, or a signal would not be seen.
            let slice = left.min(Stop::GLANCE);
            heap = self.ear.more.wait_timeout(heap, slice).ignore_poison().0;
        }
    }

    /// As [`Person::hears_since`], from its first line on, and it is an error
    /// when the line does not come.
    ///
    /// # Errors
    /// Then, with what came instead.
    pub fn must_hear(&self, pattern: &str, limit: Duration) -> anyhow::Result<Heard> {
        self.must_hear_since(0, pattern, limit)
    }

    /// As [`Person::must_hear`], since `mark`.
    ///
    /// # Errors
    /// When the line does not come, with what came instead.
    pub fn must_hear_since(&self, mark: usize, pattern: &str, limit: Duration) -> anyhow::Result<Heard> {
        match self.hears_since(mark, pattern, limit)? {
            Some(heard) => Ok(heard),
            None => {
                let heap = self.ear.lock();
                let last: Vec<_> = heap.lines.iter().rev().take(3).rev().map(|h| cut(&h.text)).collect();
                bail!(
                    "expected {} to show \"{pattern}\" within {} s; it last showed {last:?}, and on standard error {:?}",
                    self.name,
                    limit.as_secs(),
                    heap.errors
                )
            }
        }
    }

    /// All lines like `pattern` so far.
    pub fn heard(&self, pattern: &str) -> Vec<String> {
        self.ear.lock().lines.iter().map(|h| &h.text).filter(|t| matches(pattern, t)).cloned().collect()
    }

    /// The last that it wrote to standard error.
    pub fn complaint(&self) -> String {
        self.ear.lock().errors.last().cloned().unwrap_or_default()
    }

    /// Ends its input, upon which a client goes, and waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn leave(&mut self, limit: Duration) -> anyhow::Result<()> {
        self.input = None;
        let ended = self.ends_within(limit)?;
        ended.map(drop).with_context(|| format!("{} does not end", self.name))
    }

    /// Its exit code, once it ends by itself; `None` when it runs on.
    ///
    /// # Errors
    /// When a signal has ended us.
    pub fn ends_within(&mut self, limit: Duration) -> anyhow::Result<Option<i32>> {
        let program = &mut self.program;
        let ended = self.stop.until(limit, || program.ended().is_some())?;
        Ok(if ended { self.program.ended().and_then(|s| s.code()) } else { None })
    }
}

impl Ear {
    /// A list is whole between any two statements; nothing to repair.
    fn lock(&self) -> MutexGuard<'_, Heap> {
        self.heap.lock().ignore_poison()
    }
}

fn listen(
    from: impl Read + Send + 'static,
    ear: Arc<Ear>,
    add: fn(&mut Heap, String, Instant),
    is_output: bool,
) {
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line).into_owned();
            add(&mut ear.lock(), text, Instant::now());
            ear.more.notify_all();
        }
        ear.lock().closed |= is_output;
        ear.more.notify_all();
    });
}

/// As much of a line as is worth showing.
pub fn cut(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
