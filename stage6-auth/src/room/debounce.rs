//! A debouncer: after the first change it waits a moment, and all that changes
//! meanwhile is sent together.
//!
//! Without it, a thousand users who come in together would cost a thousand lists
//! of users for each of a thousand clients.

use std::time::{Duration, Instant};

/// The contract allows 250 ms; some of that is left for the way.
const DELAY: Duration = Duration::from_millis(200);

/// The room thread's alone: no lock.
#[derive(Default)]
pub struct Debouncer {
    due: Option<Instant>,
}

impl Debouncer {
    /// Something has changed.
    pub fn changed(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + DELAY);
    }

    /// How long until the change is to be sent; `None` when nothing has changed.
    pub fn time_left(&self) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(Instant::now()))
    }

    /// Returns `true`, once, when the change is to be sent now.
    pub fn take_due(&mut self) -> bool {
        self.due.take_if(|due| *due <= Instant::now()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_within_the_delay_are_sent_once() {
        let mut debouncer = Debouncer::default();
        assert_eq!(debouncer.time_left(), None);
        debouncer.changed();
        let due = debouncer.due;
        debouncer.changed();
        assert_eq!(debouncer.due, due, "a later change does not put it off");
        assert!(!debouncer.take_due());
        debouncer.due = Some(Instant::now());
        assert_eq!(debouncer.time_left(), Some(Duration::ZERO));
        assert!(debouncer.take_due());
        assert!(!debouncer.take_due());
    }
}
