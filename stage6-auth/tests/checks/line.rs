//! One end of a connection of the check's own, sealed.

use super::envelope::Envelope;
use super::member::REJECTED;
use testkit::{Case, End, Next, Peer, fail, shown};

/// One end of a connection on which every line is sealed.
pub struct Line<'c> {
    pub case: &'c Case,
    pub peer: Peer,
    pub envelope: Envelope,
}

impl Line<'_> {
    /// Seals `text` and sends it.
    #[track_caller]
    pub fn send(&self, text: &str) {
        self.case.note(format!("{} seals {}", self.peer.name(), shown(text)));
        self.peer.send(&self.envelope.seal(text));
    }

    /// Sends several lines in one write.
    #[track_caller]
    pub fn send_all(&self, texts: impl IntoIterator<Item = impl AsRef<str>>) {
        let lines: String = texts.into_iter().map(|text| self.envelope.seal(text.as_ref()) + "\n").collect();
        self.peer.send_bytes(lines.as_bytes());
    }

    /// What comes next, opened.
    #[track_caller]
    pub fn next(&self) -> Next {
        match self.peer.next() {
            Next::Line(line) => match self.envelope.open(&line) {
                Ok(text) => {
                    self.case.note(format!("{} opens {}", self.peer.name(), shown(&text)));
                    Next::Line(text)
                }
                Err(why) => fail("a line sealed as the contract says", format!("{}: {why}", shown(line))),
            },
            other => other,
        }
    }

    /// The very next line must satisfy `fits`.
    #[track_caller]
    pub fn receives_some(&self, what: &str, fits: impl FnOnce(&str) -> bool) -> String {
        match self.next() {
            Next::Line(line) if fits(&line) => line,
            other => fail(format!("{} to receive, next, {what}", self.peer.name()), other.to_string()),
        }
    }

    /// The very next line must be `text`.
    #[track_caller]
    pub fn receives(&self, text: &str) {
        self.receives_some(&shown(text), |line| line == text);
    }

    /// All lines up to the first that satisfies `fits`, that one last.
    #[track_caller]
    pub fn lines_to(&self, what: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Next::Line(line) => {
                    lines.push(line);
                    if lines.last().is_some_and(|line| fits(line)) {
                        return lines;
                    }
                }
                other => fail(format!("{} to receive {what}", self.peer.name()), other.to_string()),
            }
        }
    }

    /// Waits for a line that satisfies `fits`, passing over others.
    #[track_caller]
    pub fn hears_some(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        self.lines_to(what, fits).pop().unwrap_or_default()
    }

    /// Waits for the line `text`, passing over others.
    #[track_caller]
    pub fn hears(&self, text: &str) {
        self.hears_some(&shown(text), |line| line == text);
    }

    /// Whether the line `text` has come by now.
    pub fn has_received(&self, text: &str) -> bool {
        let everything = self.peer.everything();
        let mut lines = everything.split(|&b| b == b'\n').filter_map(|line| str::from_utf8(line).ok());
        lines.any(|line| self.envelope.open(line).is_ok_and(|opened| opened == text))
    }

    /// Nothing that contains `text` may come before the line that contains `fence`.
    #[track_caller]
    pub fn never_hears(&self, text: &str, fence: &str) {
        let lines = self.lines_to(&format!("a line with {}", shown(fence)), |line| line.contains(fence));
        if let Some(line) = lines.iter().find(|line| line.contains(text) && !line.contains(fence)) {
            fail(format!("{} never to receive {}", self.peer.name(), shown(text)), shown(line));
        }
    }

    /// All lines until the server closes, which must be in good order.
    #[track_caller]
    pub fn lines_to_the_end(&self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Next::Line(line) => lines.push(line),
                Next::End(End::Closed, rest) if rest.is_empty() => return lines,
                other => fail("a close in good order", other.to_string()),
            }
        }
    }

    /// The very next line is `AUTH_FAILED reason`, and then the server closes at
    /// once; gives that line.
    #[track_caller]
    pub fn is_refused(&self) -> String {
        let fits = |l: &str| l.strip_prefix("AUTH_FAILED ").is_some_and(|reason| !reason.trim().is_empty());
        let line = self.receives_some("\"AUTH_FAILED reason\"", fits);
        match self.next() {
            Next::End(..) => line,
            other => fail("the connection closed at once after AUTH_FAILED", other.to_string()),
        }
    }

    /// The server has seen a line that is not sealed well: it says so, and closes.
    /// (A notice that was under way may still come.)
    #[track_caller]
    pub fn is_rejected(&self) {
        self.hears(REJECTED);
        loop {
            match self.next() {
                Next::Line(line) if line.starts_with('[') => {}
                Next::End(..) => return,
                other => fail("the connection closed after a rejected line", other.to_string()),
            }
        }
    }
}
