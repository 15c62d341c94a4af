//! The chat: the way for the clients' threads to everything that the committer's
//! thread does, and its end.
//!
//! As in stage 6 there is one order for all: messages, moves, subscriptions and
//! questions pass through the committer's queue, and its thread alone acts on
//! them. What is new is only what it then does ([`crate::floor`]).

use crate::floor::{Floor, Question, Turn};
use crate::message_store::MessageStore;
use crate::rooms::LOBBY;
use crate::said::{Said, To};
use anyhow::Context;
use common::log::Log;
use common::poison::IgnorePoison;
use stage4_multichat::wire::{Form, Wire};
use stage6_auth::auth::LoginError;
use stage6_auth::committer::{Committer, Limits, Stopped};
use stage6_auth::history::History;
use stage6_auth::lists::Lists;
use stage6_auth::people::Place;
use stage6_auth::speaker::Speaker;
use stage6_auth::store::Message;
use std::io;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long the delivery of the farewell may take when all the time is used up.
const LAST_MOMENT: Duration = Duration::from_millis(300);

/// See the [module](self).
pub struct Chat<W: Wire + 'static> {
    committer: Arc<Committer<Said, Turn<W>>>,
    messages: Arc<dyn MessageStore>,
    /// Written by everybody who comes or goes, and at the end.
    ending: Mutex<Ending>,
    /// Signalled when everybody waits for the farewell, and when it was delivered.
    changed: Condvar,
}

#[derive(Default)]
struct Ending {
    inside: usize,
    waiting: usize,
    said: bool,
}

impl<W: Wire + 'static> Chat<W> {
    /// Starts the committer and opens the lobby, with its last `history` messages.
    ///
    /// # Errors
    /// When the database cannot be read, or no thread started.
    pub fn open(
        messages: &Arc<dyn MessageStore>,
        form: &Arc<dyn Form>,
        history: usize,
        log: &Log,
    ) -> anyhow::Result<Self> {
        let earlier = messages.history(LOBBY, history).context("cannot read the history")?;
        let (lists, due) = Lists::new();
        let mut floor = Floor::new(form, History::new(earlier, history), lists, log);
        let append = messages.clone();
        let committer = Arc::new(Committer::start(
            Limits::default(),
            move |batch: &[Said]| append.append(batch),
            move |events, failure| floor.take(events, failure),
        )?);
        due.serve(&committer, || Turn::Lists)?;
        let (messages, ending) = (messages.clone(), Mutex::default());
        Ok(Chat { committer, messages, ending, changed: Condvar::new() })
    }

    /// Submits a message.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn say(&self, speaker: &Arc<Speaker<W>>, to: To, text: String) -> Result<(), Stopped> {
        let said = Said { message: Message::new(speaker.name.clone(), text), to };
        speaker.put(|| self.committer.submit(said, Turn::Says(speaker.clone())))
    }

    /// Takes `speaker` to the room of this name.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn go_to(&self, speaker: &Arc<Speaker<W>>, room: &str) -> Result<(), Stopped> {
        self.pass(speaker, Turn::Moves(speaker.clone(), room.into()))
    }

    /// `speaker` hears what `publisher` says, or does no more; the message store knows.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn subscribe(&self, speaker: &Arc<Speaker<W>>, publisher: &str, begins: bool) -> Result<(), Stopped> {
        self.pass(speaker, Turn::Subscribes(speaker.clone(), publisher.into(), begins))
    }

    /// Has `speaker` told.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub fn ask(&self, speaker: &Arc<Speaker<W>>, question: Question) -> Result<(), Stopped> {
        self.pass(speaker, Turn::Asks(speaker.clone(), question))
    }

    fn pass(&self, speaker: &Speaker<W>, turn: Turn<W>) -> Result<(), Stopped> {
        speaker.put(|| self.committer.pass(turn))
    }

    /// Says the farewell to everybody: the last line that is delivered. First it
    /// waits, for `limit` at the longest, until everybody has said what the server
    /// had received from it, in [`await_farewell`](Chat::await_farewell).
    pub fn say_farewell(&self, line: &'static str, limit: Duration) {
        let still_speaking = |ending: &mut Ending| ending.waiting < ending.inside;
        let end = Instant::now() + limit;
        drop(self.changed.wait_timeout_while(self.lock(), limit, still_speaking));
        let (delivered, is_delivered) = sync_channel(1);
        if self.committer.pass(Turn::Farewell(line, delivered)).is_ok() {
            // By now a database that hangs has been given up, or is about to be.
            let left = end.saturating_duration_since(Instant::now());
            let _ = is_delivered.recv_timeout(left.max(LAST_MOMENT));
        }
        self.lock().said = true;
        self.changed.notify_all();
    }

    /// For somebody who has nothing more to say because the server is to end:
    /// waits until everybody has been told.
    pub fn await_farewell(&self) {
        let mut ending = self.lock();
        ending.waiting += 1;
        // Only the last one's call means something, and each wakes everybody.
        if ending.waiting >= ending.inside {
            self.changed.notify_all();
        }
        drop(self.changed.wait_while(ending, |ending| !ending.said));
    }

    /// Commits what is still queued and takes no more. Whether that was done
    /// within `limit`.
    pub fn close(&self, limit: Duration) -> bool {
        self.committer.stop_within(limit)
    }

    /// Two numbers and a flag: whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, Ending> {
        self.ending.lock().ignore_poison()
    }
}

impl<W: Wire> Place<W> for Chat<W> {
    fn enter(&self, speaker: &Arc<Speaker<W>>) -> Result<(), LoginError> {
        // `leave` comes even if the rest fails.
        self.lock().inside += 1;
        let publishers = self.messages.subscriptions(&speaker.name)?;
        let entered = self.pass(speaker, Turn::Arrives(speaker.clone(), publishers));
        entered.map_err(|stopped| LoginError::Lost(io::Error::other(stopped)))
    }

    fn leave(&self, speaker: &Arc<Speaker<W>>) -> Result<(), Stopped> {
        let mut ending = self.lock();
        ending.inside -= 1;
        if ending.waiting >= ending.inside {
            self.changed.notify_all();
        }
        drop(ending);
        self.pass(speaker, Turn::Leaves(speaker.clone()))
    }
}

#[cfg(test)]
mod tests;
