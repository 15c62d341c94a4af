//! What one client must receive, and what it may.

use super::lines::{NOT_UTF8, TOO_LONG};
use super::play::NOTHING;
use super::rules::{self, Rule};
use crate::inbox::Next;
use crate::transcript::shown;
use std::collections::{BTreeMap, VecDeque};

/// A rule that was broken, and what it looked like.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The rule.
    pub rule: Rule,
    /// Completes the sentence "expected …".
    pub expected: String,
    /// Completes the sentence "got …".
    pub got: String,
}

impl Broken {
    /// `got` was the next that came.
    pub fn new(rule: Rule, expected: impl Into<String>, got: &Next) -> Self {
        let got = if *got == Next::Nothing { NOTHING.to_owned() } else { got.to_string() };
        Self { rule, expected: expected.into(), got }
    }

    /// Returns `true` if nothing came, which may be late.
    pub fn is_nothing(&self) -> bool {
        self.got == NOTHING
    }
}

/// An arrival or a departure that must be announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// `IP:PORT` of the client that came or went.
    pub address: String,
    pub left: bool,
    /// How many are online after it; `None` where the order of several at the same
    /// instant is the server's.
    pub count: Option<usize>,
}

impl Notice {
    /// The notice, with the number that the server has put into it.
    fn parse(line: &str) -> Option<(Self, usize)> {
        let words: Vec<_> = line.strip_prefix("[SERVER] ")?.split(' ').collect();
        let [address, verb, count, "online)"] = words[..] else { return None };
        let left = match verb {
            "joined" => false,
            "left" => true,
            _ => return None,
        };
        let count = count.strip_prefix('(')?.parse().ok()?;
        // As it is written, and in no other way: `+2` is a number too.
        let again = format!("[SERVER] {address} {verb} ({count} online)");
        (again == line).then(|| (Self { address: address.to_owned(), left, count: Some(count) }, count))
    }

    fn rule(&self) -> Rule {
        if self.left { rules::DEPARTURE } else { rules::ARRIVAL }
    }

    fn shown(&self) -> String {
        let verb = if self.left { "left" } else { "joined" };
        let count = self.count.map_or("N".to_owned(), |count| count.to_string());
        format!("\"[SERVER] {} {verb} ({count} online)\"", self.address)
    }
}

/// What one client must and may receive.
#[derive(Default)]
pub(crate) struct Expected {
    /// The client's own address.
    pub address: String,
    /// The lines that must come, by the address of their sender: these in order.
    lines: BTreeMap<String, VecDeque<String>>,
    /// These in any order.
    notices: Vec<Notice>,
    errors: VecDeque<&'static str>,
    /// What may come besides: of two things at the same instant either may be first.
    optional: Vec<String>,
    /// Senders that have left.
    gone: Vec<String>,
    /// This client paused for a while.
    pub paused: bool,
    /// What has come, for the reason that is given for what should not have.
    received: Vec<String>,
    /// The counts of the notices that came, in their order.
    pub counts: Vec<(Notice, usize)>,
}

impl Expected {
    pub fn of(address: String) -> Self {
        Self { address, ..Self::default() }
    }

    /// `text` of `sender` must come.
    pub fn text(&mut self, sender: &str, text: &str) {
        self.lines.entry(sender.to_owned()).or_default().push_back(format!("[{sender}] {text}"));
    }

    pub fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    /// `sender` has left, so that nothing new of it can come.
    pub fn gone(&mut self, sender: &str) {
        self.gone.push(sender.to_owned());
    }

    pub fn error(&mut self, error: &'static str) {
        self.errors.push_back(error);
    }

    /// Another session begins.
    pub fn forget_what_came(&mut self) {
        (self.received, self.gone) = Default::default();
    }

    pub fn may(&mut self, line: String) {
        self.optional.push(line);
    }

    pub fn is_complete(&self) -> bool {
        self.lines.values().all(VecDeque::is_empty) && self.notices.is_empty() && self.errors.is_empty()
    }

    /// Takes a line that has come. `said` is all that this client has said so far,
    /// and `before` what the room had heard when it came.
    pub fn take(&mut self, line: String, said: &[String], before: &[String]) -> Result<(), Broken> {
        let taken = self.take_error(&line) || self.take_text(&line) || self.take_notice(&line);
        let taken = taken
            || self.optional.iter().position(|l| *l == line).map(|at| self.optional.remove(at)).is_some();
        if !taken {
            return Err(self.why_not(&line, said, before));
        }
        self.received.push(line);
        Ok(())
    }

    fn take_error(&mut self, line: &str) -> bool {
        take_first(&mut self.errors, |error| *error == line)
    }

    fn take_text(&mut self, line: &str) -> bool {
        self.lines.values_mut().any(|queue| take_first(queue, |first| first == line))
    }

    fn take_notice(&mut self, line: &str) -> bool {
        let Some((notice, count)) = Notice::parse(line) else { return false };
        let fits = |n: &Notice| {
            n.address == notice.address
                && n.left == notice.left
                && n.count.is_none_or(|wanted| wanted == count)
        };
        let Some(at) = self.notices.iter().position(fits) else { return false };
        self.notices.remove(at);
        self.counts.push((notice, count));
        true
    }

    /// The counts of these notices are known by now.
    pub fn know_counts(&mut self, counts: &[(Notice, usize)]) {
        for notice in self.notices.iter_mut().filter(|notice| notice.count.is_none()) {
            let found =
                counts.iter().find(|(other, _)| other.address == notice.address && other.left == notice.left);
            notice.count = found.map(|(_, count)| *count);
        }
    }

    /// What is still missing, as the first rule that it breaks.
    pub fn missing(&self, instead: &str) -> Broken {
        let (rule, expected) = if let Some(error) = self.errors.front() {
            let rule = if *error == TOO_LONG { rules::TOO_LONG } else { rules::NOT_UTF8 };
            (rule, shown(error))
        } else if let Some((sender, line)) =
            self.lines.iter().find_map(|(s, queue)| Some((s, queue.front()?)))
        {
            let late = if self.gone.contains(sender) { rules::LAST_LINE } else { rule_of(line) };
            (if self.paused { rules::PAUSE } else { late }, shown(line))
        } else if let Some(notice) = self.notices.first() {
            (notice.rule(), notice.shown())
        } else {
            (rules::GOOD_ORDER, "nothing more".to_owned())
        };
        Broken { rule, expected, got: instead.to_owned() }
    }

    /// The rule that an unexpected line breaks.
    fn why_not(&self, line: &str, said: &[String], before: &[String]) -> Broken {
        let (rule, expected) = self.rule_against(line, said, before);
        Broken { rule, expected, got: shown(line) }
    }

    fn rule_against(&self, line: &str, said: &[String], before: &[String]) -> (Rule, String) {
        let nothing = || "no such line".to_owned();
        if let Some((notice, _)) = Notice::parse(line) {
            let twin = self.notices.iter().find(|n| n.address == notice.address && n.left == notice.left);
            return match twin {
                Some(twin) => (rules::COUNT, twin.shown()),
                None if notice.address == self.address && !notice.left => {
                    (rules::ARRIVAL, "nothing of its own arrival".into())
                }
                None => (notice.rule(), "each arrival and departure once".to_owned()),
            };
        }
        if line == TOO_LONG || line == NOT_UTF8 {
            let rule = if self.received.iter().any(|l| l == line) {
                rules::NOT_UTF8
            } else {
                rules::ERROR_TO_THE_SENDER
            };
            return (rule, nothing());
        }
        let own = |text: &&String| line == **text || line == format!("[{}] {text}", self.address);
        if let Some(text) = said.iter().find(own) {
            return (rules::NOT_TO_THE_SENDER, format!("{} not to come back", shown(text)));
        }
        if before.iter().any(|l| l == line) {
            return (rules::NOT_FROM_BEFORE, nothing());
        }
        for (sender, queue) in &self.lines {
            let Some(first) = queue.front() else { continue };
            if queue.iter().any(|l| l == line) {
                return (rules::ORDER, format!("{} first", shown(first)));
            }
            let text = &first[sender.len() + 3..];
            let named = line.strip_prefix(&format!("[{sender}] "));
            if named.is_none() && !text.is_empty() && line.ends_with(text) {
                return (rules::PREFIX, shown(first));
            }
            match named {
                _ if self.received.iter().any(|l| l == line) => {
                    return (rules::TO_ALL_OTHERS, "each line once".to_owned());
                }
                Some("") if text.contains(|c: char| c.is_ascii_graphic()) => {
                    return (rules::EMPTY_LINE, shown(first));
                }
                Some(got) if is_cut(text, got) => return (rules::CUTS, shown(first)),
                Some(_) => return (rules::about_text(text), shown(first)),
                None => {}
            }
        }
        if self.received.iter().any(|l| l == line) {
            return (rules::TO_ALL_OTHERS, "each line once".to_owned());
        }
        let of = |sender: &&String| line.starts_with(&format!("[{sender}] "));
        if line.starts_with('[') && line.ends_with("] ") {
            return (rules::EMPTY_LINE, nothing());
        }
        if self.gone.iter().any(|sender| of(&sender)) {
            return (rules::AFTER_THE_END, nothing());
        }
        match self.lines.keys().find(of).map(|sender| &line[sender.len() + 3..]) {
            None => (rules::NOTHING_ELSE, nothing()),
            Some("/quit" | "!DISCONNECT") => (rules::END_WORDS, nothing()),
            Some(text) if text.contains('\u{fffd}') => (rules::NOT_UTF8, nothing()),
            Some(_) => (rules::CUTS, nothing()),
        }
    }
}

/// Returns `true` if `got` is what a read held of `text`: the beginning of it, or with a
/// character that came in two reads.
fn is_cut(text: &str, got: &str) -> bool {
    let rest = text.strip_prefix(got).and_then(|rest| rest.chars().next());
    rest.is_some_and(|next| next.is_ascii_graphic())
        || (got.contains('\u{fffd}') && !text.contains('\u{fffd}'))
}

/// Takes the first away if it fits.
fn take_first<T>(queue: &mut VecDeque<T>, fits: impl FnOnce(&T) -> bool) -> bool {
    let taken = queue.front().is_some_and(fits);
    if taken {
        queue.pop_front();
    }
    taken
}

/// The rule that is broken when this line does not come: that of its text.
fn rule_of(line: &str) -> Rule {
    let text = line.split_once("] ").map_or(line, |(_, text)| text);
    match rules::about_text(text) {
        rules::BYTE_BY_BYTE => rules::TO_ALL_OTHERS,
        other => other,
    }
}
