//! The floor: what the committer's thread does with each batch. It alone knows
//! who is in which room and who has subscribed to whom, so that nothing of that
//! is locked, and a move has its place among the messages.
//!
//! As in stage 6, nothing here waits for anybody.

use crate::delivery::{Delivery, Seat};
use crate::rooms::{LOBBY, Rooms};
use crate::said::{Said, To, lines};
use crate::subscriptions::Subscriptions;
use common::log::Log;
use stage4_multichat::wire::{Form, Wire};
use stage6_auth::committer::Event;
use stage6_auth::history::History;
use stage6_auth::lists::Lists;
use stage6_auth::outage_log::{NOT_STORED, OutageLog};
use stage6_auth::speaker::Speaker;
use stage6_auth::store::{Message, StoreError, name_key};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// What passes through the committer's queue.
pub(crate) enum Turn<W: Wire> {
    /// Somebody who is logged in comes into the lobby, with those to whom it has
    /// subscribed.
    Arrives(Arc<Speaker<W>>, Vec<Arc<str>>),
    /// The one whose message goes with it.
    Says(Arc<Speaker<W>>),
    /// Somebody goes to the room of this name.
    Moves(Arc<Speaker<W>>, Arc<str>),
    /// Somebody subscribes to the one of this name, or does no more.
    Subscribes(Arc<Speaker<W>>, Arc<str>, bool),
    /// Somebody wants to know.
    Asks(Arc<Speaker<W>>, Question),
    /// Somebody goes.
    Leaves(Arc<Speaker<W>>),
    /// New lists of users are due.
    Lists,
    /// The last line to everybody, and whom to tell that it is delivered.
    Farewell(&'static str, SyncSender<()>),
}

/// What only the floor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which rooms there are.
    Rooms,
    /// Who is in the room.
    Users,
    /// To whom one has subscribed.
    Subscriptions,
}

/// The committer's thread's own view of the chat; nobody else touches it.
pub(crate) struct Floor<W: Wire> {
    delivery: Delivery<W>,
    /// Who is in, by the name's key.
    seats: HashMap<Arc<str>, Seat>,
    rooms: Rooms<Seat>,
    subscriptions: Subscriptions<Seat>,
    /// The lobby's.
    history: History,
    lists: Lists,
    outage_log: OutageLog,
    farewell: Option<&'static str>,
}

/// What one speaker says without anybody in between.
struct Run<W: Wire> {
    by: Arc<Speaker<W>>,
    to: To,
    messages: Vec<Message>,
}

/// Whose lines, arrivals and departures are through, and how many.
type Through<W> = Vec<(Arc<Speaker<W>>, usize)>;

impl<W: Wire> Floor<W> {
    pub fn new(form: &Arc<dyn Form>, history: History, lists: Lists, log: &Log) -> Self {
        Floor {
            delivery: Delivery::new(form, log),
            seats: HashMap::new(),
            rooms: Rooms::default(),
            subscriptions: Subscriptions::default(),
            history,
            lists,
            outage_log: OutageLog::new(log),
            farewell: None,
        }
    }

    /// Acts on a batch: what is in it is in the database, or there is a `failure`.
    pub fn take(&mut self, events: Vec<Event<Said, Turn<W>>>, failure: Option<&StoreError>) {
        self.outage_log.note(&events, failure);
        let mut through = Vec::new();
        self.act(events, &mut through);
        self.delivery.deliver();
        // Only now that all is delivered: whoever waits for its own departure
        // closes the connection next.
        for (speaker, count) in through {
            speaker.done(count);
        }
    }

    fn act(&mut self, events: Vec<Event<Said, Turn<W>>>, through: &mut Through<W>) {
        let mut run: Option<Run<W>> = None;
        for event in events {
            let (said, turn) = match event {
                Event::Stored(said, turn) => (Some(said), turn),
                Event::Refused(_, turn) | Event::Passed(turn) => (None, turn),
            };
            match (turn, said) {
                (Turn::Says(by), Some(Said { message, to })) => {
                    if run.as_ref().is_some_and(|run| !Arc::ptr_eq(&run.by, &by) || run.to != to) {
                        self.say(run.take(), through);
                    }
                    let run = run.get_or_insert_with(|| Run { by, to, messages: Vec::new() });
                    run.messages.push(message);
                }
                // Its place is behind what was said before.
                (turn, _) => {
                    self.say(run.take(), through);
                    if let Some(speaker) = self.pass(turn) {
                        through.push((speaker, 1));
                    }
                }
            }
        }
        self.say(run, through);
    }

    fn say(&mut self, run: Option<Run<W>>, through: &mut Through<W>) {
        let Some(Run { by, to, messages }) = run else { return };
        through.push((by.clone(), messages.len()));
        // After the farewell there is nothing more to say.
        let (key, None) = (name_key(&by.name), self.farewell) else { return };
        let Some(&seat) = self.seats.get(&*key) else { return };
        let Floor { delivery, rooms, subscriptions, seats, .. } = self;
        match &to {
            To::Room(room) => {
                let others = rooms.members(room).filter(|&other| other != seat);
                delivery.send(&lines(&messages, "", ": "), others);
                // Those in the room have it already.
                let elsewhere = subscriptions.of(&key).filter(|&other| rooms.of(other) != Some(room));
                let before = format!("[#{}] ", rooms.name(room).as_deref().unwrap_or(room));
                delivery.send(&lines(&messages, &before, ": "), elsewhere);
                if **room == *LOBBY {
                    messages.into_iter().for_each(|message| self.history.remember(message));
                }
            }
            To::Subscribers => delivery.send(&lines(&messages, "[pub] ", ": "), subscriptions.of(&key)),
            To::Person(whom, private) => match seats.get(whom) {
                Some(&whom) => delivery.send(&lines(&messages, private.before, private.between), [whom]),
                // It has left since the message came in.
                None => delivery.send(&format!("[SERVER] error: {whom} is not online\n"), [seat]),
            },
            To::Everybody => {
                delivery.send(&lines(&messages, "[SERVER] announcement by ", ": "), delivery.all());
            }
        }
    }

    /// What needs no database. Who was waiting for it.
    fn pass(&mut self, turn: Turn<W>) -> Option<Arc<Speaker<W>>> {
        match turn {
            Turn::Arrives(speaker, publishers) => {
                self.arrives(&speaker, &publishers);
                Some(speaker)
            }
            Turn::Says(speaker) => {
                self.answer(&speaker, &format!("{NOT_STORED}\n"));
                Some(speaker)
            }
            Turn::Moves(speaker, room) => {
                self.moves(&speaker, &room);
                Some(speaker)
            }
            Turn::Subscribes(speaker, publisher, begins) => {
                self.subscribes(&speaker, &publisher, begins);
                Some(speaker)
            }
            Turn::Asks(speaker, question) => {
                self.asks(&speaker, question);
                Some(speaker)
            }
            Turn::Leaves(speaker) => {
                self.leaves(&speaker);
                Some(speaker)
            }
            Turn::Lists => {
                for (list, to) in self.rooms.lists_due() {
                    self.delivery.send(&list, to);
                }
                None
            }
            Turn::Farewell(line, delivered) => {
                self.farewell = Some(line);
                self.delivery.send(&format!("{line}\n"), self.delivery.all());
                self.delivery.deliver();
                // Nobody may be waiting any more.
                let _ = delivered.try_send(());
                None
            }
        }
    }

    /// The greeting first, then the lobby: from here on it hears everything, and
    /// everything before is in the history.
    fn arrives(&mut self, speaker: &Arc<Speaker<W>>, publishers: &[Arc<str>]) {
        let seat = self.delivery.seat(speaker);
        self.seats.insert(name_key(&speaker.name).into(), seat);
        for publisher in publishers {
            self.subscriptions.subscribe(seat, publisher);
        }
        self.rooms.enter(LOBBY, &speaker.name, seat);
        if let Some(farewell) = self.farewell {
            return self.delivery.send(&format!("{farewell}\n"), [seat]);
        }
        // Straight away and not through the buffer, where a crowd's histories
        // would gather. Nothing for this one can be in there yet.
        let _ = speaker
            .outbox
            .send_lines(&(self.history.lines(speaker.outbox.bound()) + &self.rooms.users(LOBBY)));
        self.announce(seat, LOBBY, &speaker.name, "joined");
    }

    fn moves(&mut self, speaker: &Speaker<W>, room: &Arc<str>) {
        let Some(seat) = self.seat(speaker) else { return };
        if let Some(left) = self.rooms.leave(&speaker.name, seat) {
            self.announce(seat, &left, &speaker.name, "left");
        }
        let key = self.rooms.enter(room, &speaker.name, seat);
        let (name, count) = (self.rooms.name(&key), self.rooms.count(&key));
        let name = name.as_deref().unwrap_or(room);
        let answer = format!("[SERVER] you are in {name} ({count} online)\n{}", self.rooms.users(&key));
        self.delivery.send(&answer, [seat]);
        self.announce(seat, &key, &speaker.name, "joined");
    }

    fn leaves(&mut self, speaker: &Speaker<W>) {
        let Some(seat) = self.seats.remove(&*name_key(&speaker.name)) else { return };
        self.subscriptions.leave(seat);
        let left = self.rooms.leave(&speaker.name, seat);
        self.delivery.vacate(seat);
        if let (Some(room), None) = (left, self.farewell) {
            self.announce(seat, &room, &speaker.name, "left");
        }
    }

    /// Tells a room that somebody has come or gone, whom it need not be told.
    fn announce(&mut self, seat: Seat, room: &str, who: &str, what: &str) {
        let online = self.rooms.count(room);
        let others = self.rooms.members(room).filter(|&other| other != seat);
        self.delivery.send(&format!("[SERVER] {who} {what} ({online} online)\n"), others);
        self.lists.are_due();
    }

    fn subscribes(&mut self, speaker: &Speaker<W>, publisher: &Arc<str>, begins: bool) {
        let Some(seat) = self.seat(speaker) else { return };
        let now = if begins {
            self.subscriptions.subscribe(seat, publisher);
            "subscribed"
        } else {
            self.subscriptions.unsubscribe(seat, publisher);
            "no longer subscribed"
        };
        self.answer(speaker, &format!("[SERVER] you are {now} to {publisher}\n"));
    }

    fn asks(&mut self, speaker: &Speaker<W>, question: Question) {
        let Some(seat) = self.seat(speaker) else { return };
        let answer = match question {
            Question::Rooms => self.rooms.listing(),
            Question::Users => self.rooms.of(seat).map(|room| self.rooms.users(room)).unwrap_or_default(),
            Question::Subscriptions => self.subscriptions.listing(seat),
        };
        self.delivery.send(&answer, [seat]);
    }

    fn answer(&mut self, speaker: &Speaker<W>, lines: &str) {
        let seat = self.seat(speaker);
        self.delivery.send(lines, seat);
    }

    fn seat(&self, speaker: &Speaker<W>) -> Option<Seat> {
        self.seats.get(&*name_key(&speaker.name)).copied()
    }
}
