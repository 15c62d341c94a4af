//! The floor: what the committer's thread does with each batch.
//!
//! Nothing here waits for anybody, and nothing is locked for long, as all
//! messages of all clients pass through this one thread.

use crate::committer::Event;
use crate::history::History;
use crate::lists::Lists;
use crate::outage_log::{NOT_STORED, OutageLog};
use crate::speaker::Speaker;
use crate::store::{Message, StoreError};
use common::log::Log;
use stage4_multichat::registry::{Present, Registry};
use stage4_multichat::wire::{Form, Piece, Wire};
use std::collections::BTreeMap;
use std::sync::Arc;

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
    history: History,
    /// In the order in which a list names them.
    online: BTreeMap<Arc<str>, Online<W>>,
    /// Counts the changes of `online`.
    version: u64,
    lists: Lists,
    outage_log: OutageLog,
}

/// Somebody who is in.
struct Online<W: Wire> {
    speaker: Arc<Speaker<W>>,
    /// Its place in the room; dropping it is the departure.
    present: Present<W>,
    /// Which version of the users' list it has.
    list: u64,
}

/// What one speaker says without anybody in between, and how many lines it is.
type Run<W> = (Arc<Speaker<W>>, String, usize);

/// Whose lines, arrivals and departures are through, and how many.
type Through<W> = Vec<(Arc<Speaker<W>>, usize)>;

impl<W: Wire> Floor<W> {
    pub fn new(
        registry: &Arc<Registry<W>>,
        form: &Arc<dyn Form>,
        history: History,
        lists: Lists,
        log: &Log,
    ) -> Self {
        let (registry, form, outage_log, log) =
            (registry.clone(), form.clone(), OutageLog::new(log), log.clone());
        Floor { registry, form, log, history, online: BTreeMap::new(), version: 0, lists, outage_log }
    }

    /// Acts on a batch: what is in it is in the database, or there is a `failure`.
    pub fn take(&mut self, events: Vec<Event<Message, Turn<W>>>, failure: Option<&StoreError>) {
        self.outage_log.note(&events, failure);
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
                    self.history.remember(message);
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
        if let Some(online) = self.online.get(&speaker.name) {
            self.registry.say(&online.present, &lines);
        }
        through.push((speaker, count));
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
        let names = self.online.keys().chain([&speaker.name]);
        let greeting = self.history.lines(speaker.outbox.bound()) + &list(names);
        let _ = speaker.outbox.send_lines(&greeting);
        match self.registry.join(speaker.name.to_string(), speaker.outbox.clone()) {
            Ok(present) => {
                let online = Online { speaker: speaker.clone(), present, list: self.version };
                self.online.insert(speaker.name.clone(), online);
            }
            // The server lets no more connections in than the room takes.
            Err(full) => self.log.error(format_args!("{} is in no room: {full:?}", speaker.name)),
        }
    }

    fn leaves(&mut self, speaker: &Arc<Speaker<W>>) {
        self.version += 1;
        self.online.remove(&speaker.name);
    }

    /// The list goes to all who have none as new as this, sealed once for all.
    fn send_lists(&mut self) {
        let piece = Piece::lines(&list(self.online.keys()), &*self.form);
        for online in self.online.values_mut() {
            if std::mem::replace(&mut online.list, self.version) < self.version {
                let _ = online.speaker.outbox.send(std::slice::from_ref(&piece));
            }
        }
    }
}

/// The line with all these names, sorted.
fn list<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> String {
    let mut names: Vec<&str> = names.map(|name| &**name).collect();
    names.sort_unstable();
    format!("[USERS_LIST] {}\n", names.join(","))
}
