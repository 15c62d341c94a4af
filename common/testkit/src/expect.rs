//! What a peer hears: the ways in which a check takes lines from its connection.

use crate::inbox::{End, Next};
use crate::peer::Peer;
use crate::reading::Reading;
use crate::transcript::shown;
use std::time::{Duration, Instant};

impl Peer {
    /// The very next line must be `line`.
    #[track_caller]
    pub fn receives(&self, line: &str) {
        self.reading().next_line(&shown(line), |l| l == line);
    }

    /// The very next line, whatever it is.
    #[track_caller]
    pub fn receives_a_line(&self) -> String {
        self.reading().next_line("a line", |_| true)
    }

    /// Waits for the line `line`, passing over others.
    #[track_caller]
    pub fn hears(&self, line: &str) {
        self.reading().some_line_like(line, &format!("the line {}", shown(line)), |l| l == line);
    }

    /// Waits for a line that contains `text`, passing over others.
    #[track_caller]
    pub fn hears_of(&self, text: &str) -> String {
        let what = format!("a line that contains {}", shown(text));
        self.reading().some_line_like(text, &what, |l| l.contains(text))
    }

    /// Waits for a line that satisfies `fits`, passing over others.
    #[track_caller]
    pub fn hears_some(&self, what: &str, fits: impl FnMut(&str) -> bool) -> String {
        self.reading().some_line(what, fits)
    }

    /// Waits up to `limit` for a line that contains `text`, passing over others;
    /// false when none came.
    pub fn hears_within(&self, text: &str, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            match self.inbox.next(deadline) {
                Next::Line(line) if line.contains(text) => return true,
                Next::Line(_) => {}
                Next::End(..) | Next::Nothing => return false,
            }
        }
    }

    /// Says `text` again and again until `listener` hears it: so both are known
    /// to be in the room.
    #[track_caller]
    pub fn says_until_heard(&self, text: &str, listener: &Peer) {
        let limit = Instant::now() + crate::patience() + Duration::from_secs(1);
        // Growing pauses: quick when all is well, and within a limited rate.
        let mut pause = Duration::from_millis(10);
        while Instant::now() < limit {
            self.send(text);
            pause = (pause * 2).min(Duration::from_millis(150));
            if listener.hears_within(text, pause) {
                return;
            }
            if let Some(end) = listener.inbox.wait_end(Duration::ZERO) {
                crate::fail(format!("{} to hear {}", listener.name(), shown(text)), end.to_string());
            }
        }
        let expected = format!("{} to hear what {} says", listener.name(), self.name());
        crate::fail(expected, format!("nothing, though it said {} many times", shown(text)));
    }

    /// All lines up to the first that contains `fence`, without that one. What
    /// is not among them did not come: this is how a check proves an absence.
    #[track_caller]
    pub fn lines_before(&self, fence: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let what = format!("a line that contains {}", shown(fence));
        self.reading().some_line(&what, |l| {
            let last = l.contains(fence);
            if !last {
                lines.push(l.to_owned());
            }
            last
        });
        lines
    }

    /// What comes next, whatever it is.
    pub fn next(&self) -> Next {
        self.inbox.next(Instant::now() + crate::patience())
    }

    /// What comes next until `deadline`.
    pub fn next_by(&self, deadline: Instant) -> Next {
        self.inbox.next(deadline)
    }

    /// All lines until the other side closes, which must be in good order.
    #[track_caller]
    pub fn lines_to_the_end(&self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Next::Line(line) => lines.push(line),
                Next::End(End::Closed, rest) if rest.is_empty() => return lines,
                other => crate::fail("a close in good order", other.to_string()),
            }
        }
    }

    /// Waits until the other side closes, in whatever way, passing over lines.
    #[track_caller]
    pub fn sees_the_end(&self) -> End {
        self.reading().end("the connection closed")
    }

    /// Waits until the other side closes, which must be in good order (a FIN).
    #[track_caller]
    pub fn sees_a_clean_end(&self) {
        let end = self.reading().end("the connection closed in good order");
        crate::require(end == End::Closed, "a close in good order (FIN)", end.to_string());
    }

    /// Returns `true` if the first line that came ends with CR LF.
    pub(crate) fn first_line_has_cr_lf(&self) -> bool {
        self.everything().split_inclusive(|&b| b == b'\n').next().is_some_and(|line| line.ends_with(b"\r\n"))
    }

    /// All bytes received so far, taken as lines or not.
    pub fn everything(&self) -> Vec<u8> {
        self.inbox.everything()
    }

    fn reading(&self) -> Reading<'_> {
        Reading { who: self.name(), inbox: &self.inbox, patience: crate::patience() }
    }
}
