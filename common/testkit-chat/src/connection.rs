//! One end of a connection of the check's own, whose lines are sealed or not.

use crate::envelope::{Envelope, LONGEST_TEXT};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::time::Instant;
use testkit::{Case, End, Next, Peer, fail, shown};

/// What the server answers to a line that does not open.
pub const REJECTED: &str = "[SERVER] error: message rejected";
/// The most that a line holds before its line end.
pub(crate) const LONGEST_LINE: usize = 4096;

/// One end of a connection on which every line is sealed, if there is an envelope.
pub struct Connection<'c> {
    /// Where it belongs to.
    pub case: &'c Case,
    /// The connection beneath.
    pub peer: Peer,
    /// What every line goes through, in stages 6 and 7.
    pub envelope: Option<Envelope>,
    /// True where a client is at the other end. The line by which it publishes its
    /// key, of its own accord, is passed over.
    pub from_a_client: bool,
}

impl Connection<'_> {
    /// The line that carries `text`.
    pub fn encoded(&self, text: &str) -> String {
        self.envelope.as_ref().map_or_else(|| text.to_owned(), |envelope| envelope.seal(text))
    }

    /// The envelope, in the stages that have one.
    pub fn envelope(&self) -> &Envelope {
        self.envelope.as_ref().expect("this check is one of sealed lines")
    }

    /// How many bytes of text a line carries.
    pub fn longest_text(&self) -> usize {
        if self.envelope.is_some() { LONGEST_TEXT } else { LONGEST_LINE }
    }

    /// Sends `text` as a line.
    #[track_caller]
    pub fn send(&self, text: &str) {
        if self.envelope.is_some() {
            self.case.note(format!("{} seals {}", self.peer.name(), shown(text)));
        }
        self.peer.send(&self.encoded(text));
    }

    /// Sends several lines in one write.
    #[track_caller]
    pub fn send_all(&self, texts: impl IntoIterator<Item = impl AsRef<str>>) {
        let lines: String = texts.into_iter().map(|text| self.encoded(text.as_ref()) + "\n").collect();
        self.peer.send_bytes(lines.as_bytes());
    }

    /// What comes next, opened.
    #[track_caller]
    pub fn next(&self) -> Next {
        self.next_by(Instant::now() + testkit::patience())
    }

    /// What comes next until `deadline`, opened.
    #[track_caller]
    pub fn next_by(&self, deadline: Instant) -> Next {
        loop {
            match (self.peer.next_by(deadline), &self.envelope) {
                (Next::Line(line), Some(envelope)) => match envelope.open(&line) {
                    Ok(text) => {
                        self.case.note(format!("{} opens {}", self.peer.name(), shown(&text)));
                        return Next::Line(text);
                    }
                    Err(why) => fail("a line sealed as the contract says", format!("{}: {why}", shown(line))),
                },
                (Next::Line(line), None) if self.from_a_client && line.starts_with("/pubkey ") => {}
                (other, _) => return other,
            }
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

    /// Returns `true` if the line `text` has come by now.
    pub fn has_received(&self, text: &str) -> bool {
        let everything = self.peer.everything();
        let mut lines = everything.split(|&b| b == b'\n').filter_map(|line| str::from_utf8(line).ok());
        lines.any(|line| match &self.envelope {
            Some(envelope) => envelope.open(line).is_ok_and(|opened| opened == text),
            None => line == text,
        })
    }

    /// What base64 was made of in each line so far: IV, ciphertext and tag.
    pub fn received_messages(&self) -> Vec<Vec<u8>> {
        let everything = self.peer.everything();
        everything
            .split(|&b| b == b'\n')
            .filter_map(|line| STANDARD.decode(line).ok())
            .filter(|m| !m.is_empty())
            .collect()
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
