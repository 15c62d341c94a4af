//! The delivery: from "these lines for those people" to one write for each of them.
//!
//! In one room everybody hears nearly everything, and stage 4's backlog makes the
//! most of that. Here each has a part of its own: its room, publications, private
//! words. So each seat has a list of which parts of the batch are for it. All
//! parts lie in one buffer, put into their form once, however many receive them;
//! neighbours are joined, so that the list of somebody who hears all of a busy room
//! is still a single piece. And as each list is in the order in which things
//! happened, nobody hears anything in another order, whatever way it came.

use common::log::Log;
use slab::Slab;
use stage4_multichat::audience::Round;
use stage4_multichat::wire::{Form, Piece, Wire};
use stage6_auth::speaker::Speaker;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that gather before they are delivered. More at once would be too much
/// for the outbox even of somebody who does read.
const AT_ONCE: usize = 256 << 10;

/// Somebody who is in, as long as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seat(usize);

struct Seated<W: Wire> {
    speaker: Arc<Speaker<W>>,
    /// Which parts of the buffer are for it.
    parts: Vec<Range<u32>>,
}

/// See the [module](self).
pub(crate) struct Delivery<W: Wire> {
    form: Arc<dyn Form>,
    log: Log,
    seats: Slab<Seated<W>>,
    buffer: Vec<u8>,
    /// Those for whom there is something in it.
    receivers: Vec<Seat>,
}

impl<W: Wire> Delivery<W> {
    pub fn new(form: &Arc<dyn Form>, log: &Log) -> Self {
        let (form, log) = (form.clone(), log.clone());
        Delivery { form, log, seats: Slab::new(), buffer: Vec::new(), receivers: Vec::new() }
    }

    /// A seat for somebody who has come.
    pub fn seat(&mut self, speaker: &Arc<Speaker<W>>) -> Seat {
        Seat(self.seats.insert(Seated { speaker: speaker.clone(), parts: Vec::new() }))
    }

    /// Takes the seat away, when what was said before is delivered.
    pub fn vacate(&mut self, seat: Seat) {
        if !self.seats[seat.0].parts.is_empty() {
            self.deliver();
        }
        self.seats.remove(seat.0);
    }

    /// Everybody.
    pub fn all(&self) -> Vec<Seat> {
        self.seats.iter().map(|(seat, _)| Seat(seat)).collect()
    }

    /// `lines`, each with its line end, are for all of `to`, among whom nobody
    /// may be twice.
    pub fn send(&mut self, lines: &str, to: impl IntoIterator<Item = Seat>) {
        let mut to = to.into_iter().peekable();
        if to.peek().is_none() {
            return;
        }
        let start = self.buffer.len() as u32;
        self.form.put(lines, &mut self.buffer);
        let end = self.buffer.len() as u32;
        for seat in to {
            let parts = &mut self.seats[seat.0].parts;
            match parts.last_mut() {
                Some(last) if last.end == start => last.end = end,
                Some(_) => parts.push(start..end),
                None => {
                    parts.push(start..end);
                    self.receivers.push(seat);
                }
            }
        }
        if self.buffer.len() > AT_ONCE {
            self.deliver();
        }
    }

    /// Everybody gets what is for it. This waits a little for those who lag.
    pub fn deliver(&mut self) {
        if self.receivers.is_empty() {
            return;
        }
        // The next one will be about as large as this one is.
        let next = Vec::with_capacity(self.buffer.len());
        let buffer = Arc::new(std::mem::replace(&mut self.buffer, next));
        let mut round = Round::new(&self.log);
        let mut pieces = Vec::new();
        for seat in &self.receivers {
            let Seated { speaker, parts } = &self.seats[seat.0];
            pieces.extend(parts.iter().map(|p| Piece::new(&buffer, p.start as usize, p.end as usize)));
            round.send(&speaker.name, &speaker.outbox, &pieces);
            pieces.clear();
        }
        round.end();
        for seat in self.receivers.drain(..) {
            self.seats[seat.0].parts.clear();
        }
    }
}
