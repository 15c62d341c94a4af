//! The ways in which a check asks an inbox for lines, and what it says when they
//! do not come. A peer and a program's standard output share these.

use crate::inbox::{End, Inbox, Next};
use crate::transcript::shown;
use std::time::{Duration, Instant};

/// Takes lines from an [`Inbox`], `patience` long at most for each.
pub(crate) struct Reading<'a> {
    pub who: &'a str,
    pub inbox: &'a Inbox,
    pub patience: Duration,
}

impl Reading<'_> {
    /// The very next line must satisfy `fits`.
    #[track_caller]
    pub fn next_line(&self, what: &str, fits: impl FnOnce(&str) -> bool) -> String {
        match self.inbox.next(Instant::now() + self.patience) {
            Next::Line(line) if fits(&line) => line,
            other => crate::fail(
                format!("{} to receive, next, {what} (within {:?})", self.who, self.patience),
                other.to_string(),
            ),
        }
    }

    /// Waits for a line that satisfies `fits`, passing over others. Checks use
    /// this where what lies between is not their business.
    #[track_caller]
    pub fn some_line(&self, what: &str, fits: impl FnMut(&str) -> bool) -> String {
        self.some_line_like("", what, fits)
    }

    /// The same for a line that is or contains `text`: a failure names the line
    /// that comes nearest to it.
    #[track_caller]
    pub fn some_line_like(&self, text: &str, what: &str, mut fits: impl FnMut(&str) -> bool) -> String {
        let deadline = Instant::now() + self.patience;
        let mut passed = Vec::new();
        loop {
            match self.inbox.next(deadline) {
                Next::Line(line) if fits(&line) => return line,
                Next::Line(line) => passed.push(line),
                other => {
                    let near = passed.iter().rev().find_map(|line| Some((line, near_miss(text, line)?)));
                    let others = match (near, passed.last()) {
                        (Some((line, how)), _) => format!("{}: {how}; then ", shown(line)),
                        (None, Some(last)) => {
                            format!("{} other line(s), the last one {}, then ", passed.len(), shown(last))
                        }
                        (None, None) => String::new(),
                    };
                    crate::fail(
                        format!("{} to receive {what} (within {:?})", self.who, self.patience),
                        format!("{others}{other}"),
                    )
                }
            }
        }
    }

    /// Waits for the end of the stream, passing over lines.
    #[track_caller]
    pub fn end(&self, what: &str) -> End {
        let deadline = Instant::now() + self.patience;
        loop {
            match self.inbox.next(deadline) {
                Next::Line(_) => {}
                Next::End(end, _) => return end,
                Next::Nothing => crate::fail_late(
                    format!("{} to see {what} (within {:?})", self.who, self.patience),
                    "a connection that stays open",
                ),
            }
        }
    }
}

/// In what way `got` comes near to `expected`; `None` where it is something else.
fn near_miss(expected: &str, got: &str) -> Option<&'static str> {
    let text = expected.split_once("] ").map_or(expected, |(_, text)| text);
    if text.trim().is_empty() {
        return None;
    }
    let all = [
        (got.strip_suffix('\r') == Some(expected), "it has a CR at its end"),
        (got.trim() == expected.trim(), "the blanks at its ends differ"),
        (got.to_lowercase() == expected.to_lowercase(), "upper and lower case differ"),
        (got.ends_with(text), "the text came, behind another prefix"),
        (got.contains(text), "the text came, with something else around it"),
        (got.to_lowercase().contains(&text.to_lowercase()), "the text came in other letters"),
    ];
    all.into_iter().find_map(|(holds, how)| holds.then_some(how))
}

#[cfg(test)]
mod tests {
    use super::near_miss;

    #[test]
    fn a_near_miss_is_named() {
        let expected = "[127.0.0.1:5000] hi, all";
        for (got, how) in [
            ("('127.0.0.1', 5000): hi, all", Some("the text came, behind another prefix")),
            ("[127.0.0.1:5000] hi, all\r", Some("it has a CR at its end")),
            ("[127.0.0.1:5000] hi, all ", Some("the blanks at its ends differ")),
            ("<hi, all>", Some("the text came, with something else around it")),
            ("Welcome to the chat!", None),
        ] {
            assert_eq!(near_miss(expected, got), how, "{got}");
        }
    }
}
