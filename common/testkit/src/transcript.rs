//! What happened in a check so far: who sent, received or printed what, and when.

use crate::poison::IgnorePoison;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Steps shown at most; the last ones are those next to the failure.
const SHOWN_STEPS: usize = 40;
/// Characters shown of one line.
const SHOWN_CHARACTERS: usize = 100;

pub(crate) struct Transcript {
    start: Instant,
    steps: Mutex<Steps>,
}

/// Those that may be shown, and how many there were before them: a program that
/// prints without end is not to fill the memory of the checks.
#[derive(Default)]
struct Steps {
    earlier: usize,
    last: VecDeque<(Duration, String, String)>,
}

impl Transcript {
    pub fn new() -> Self {
        Self { start: Instant::now(), steps: Mutex::default() }
    }

    pub fn note(&self, who: &str, what: impl Into<String>) {
        let step = (self.start.elapsed(), who.to_owned(), what.into());
        let mut steps = self.steps.lock().ignore_poison();
        steps.last.push_back(step);
        if steps.last.len() > SHOWN_STEPS {
            steps.last.pop_front();
            steps.earlier += 1;
        }
    }

    /// Forgets all steps: another session begins.
    pub fn clear(&self) {
        *self.steps.lock().ignore_poison() = Steps::default();
    }

    /// Puts the steps of `other` in place of its own.
    pub fn adopt(&self, other: &Self) {
        *self.steps.lock().ignore_poison() = std::mem::take(&mut *other.steps.lock().ignore_poison());
    }

    pub fn render(&self) -> String {
        let steps = self.steps.lock().ignore_poison();
        let mut text = String::new();
        if steps.earlier > 0 {
            let _ = writeln!(text, "    … {} earlier steps", steps.earlier);
        }
        for (when, who, what) in &steps.last {
            let _ = writeln!(text, "    {:>7.3} s  {who:<8} {what}", when.as_secs_f64());
        }
        text
    }
}

/// Bytes as a reader can understand them: quoted, control characters escaped,
/// shortened in the middle of nowhere only when they are very long.
pub fn shown(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let text = String::from_utf8_lossy(bytes);
    let short: String = text.chars().take(SHOWN_CHARACTERS).collect();
    if short.len() == text.len() {
        return format!("{text:?}");
    }
    format!("{short:?}… ({} bytes)", bytes.len())
}
