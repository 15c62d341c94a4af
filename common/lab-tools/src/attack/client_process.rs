//! A user in an attack: the stage's own client on pipes, so that whatever is
//! shown here was shown by the real program.

use super::cancellation::Cancellation;
use anyhow::{Context, bail};
use common::poison::IgnorePoison;
use lab::process::Program;
use lab::registry::matches;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::ChildStdin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// A line that a client has printed, and when.
#[derive(Clone, Debug)]
pub struct PrintedLine {
    /// Without its line end.
    pub text: String,
    /// When it was read from the pipe.
    pub at: Instant,
}

/// What the two reading threads add to, and the attack waits for.
#[derive(Default)]
struct Lines {
    lines: Vec<PrintedLine>,
    errors: Vec<String>,
    /// Standard output is closed: nothing will come any more.
    closed: bool,
}

/// Everything a client says, as it comes.
#[derive(Default)]
struct Printed {
    lines: Mutex<Lines>,
    more: Condvar,
}

/// A running client. Dropping it ends it.
pub struct ClientProcess {
    /// How the course calls it.
    pub name: String,
    program: Program,
    input: Option<ChildStdin>,
    printed: Arc<Printed>,
    cancellation: Cancellation,
}

impl ClientProcess {
    /// Takes over a client whose three streams are pipes.
    ///
    /// # Errors
    /// When one of them is not.
    pub fn new(
        name: &str,
        mut program: Program,
        cancellation: &Cancellation,
    ) -> anyhow::Result<ClientProcess> {
        let child = program.child();
        let input = child.stdin.take();
        let output = child.stdout.take().context("no standard output")?;
        let errors = child.stderr.take().context("no standard error")?;
        let printed = Arc::new(Printed::default());
        // Both end with the program.
        listen(output, printed.clone(), |lines, text, at| lines.lines.push(PrintedLine { text, at }), true);
        listen(errors, printed.clone(), |lines, text, _| lines.errors.push(text), false);
        Ok(ClientProcess {
            name: name.to_owned(),
            program,
            input,
            printed,
            cancellation: cancellation.clone(),
        })
    }

    /// Types a line.
    ///
    /// # Errors
    /// When the client reads nothing more.
    pub fn type_line(&mut self, line: &str) -> anyhow::Result<()> {
        let input = self.input.as_mut().with_context(|| format!("{} has left", self.name))?;
        let said = input.write_all(format!("{line}\n").as_bytes());
        said.with_context(|| format!("{} reads nothing more", self.name))
    }

    /// How many lines it has shown: a mark to look from.
    pub fn mark(&self) -> usize {
        self.printed.lock().lines.len()
    }

    /// The first line like `pattern` since `mark`, waiting at most `limit`.
    /// `None` when there is none by then, or none can come any more.
    ///
    /// # Errors
    /// When a signal has ended us.
    pub fn find_line_since(
        &self,
        mark: usize,
        pattern: &str,
        limit: Duration,
    ) -> anyhow::Result<Option<PrintedLine>> {
        let deadline = Instant::now() + limit;
        let mut looked = mark;
        let mut lines = self.printed.lock();
        loop {
            self.cancellation.check()?;
            let found = lines.lines[looked..].iter().find(|heard| matches(pattern, &heard.text));
            if let Some(heard) = found {
                return Ok(Some(heard.clone()));
            }
            looked = lines.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.closed {
                return Ok(None);
            }
            // Not for long at a time, or a signal would not be seen.
            let slice = left.min(Cancellation::POLL_INTERVAL);
            lines = self.printed.more.wait_timeout(lines, slice).ignore_poison().0;
        }
    }

    /// As [`ClientProcess::find_line_since`], from its first line on, and it is an error
    /// when the line does not come.
    ///
    /// # Errors
    /// Then, with what came instead.
    pub fn expect_line(&self, pattern: &str, limit: Duration) -> anyhow::Result<PrintedLine> {
        self.expect_line_since(0, pattern, limit)
    }

    /// As [`ClientProcess::expect_line`], since `mark`.
    ///
    /// # Errors
    /// When the line does not come, with what came instead.
    pub fn expect_line_since(
        &self,
        mark: usize,
        pattern: &str,
        limit: Duration,
    ) -> anyhow::Result<PrintedLine> {
        match self.find_line_since(mark, pattern, limit)? {
            Some(heard) => Ok(heard),
            None => {
                let lines = self.printed.lock();
                let last: Vec<_> = lines.lines.iter().rev().take(3).rev().map(|h| cut(&h.text)).collect();
                bail!(
                    "expected {} to show \"{pattern}\" within {} s; it last showed {last:?}, and on standard error {:?}",
                    self.name,
                    limit.as_secs(),
                    lines.errors
                )
            }
        }
    }

    /// All lines like `pattern` so far.
    pub fn lines_like(&self, pattern: &str) -> Vec<String> {
        self.printed.lock().lines.iter().map(|h| &h.text).filter(|t| matches(pattern, t)).cloned().collect()
    }

    /// The last that it wrote to standard error.
    pub fn last_error(&self) -> String {
        self.printed.lock().errors.last().cloned().unwrap_or_default()
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
        let ended = self.cancellation.until(limit, || program.ended().is_some())?;
        Ok(if ended { self.program.ended().and_then(|s| s.code()) } else { None })
    }
}

impl Printed {
    /// A list is whole between any two statements; nothing to repair.
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().ignore_poison()
    }
}

fn listen(
    from: impl Read + Send + 'static,
    printed: Arc<Printed>,
    add: fn(&mut Lines, String, Instant),
    is_output: bool,
) {
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line).into_owned();
            add(&mut printed.lock(), text, Instant::now());
            printed.more.notify_all();
        }
        printed.lock().closed |= is_output;
        printed.more.notify_all();
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
