//! What happened in a check so far: who sent, received or printed what, and when.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Steps shown at most; the last ones are those next to the failure.
const SHOWN_STEPS: usize = 40;
/// Characters shown of one line.
const SHOWN_CHARACTERS: usize = 100;

pub(crate) struct Transcript {
    start: Instant,
    steps: Mutex<Vec<(Duration, String, String)>>,
}

impl Transcript {
    pub fn new() -> Self {
        Self { start: Instant::now(), steps: Mutex::default() }
    }

    pub fn note(&self, who: &str, what: impl Into<String>) {
        let step = (self.start.elapsed(), who.to_owned(), what.into());
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }

    pub fn render(&self) -> String {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let hidden = steps.len().saturating_sub(SHOWN_STEPS);
        let mut text = String::new();
        if hidden > 0 {
            let _ = writeln!(text, "    … {hidden} earlier steps");
        }
        for (when, who, what) in &steps[hidden..] {
            let _ = writeln!(text, "    {:>7.3} s  {who:<8} {what}", when.as_secs_f64());
        }
        text
    }
}

/// Bytes as a person can read them: quoted, control characters escaped,
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
