//! The floor: what the committer's thread does with each batch.
//!
//! Nothing here waits for anybody, and nothing is locked for long, as all
//! messages of all clients pass through this one thread.

use crate::committer::Event;
use crate::lists::Lists;
use crate::speaker::Speaker;
use crate::store::{Message, StoreError, rfc3339};
use common::log::Log;
use stage4_multichat::registry::Registry;
use stage4_multichat::wire::{Form, Piece, Wire};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// What somebody is told whose message is in no database.
pub const NOT_STORED: &str = "[SERVER] error: message not stored, try again";

/// What passes through the committer's queue.
pub(crate) enum Turn<W: Wire> {
    /// Somebody who is logged in comes into the room.
    Arrives(Arc<Speaker<W>>),
    /// The one whose message goes with it.
    Says(Arc<Speaker<W>>),
    /// Somebody goes.
    Leaves(Arc<Speaker<W>>),
    /// New lists of users are due.
    Lists,
}

/// The committer's thread's own view of the room; nobody else touches it.
pub(crate) struct Floor<W: Wire> {
    registry: Arc<Registry<W>>,
    form: Arc<dyn Form>,
    log: Log,
    /// The last messages, at most `most`, oldest first.
    history: VecDeque<Message>,
    most: usize,
    /// In the order in which a list names them.
    online: BTreeMap<Arc<str>, Arc<Speaker<W>>>,
    /// Counts the changes of `online`.
    version: u64,
    lists: Lists,
    /// How many messages the present outage has cost; 0 when there is none.
    refused: usize,
}

/// What one speaker says without anybody in between, and how many lines it is.
type Run<W> = (Arc<Speaker<W>>, String, usize);

/// Whose lines, arrivals and departures are through, and how many.
type Through<W> = Vec<(Arc<Speaker<W>>, usize)>;

impl<W: Wire> Floor<W> {
    pub fn new(
        registry: &Arc<Registry<W>>,
        form: &Arc<dyn Form>,
        history: VecDeque<Message>,
        most: usize,
        lists: Lists,
        log: &Log,
    ) -> Self {
        let (registry, form, log) = (registry.clone(), form.clone(), log.clone());
        Floor { registry, form, log, history, most, online: BTreeMap::new(), version: 0, lists, refused: 0 }
    }

    /// Acts on a batch: what is in it is in the database, or there is a `failure`.
    pub fn take(&mut self, events: Vec<Event<Message, Turn<W>>>, failure: Option<&StoreError>) {
        self.note(&events, failure);
        let before = self.version;
        let registry = self.registry.clone();
        let mut through = Vec::new();
        registry.together(|| self.act(events, &mut through));
        // Only now that all is delivered: whoever waits for its own departure
        // closes the connection next.
        for (speaker, count) in through {
            speaker.done(count);
        }
        if self.version != before {
            self.lists.are_due();
        }
    }

    /// An outage is logged when it begins and when it is over, not message by message.
    fn note(&mut self, events: &[Event<Message, Turn<W>>], failure: Option<&StoreError>) {
        let count = |what: fn(&Event<Message, Turn<W>>) -> bool| events.iter().filter(|e| what(e)).count();
        if let Some(error) = failure {
            if self.refused == 0 {
                self.log.error(format_args!("messages are not stored, and reach nobody: {error}"));
            }
            self.refused += count(|event| matches!(event, Event::Refused(..)));
        } else if self.refused > 0 && count(|event| matches!(event, Event::Stored(..))) > 0 {
            self.log.warn(format_args!("messages are stored again; {} were not", self.refused));
            self.refused = 0;
        }
    }

    fn act(&mut self, events: Vec<Event<Message, Turn<W>>>, through: &mut Through<W>) {
        let mut run: Option<Run<W>> = None;
        for event in events {
            let (message, turn) = match event {
                Event::Stored(message, turn) => (Some(message), turn),
                Event::Refused(_, turn) | Event::Passed(turn) => (None, turn),
            };
            match (turn, message) {
                (Turn::Says(speaker), Some(message)) => {
                    if run.as_ref().is_some_and(|(by, ..)| !Arc::ptr_eq(by, &speaker)) {
                        self.say(run.take(), through);
                    }
                    let (_, lines, count) = run.get_or_insert_with(|| (speaker, String::new(), 0));
                    lines.extend([&*message.name, ": ", &message.text, "\n"]);
                    *count += 1;
                    self.remember(message);
                }
                (Turn::Says(speaker), None) => {
                    speaker.tell(NOT_STORED);
                    through.push((speaker, 1));
                }
                // Its place is behind what was said before.
                (turn, _) => {
                    self.say(run.take(), through);
                    self.pass(turn, through);
                }
            }
        }
        self.say(run, through);
    }

    fn say(&self, run: Option<Run<W>>, through: &mut Through<W>) {
        let Some((speaker, lines, count)) = run else { return };
        if let Some(member) = &*speaker.present.lock().unwrap_or_else(PoisonError::into_inner) {
            self.registry.say(member, &lines);
        }
        through.push((speaker, count));
    }

    fn remember(&mut self, message: Message) {
        if self.most == 0 {
            return;
        }
        if self.history.len() == self.most {
            self.history.pop_front();
        }
        self.history.push_back(message);
    }

    fn pass(&mut self, turn: Turn<W>, through: &mut Through<W>) {
        let speaker = match turn {
            Turn::Arrives(speaker) => {
                self.arrives(&speaker);
                speaker
            }
            Turn::Leaves(speaker) => {
                self.leaves(&speaker);
                speaker
            }
            Turn::Lists => return self.send_lists(),
            Turn::Says(speaker) => speaker,
        };
        through.push((speaker, 1));
    }

    /// The greeting first, then the room: from here on it hears everything, and
    /// everything before is in the history.
    fn arrives(&mut self, speaker: &Arc<Speaker<W>>) {
        self.version += 1;
        self.online.insert(speaker.name.clone(), speaker.clone());
        speaker.list.store(self.version, Ordering::Relaxed);
        let mut greeting = String::new();
        let skipped = self.history.len() - self.fitting(speaker.outbox.bound());
        for Message { sent, name, text, .. } in self.history.iter().skip(skipped) {
            greeting.extend(["[HISTORY] ", &rfc3339(*sent), " ", name, ": ", text, "\n"]);
        }
        greeting.extend([self.list().as_str(), "\n"]);
        let _ = speaker.outbox.send_lines(&greeting);
        match self.registry.join(speaker.name.to_string(), speaker.outbox.clone()) {
            Ok(present) => {
                *speaker.present.lock().unwrap_or_else(PoisonError::into_inner) = Some(present);
            }
            // The server lets no more connections in than the room takes.
            Err(full) => self.log.error(format_args!("{} is in no room: {full:?}", speaker.name)),
        }
    }

    /// How many of the last messages a greeting can have: with a long history of
    /// long messages, its outbox would throw a newcomer out for not reading.
    fn fitting(&self, bound: usize) -> usize {
        // Sealed, a line is longer by a third and some 80 bytes: so this is less
        // than half of what may wait.
        let mut left = bound / 4;
        let fits = |message: &&Message| {
            let size = message.name.len() + message.text.len() + 100;
            left.checked_sub(size).inspect(|&rest| left = rest).is_some()
        };
        self.history.iter().rev().take_while(fits).count()
    }

    fn leaves(&mut self, speaker: &Arc<Speaker<W>>) {
        self.version += 1;
        self.online.remove(&speaker.name);
        // It leaves the registry as its presence is dropped.
        drop(speaker.present.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// The list goes to all who have none as new as this, sealed once for all.
    fn send_lists(&self) {
        let piece = Piece::lines(&(self.list() + "\n"), &*self.form);
        for speaker in self.online.values() {
            if speaker.list.swap(self.version, Ordering::Relaxed) < self.version {
                let _ = speaker.outbox.send(std::slice::from_ref(&piece));
            }
        }
    }

    fn list(&self) -> String {
        let names: Vec<&str> = self.online.keys().map(|name| &**name).collect();
        format!("[USERS_LIST] {}", names.join(","))
    }
}
