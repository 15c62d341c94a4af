//! The last messages of a room, as a client receives them: those of this session, and in
//! front of them perhaps some from before it.

use super::inputs::SUFFIX;
use crate::checks::is_utc;
use testkit::shown;

/// The last messages of a room.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// Author and text of all that was said there in this session.
    pub known: Vec<(String, String)>,
    pub limit: usize,
    /// What has come: `None` is a message from before the session.
    pub got: Vec<Option<(String, String)>>,
}

impl History {
    /// Takes one line; gives `true` if it was the last.
    pub fn take(&mut self, line: &str) -> Result<bool, String> {
        let parts = line.strip_prefix("[HISTORY] ").and_then(|line| line.split_once(' '));
        let (time, message) = parts.ok_or("[HISTORY] TIME name: TEXT")?;
        let (name, text) = message.split_once(": ").ok_or("[HISTORY] TIME name: TEXT")?;
        if !is_utc(time) {
            return Err("TIME as 2026-01-31T09:30:00Z".to_owned());
        }
        let in_this_session = name.ends_with(SUFFIX);
        self.got.push(in_this_session.then(|| (name.to_owned(), text.to_owned())));
        let full = self.is_full();
        if full { self.judge().map(|()| true) } else { Ok(false) }
    }

    /// Returns `true` if no further messages can come.
    fn is_full(&self) -> bool {
        let ours = self.got.iter().flatten().count();
        self.got.len() >= self.limit || (ours > 0 && ours == self.known.len())
    }

    /// The last messages, as many as there are or as were asked for.
    pub fn judge(&self) -> Result<(), String> {
        let ours: Vec<_> = self.got.iter().flatten().cloned().collect();
        let first_missing = self.known.len().saturating_sub(ours.len());
        let complete = first_missing == 0 || self.got.len() == self.limit;
        if complete && self.known[first_missing..] == ours {
            return Ok(());
        }
        let wanted = &self.known[self.known.len().saturating_sub(self.limit)..];
        let differs = wanted.iter().zip(&ours).find(|(wanted, got)| wanted != got);
        let (name, text) =
            differs.map_or_else(|| wanted.get(ours.len()), |(wanted, _)| Some(wanted)).ok_or("")?;
        Err(format!("the last {} messages of the room, {} of {name} among them", wanted.len(), shown(text)))
    }
}
