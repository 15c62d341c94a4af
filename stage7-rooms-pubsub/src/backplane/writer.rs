//! What the committer thread does when several servers are one chat: it appends to
//! the shared log what this server's clients do, and hands on to the room thread
//! what all servers have appended, in the order of the log.

mod refuse;

use super::local_clients::LocalClients;
use super::log::{AppendError, PAGE, SharedLog};
use super::pending::Pending;
use super::unconfirmed::Unconfirmed;
use super::{Change, ChatQueue, ChatSubmission, Status};
use crate::addressed_message::{Address, AddressedMessage};
use crate::room_event::RoomEvent;
use common::log::Log;
use stage6_auth::committer::CircuitBreaker;
use stage6_auth::pipeline::{Batch, RoomSender, Submission};
use stage6_auth::store::{MessageId, MessageRow, StoreError, now};
use std::mem;
use std::sync::Arc;
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

/// How much may wait for a database that is away. Then nothing is taken from the queue,
/// and the reader threads wait.
const MOST_PENDING: usize = 4096;

/// How soon the database is tried again then.
const FULL_PAUSE: Duration = Duration::from_millis(250);

type Room = RoomSender<AddressedMessage, RoomEvent>;

/// See the [module](self).
pub struct LogWriter {
    log: SharedLog,
    status: Arc<Status>,
    /// What to append next.
    pending: Pending,
    /// What was read and is not confirmed yet.
    unconfirmed: Unconfirmed,
    /// The number of the last entry, within the run.
    number: i64,
    /// The clients that have come in during this run. Others have lost their place
    /// when the run before was declared dead, and can say nothing.
    clients: LocalClients,
    /// What the room thread gets next, and how many messages of it the database has
    /// refused.
    ready: Vec<ChatSubmission>,
    refused: usize,
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
            pending: Pending::default(),
            unconfirmed: Unconfirmed::default(),
            number: 1,
            clients: LocalClients::default(),
            ready: Vec::new(),
            refused: 0,
            attempts: 0,
            lost_races: 0,
            out: out.clone(),
        }
    }

    /// The thread's work, until the queue is closed and empty.
    pub fn run(mut self, queue: &ChatQueue, room: &Room) {
        let mut breaker = CircuitBreaker::default();
        while let Some(submissions) = self.next_submissions(queue) {
            submissions.into_iter().for_each(|submission| self.take(submission));
            let failure = breaker.attempt(|| self.read_and_append(room)).err();
            if failure.is_some() {
                self.refuse_pending();
            }
            self.status.set_tail(self.log.confirmed());
            self.send_to_room(failure, room);
        }
        self.out.info(format_args!(
            "appended to the log {} times, {} of them too late for the place",
            self.attempts, self.lost_races
        ));
        // The users are gone. If this fails, the others find out in some seconds.
        let mut dead = Change::Dead(self.status.run()).entry("");
        dead.stamp(MessageId { run: self.status.run(), number: self.number + 1 }, now());
        while self.log.read().is_ok() && matches!(self.log.append(&[&dead]), Err(AppendError::Taken)) {}
        self.status.set_tail(self.log.confirmed());
    }

    fn next_submissions(&self, queue: &ChatQueue) -> Option<Vec<ChatSubmission>> {
        if self.pending.len() < MOST_PENDING || queue.is_closed() {
            return queue.take_all();
        }
        thread::sleep(FULL_PAUSE);
        Some(Vec::new())
    }

    fn read_and_append(&mut self, room: &Room) -> Result<(), StoreError> {
        let started = Instant::now();
        let mut most = MOST;
        self.read()?;
        loop {
            // Powers of two, so that few different statements have to be prepared.
            let count = self.pending.entries().min(most).checked_ilog2().map_or(0, |log| 1 << log);
            if count == 0 {
                if self.unconfirmed.must_be_confirmed(self.status.redis_is_away()) {
                    let message = Some(Change::Confirm.entry(""));
                    self.pending.push(Submission { message, event: RoomEvent::Replicated });
                    continue;
                }
                self.ready.extend(self.pending.take_events());
                return Ok(());
            }
            match self.append(count) {
                Ok(()) => most = MOST,
                Err(AppendError::Unstorable) if count > 1 => most = count / 2,
                // A message: what servers write for each other can always be stored.
                Err(AppendError::Unstorable) => {
                    self.refused += 1;
                    self.pending.take_first(1).into_iter().for_each(|submission| self.refuse(submission));
                }
                Err(AppendError::Failed(error)) => return Err(error),
                Err(AppendError::InDoubt(error)) if started.elapsed() > LIMIT => return Err(error),
                Err(AppendError::InDoubt(_)) => self.read()?,
                // However often: nothing is refused because others write.
                Err(AppendError::Taken) => {
                    self.read()?;
                    self.send_to_room(None, room);
                    thread::sleep(LONGEST_PAUSE.mul_f64(rand::random()));
                }
            }
        }
    }

    /// Tries once to append the first `count` pending entries.
    fn append(&mut self, count: usize) -> Result<(), AppendError> {
        self.attempts += 1;
        let entries = self.pending.first_entries(count, self.status.run(), &mut self.number);
        let appended = self.log.append(&entries);
        match appended {
            Ok(()) => {
                self.release_confirmed();
                self.pending.clear_doubt();
                self.pending.take_first(count).into_iter().for_each(|submission| self.release(submission));
            }
            Err(AppendError::InDoubt(_)) => {
                self.pending.set_in_doubt(count);
                self.forget_unconfirmed();
            }
            Err(AppendError::Taken) => self.lost_races += 1,
            Err(AppendError::Unstorable | AppendError::Failed(_)) => {}
        }
        appended
    }

    /// Reads what is new, until there is no more.
    fn read(&mut self) -> Result<(), StoreError> {
        loop {
            let entries = self.log.read().inspect_err(|_| self.forget_unconfirmed())?;
            let count = entries.len();
            entries.into_iter().for_each(|(id, entry)| self.on_read(id, entry));
            if count < PAGE {
                self.log.confirm(self.status.announced());
                self.release_confirmed();
                return Ok(());
            }
        }
    }

    fn on_read(&mut self, id: i64, entry: AddressedMessage) {
        if self.pending.is_first(entry.message.id) {
            // It is there: only the answer was lost.
            for submission in self.pending.take_first(1) {
                self.unconfirmed.push(id, submission);
            }
            return;
        }
        let own_death = entry.to == Address::Servers(Change::Dead(self.status.run()));
        self.clients.on_read(id, &entry, |client| self.pending.is_joining(client));
        self.refuse_taken_over(&entry);
        self.unconfirmed.push(id, Submission { message: Some(entry), event: RoomEvent::Replicated });
        if own_death {
            self.start_again();
        }
    }

    /// Hands on what was read and can no longer be lost.
    fn release_confirmed(&mut self) {
        while let Some(submission) = self.unconfirmed.take_confirmed(self.log.confirmed()) {
            self.release(submission);
        }
    }

    fn release(&mut self, submission: ChatSubmission) {
        if let Some(entry) = &submission.message {
            self.status.note(entry);
        }
        self.ready.push(submission);
    }

    /// The connection is lost: what was not confirmed is read again, and what of it is
    /// this server's own is in doubt again.
    fn forget_unconfirmed(&mut self) {
        self.clients.forget_after(self.log.confirmed());
        for submission in self.unconfirmed.forget(self.status.run()) {
            self.pending.put_back(submission);
        }
    }

    fn send_to_room(&mut self, failure: Option<StoreError>, room: &Room) {
        if !self.ready.is_empty() || failure.is_some() {
            let (submissions, refused) = (mem::take(&mut self.ready), mem::take(&mut self.refused));
            let batch = Batch { submissions, refused, failure };
            room.send(batch).expect("this thread ends with the room thread, if that panics");
        }
    }
}
