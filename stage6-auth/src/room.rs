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

use crate::committer::{Committer, Limits, Stopped};
use crate::floor::{Floor, Turn};
use crate::lists::Lists;
use crate::speaker::Speaker;
use crate::store::{Message, Store};
use anyhow::Context;
use common::log::Log;
use stage4_multichat::registry::Registry;
use stage4_multichat::wire::{Form, Wire};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a departure may take: longer than a database that hangs.
const DEPARTURE: Duration = Duration::from_secs(30);

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
        let mut floor = Floor::new(registry, form, earlier.into(), history, lists, log);
        let store = store.clone();
        let committer = Arc::new(Committer::start(
            Limits::default(),
            move |batch: &[Message]| store.append(batch),
            move |events, failure| floor.take(events, failure),
        )?);
        due.serve(&committer)?;
        Ok(Room { committer })
    }

    /// Lets `speaker` in, in its turn, with a greeting.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn enter(&self, speaker: &Arc<Speaker<W>>) -> Result<(), Stopped> {
        self.put(speaker, |committer| committer.pass(Turn::Arrives(speaker.clone())))
    }

    /// Submits a message. It waits here when too much of this speaker's is on
    /// its way already, and so, through TCP, does whoever sends it.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn say(&self, speaker: &Arc<Speaker<W>>, text: String) -> Result<(), Stopped> {
        let message = Message::new(speaker.name.clone(), text);
        self.put(speaker, |committer| committer.submit(message, Turn::Says(speaker.clone())))
    }

    /// Takes `speaker` out, behind the last of its messages, and waits for that.
    pub fn leave(&self, speaker: &Arc<Speaker<W>>) {
        let left = self.put(speaker, |committer| committer.pass(Turn::Leaves(speaker.clone())));
        if left.is_ok() {
            speaker.settle(DEPARTURE);
        }
    }

    fn put(
        &self,
        speaker: &Speaker<W>,
        put: impl FnOnce(&Committer<Message, Turn<W>>) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        if !speaker.begin() {
            return Err(Stopped);
        }
        put(&self.committer).inspect_err(|_| speaker.done(1))
    }

    /// Commits what is still queued and takes no more. Whether that was done
    /// within `limit`: a database that hangs must not keep the server alive.
    pub fn close(&self, limit: Duration) -> bool {
        let committer = self.committer.clone();
        let (done, is_done) = mpsc::channel();
        thread::spawn(move || {
            committer.stop();
            let _ = done.send(());
        });
        is_done.recv_timeout(limit).is_ok()
    }
}

#[cfg(test)]
mod tests;
