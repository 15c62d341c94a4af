//! What the committer thread does when several servers are one chat: it appends to
//! the shared log what this server's clients do, and hands on to the room thread
//! what all servers have appended, in the order of the log.

use super::Status;
use super::local_clients::{LocalClients, is_taken_over};
use super::log::{AppendError, PAGE, SharedLog, entry};
use super::unconfirmed::Unconfirmed;
use crate::addressed_message::{AddressedMessage, Change, Recipient};
use crate::room_state::RoomEvent;
use common::log::Log;
use stage4_multichat::queue::BoundedQueue;
use stage6_auth::committer::{Event, Submission};
use stage6_auth::pipeline::{Batch, ROOM_PANICKED};
use stage6_auth::store::{MessageId, MessageRow, StoreError, now};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

/// Entries in one statement at most.
const MOST: usize = 256;

/// How long entries are tried again while connections are lost on the way. A
/// database that hangs is given up a second later.
const LIMIT: Duration = Duration::from_millis(1500);

/// A server that lost a race pauses for a random time up to this, so that no two
/// servers keep step and the same one loses each time.
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// After a failure nothing is tried for so long, and messages are refused at once.
const RETRY_AFTER: Duration = Duration::from_millis(250);

type Pending = Submission<AddressedMessage, RoomEvent>;
type Room = SyncSender<Batch<AddressedMessage, RoomEvent>>;
type Events = Vec<Event<AddressedMessage, RoomEvent>>;

/// See the [module](self).
pub struct LogWriter {
    log: SharedLog,
    status: Arc<Status>,
    /// What to append next, in order, and events that keep their place among it.
    pending: VecDeque<Pending>,
    /// How many of the first pending entries are in doubt: their statement was sent,
    /// and the answer did not come. They may be in the log, so they are not refused
    /// (but see `refuse_taken_over`), and are appended again until they are there. They
    /// keep their numbers, so that they are known when they are read. They cannot come
    /// twice: the place where a lost statement wants them is taken by then.
    in_doubt: usize,
    /// What was read and is not confirmed yet.
    unconfirmed: Unconfirmed,
    /// The number of the last entry, within the run.
    number: i64,
    /// The clients that have come in during this run. Others have lost their place
    /// when the run before was declared dead, and can say nothing.
    clients: LocalClients,
    /// Since when nothing works, and why; nothing is tried before that time.
    failed: Option<(Instant, StoreError)>,
    /// How often entries were appended or tried to be, and how often another server had
    /// taken their place.
    attempts: u64,
    lost_races: u64,
    out: Log,
}

impl LogWriter {
    /// For a log to which one entry, the start of this run, was appended.
    pub fn new(log: SharedLog, status: &Arc<Status>, out: &Log) -> Self {
        LogWriter {
            log,
            status: status.clone(),
            pending: VecDeque::new(),
            in_doubt: 0,
            unconfirmed: Unconfirmed::new(),
            number: 1,
            clients: LocalClients::default(),
            failed: None,
            attempts: 0,
            lost_races: 0,
            out: out.clone(),
        }
    }

    /// The thread's work, until the queue is closed and empty.
    pub fn work(mut self, queue: &BoundedQueue<Pending>, room: &Room) {
        while let Some(batch) = queue.take_all() {
            self.status.woken();
            let mut events = Vec::new();
            batch.into_iter().for_each(|submission| self.take(submission, &mut events));
            let failure = self.advance(&mut events, room);
            self.status.set_tail(self.log.confirmed());
            send_to_room(&mut events, failure, room);
        }
        let (attempts, lost_races) = (self.attempts, self.lost_races);
        self.out.info(format_args!(
            "appended to the log {attempts} times, {lost_races} of them too late for the place"
        ));
        // The users are gone. If this fails, the others find out in some seconds.
        let run = self.status.run();
        let dead = [entry(run, self.number + 1, &"".into(), Change::Dead, run.to_string())];
        while self.log.read().is_ok() && matches!(self.log.append(&dead), Err(AppendError::Taken)) {}
        self.status.set_tail(self.log.confirmed());
    }

    /// Queues what was submitted, if its client may submit it.
    fn take(&mut self, submission: Pending, events: &mut Events) {
        let allowed = match &submission.tag {
            RoomEvent::PollLog => return,
            RoomEvent::Join(session, ..) => {
                self.clients.insert(session);
                true
            }
            RoomEvent::Leave(session) => self.clients.remove(session.id),
            RoomEvent::Message(session) | RoomEvent::Move(session, _) | RoomEvent::Kick(session) => {
                self.clients.may_append(session.id)
            }
            _ => true,
        };
        match allowed {
            true => self.pending.push_back(submission),
            false => events.push(refuse(submission)),
        }
    }

    /// Reads and appends, unless that failed a moment ago. Returns why something
    /// could not be done.
    fn advance(&mut self, events: &mut Events, room: &Room) -> Option<StoreError> {
        let error = match &self.failed {
            Some((until, error)) if Instant::now() < *until => error.clone(),
            _ => match self.read_and_append(events, room) {
                Ok(()) => {
                    if self.failed.take().is_some() {
                        self.out.warn("the database answers again");
                    }
                    return None;
                }
                Err(error) => {
                    if self.failed.is_none() {
                        self.out.error(format_args!("no messages come or go: {error}"));
                    }
                    self.failed = Some((Instant::now() + RETRY_AFTER, error.clone()));
                    error
                }
            },
        };
        self.refuse_pending(events);
        Some(error)
    }

    fn read_and_append(&mut self, events: &mut Events, room: &Room) -> Result<(), StoreError> {
        let started = Instant::now();
        let mut most = MOST;
        self.read(events)?;
        loop {
            let entries = self.next_entries(most);
            if entries.is_empty() {
                if self.unconfirmed.must_be_confirmed(self.status.redis_is_away()) {
                    let confirmation =
                        entry(self.status.run(), 0, &"".into(), Change::Confirm, String::new());
                    self.pending
                        .push_back(Submission { message: Some(confirmation), tag: RoomEvent::PollLog });
                    continue;
                }
                self.pass_first(events);
                return Ok(());
            }
            self.attempts += 1;
            match self.log.append(&entries) {
                Ok(()) => {
                    most = MOST;
                    self.show_confirmed(events);
                    entries.into_iter().for_each(|entry| self.is_stored(entry, events));
                }
                Err(AppendError::Unstorable) if entries.len() > 1 => most = entries.len() / 2,
                Err(AppendError::Unstorable) => {
                    self.in_doubt = 0;
                    self.pass_first(events);
                    events.extend(self.pending.pop_front().map(refuse));
                }
                Err(AppendError::Failed(error)) => return Err(error),
                Err(AppendError::InDoubt(error)) => {
                    self.in_doubt = self.in_doubt.max(entries.len());
                    self.forget_unconfirmed();
                    if started.elapsed() > LIMIT {
                        return Err(error);
                    }
                    self.read(events)?;
                }
                // However often: nothing is refused because others write.
                Err(AppendError::Taken) => {
                    self.lost_races += 1;
                    self.read(events)?;
                    send_to_room(events, None, room);
                    thread::sleep(LONGEST_PAUSE.mul_f64(rand::random()));
                }
            }
        }
    }

    /// The first pending entries, numbered.
    fn next_entries(&mut self, most: usize) -> Vec<AddressedMessage> {
        let waiting = self.pending.iter().filter(|p| p.message.is_some()).count();
        // Powers of two, so that few different statements have to be prepared.
        let count = waiting.min(most).checked_ilog2().map_or(0, |log| 1 << log);
        let run = self.status.run();
        let waiting = self.pending.iter_mut().filter_map(|p| p.message.as_mut());
        waiting
            .take(count)
            .map(|entry| {
                if entry.message.id.number == 0 {
                    self.number += 1;
                    entry.stamp(MessageId { run, number: self.number }, now());
                }
                entry.clone()
            })
            .collect()
    }

    /// Reads what is new, until there is no more.
    fn read(&mut self, events: &mut Events) -> Result<(), StoreError> {
        loop {
            let entries = match self.log.read() {
                Ok(entries) => entries,
                Err(error) => {
                    self.forget_unconfirmed();
                    return Err(error);
                }
            };
            let count = entries.len();
            entries.into_iter().for_each(|(id, entry)| self.has_read(id, entry, events));
            if count < PAGE {
                self.log.confirm(self.status.heard());
                self.show_confirmed(events);
                return Ok(());
            }
        }
    }

    fn has_read(&mut self, id: i64, entry: AddressedMessage, events: &mut Events) {
        let own_death = entry.to == Recipient::Servers(Change::Dead)
            && entry.message.text == self.status.run().to_string();
        if self.in_doubt > 0 && entry.message.id.run == self.status.run() {
            // It is there: only the answer was lost.
            self.in_doubt -= 1;
            let mut first = Vec::new();
            self.move_stored(entry, &mut first);
            first.into_iter().for_each(|event| self.unconfirmed.push(id, event));
            return;
        }
        let pending = &self.pending;
        let waits = |client| {
            pending.iter().any(|p| matches!(&p.tag, RoomEvent::Join(session, ..) if session.id == client))
        };
        self.clients.has_read(id, &entry, waits);
        self.refuse_taken_over(&entry, events);
        self.unconfirmed.push(id, Event::Stored(entry, RoomEvent::Replicated));
        if own_death {
            self.start_again(events);
        }
    }

    /// Hands on what was read and can no longer be lost.
    fn show_confirmed(&mut self, events: &mut Events) {
        let confirmed = self.log.confirmed();
        while let Some(event) = self.unconfirmed.take_confirmed(confirmed) {
            if let Event::Stored(entry, _) = &event {
                self.status.note(entry);
            }
            events.push(event);
        }
    }

    /// A user has come back on another server: what the old connection said comes too late.
    /// What of it was in doubt is not in the log. All places before the login have been read;
    /// and this server wants a place behind it only when it knows of the login, unless the
    /// database was killed since, and then the statement has died with its connection. The
    /// client may have left since.
    fn refuse_taken_over(&mut self, login: &AddressedMessage, events: &mut Events) {
        if login.to != Recipient::Servers(Change::Join) {
            return;
        }
        self.refuse_unless(events, |_, submission, _| match &submission.tag {
            RoomEvent::Message(session) => !is_taken_over(session, login),
            _ => true,
        });
    }

    /// The connection is lost: what was not confirmed is read again, and what of it is
    /// this server's own is in doubt again.
    fn forget_unconfirmed(&mut self) {
        self.clients.forget_behind(self.log.confirmed());
        for event in self.unconfirmed.forget() {
            let (message, tag) = event.into_stored();
            self.in_doubt += usize::from(message.is_some());
            self.pending.push_front(Submission { message, tag });
        }
    }

    /// The first pending entry is in the log.
    fn is_stored(&mut self, entry: AddressedMessage, events: &mut Events) {
        self.in_doubt = 0;
        self.status.note(&entry);
        self.move_stored(entry, events);
    }

    fn move_stored(&mut self, entry: AddressedMessage, events: &mut Events) {
        self.pass_first(events);
        if let Some(Submission { tag, .. }) = self.pending.pop_front() {
            events.push(Event::Stored(entry, tag));
        }
    }

    /// Hands on the events before the first pending entry.
    fn pass_first(&mut self, events: &mut Events) {
        while self.pending.front().is_some_and(|first| first.message.is_none()) {
            events.extend(self.pending.pop_front().map(refuse));
        }
    }

    /// The database is away. What is not in doubt is refused, or waits: users who move
    /// or go do that all the same, and the others will hear of it.
    fn refuse_pending(&mut self, events: &mut Events) {
        self.refuse_unless(events, |writer, submission, is_in_doubt| match &submission.tag {
            _ if is_in_doubt => true,
            RoomEvent::Join(session, ..) => {
                writer.clients.remove(session.id);
                false
            }
            RoomEvent::Message(_) | RoomEvent::PollLog => false,
            _ => submission.message.is_some(),
        });
    }

    /// Refuses what is pending, but not what `waits` returns `true` for. It is told what is
    /// in doubt.
    fn refuse_unless(&mut self, events: &mut Events, waits: impl Fn(&mut Self, &Pending, bool) -> bool) {
        let mut in_doubt = std::mem::take(&mut self.in_doubt);
        for submission in std::mem::take(&mut self.pending) {
            let is_in_doubt = in_doubt > 0;
            let entries = usize::from(is_in_doubt && submission.message.is_some());
            in_doubt -= entries;
            if waits(self, &submission, is_in_doubt) {
                self.in_doubt += entries;
                self.pending.push_back(submission);
            } else {
                events.push(refuse(submission));
            }
        }
    }

    /// The others have declared this server dead: it was paused, or cut off from the
    /// database. Its users are out. It goes on as a new one.
    fn start_again(&mut self, events: &mut Events) {
        self.out.error(
            "this server was away for so long that the others declared it dead; its users are disconnected",
        );
        self.clients.clear();
        self.in_doubt = 0;
        events.extend(self.pending.drain(..).map(refuse));
        let before = self.status.run();
        let run = self.status.new_run();
        self.number = 0;
        // Once more that it is dead: the entry that was read may yet be lost.
        for (change, text) in [(Change::Dead, before.to_string()), (Change::Start, String::new())] {
            let entry = entry(run, 0, &"".into(), change, text);
            self.pending.push_back(Submission { message: Some(entry), tag: RoomEvent::Replicated });
        }
    }
}

fn send_to_room(events: &mut Events, failure: Option<StoreError>, room: &Room) {
    if !events.is_empty() {
        room.send((std::mem::take(events), failure)).expect(ROOM_PANICKED);
    }
}

/// The event for something that is not to be stored.
fn refuse(submission: Pending) -> Event<AddressedMessage, RoomEvent> {
    match submission {
        Submission { message: Some(message), tag: tag @ (RoomEvent::Message(_) | RoomEvent::Join(..)) } => {
            Event::Refused(message, tag)
        }
        Submission { tag, .. } => Event::Transient(tag),
    }
}
