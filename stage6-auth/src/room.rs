//! The room: everything that happens in it, in one order, each message in the
//! database before anybody sees it.
//!
//! All goes through the committer's queue: messages, but also arrivals and
//! departures. Its thread alone acts on the registry, batch by batch. So what a
//! newcomer is sent, earlier messages first and then those that follow, has no
//! gap and nothing twice: at the moment of its arrival, every message is either
//! committed and in the history, or still behind it in the queue.
//!
//! The history that newcomers get is kept in memory, and read from the database
//! once, at the start. Asking the database at each arrival would let a crowd of
//! them hold up everybody's messages, and would need it to be there.

use crate::auth::LoginError;
use crate::committer::{Committer, Limits, Stopped};
use crate::floor::{Floor, Turn};
use crate::history::History;
use crate::lists::Lists;
use crate::people::Place;
use crate::speaker::Speaker;
use crate::store::{Message, Store};
use anyhow::Context;
use common::log::Log;
use stage4_multichat::registry::Registry;
use stage4_multichat::wire::{Form, Wire};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The way into the room, for the clients' threads.
pub struct Room<W: Wire + 'static> {
    committer: Arc<Committer<Message, Turn<W>>>,
}

impl<W: Wire + 'static> Room<W> {
    /// Starts the committer and opens the room, with the last `history` messages.
    ///
    /// # Errors
    /// When the database cannot be read, or no thread started.
    pub fn open(
        registry: &Arc<Registry<W>>,
        store: &Arc<dyn Store>,
        form: &Arc<dyn Form>,
        history: usize,
        log: &Log,
    ) -> anyhow::Result<Self> {
        let earlier = store.recent(history).context("cannot read the history")?;
        let (lists, due) = Lists::new();
        let mut floor = Floor::new(registry, form, History::new(earlier, history), lists, log);
        let store = store.clone();
        let committer = Arc::new(Committer::start(
            Limits::default(),
            move |batch: &[Message]| store.append(batch),
            move |events, failure| floor.take(events, failure),
        )?);
        due.serve(&committer, || Turn::Lists)?;
        Ok(Room { committer })
    }

    /// Submits a message.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn say(&self, speaker: &Arc<Speaker<W>>, text: String) -> Result<(), Stopped> {
        let message = Message::new(speaker.name.clone(), text);
        speaker.put(|| self.committer.submit(message, Turn::Says(speaker.clone())))
    }

    /// Commits what is still queued and takes no more. Whether that was done
    /// within `limit`.
    pub fn close(&self, limit: Duration) -> bool {
        self.committer.stop_within(limit)
    }
}

impl<W: Wire> Place<W> for Room<W> {
    fn enter(&self, speaker: &Arc<Speaker<W>>) -> Result<(), LoginError> {
        let entered = speaker.put(|| self.committer.pass(Turn::Arrives(speaker.clone())));
        entered.map_err(|stopped| LoginError::Lost(io::Error::other(stopped)))
    }

    fn leave(&self, speaker: &Arc<Speaker<W>>) -> Result<(), Stopped> {
        speaker.put(|| self.committer.pass(Turn::Leaves(speaker.clone())))
    }
}

#[cfg(test)]
mod tests;
