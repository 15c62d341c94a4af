//! What a network may do to connections, done to those through a tap.

use common::poison::IgnorePoison;
use rustix::event::Timespec;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// The link that one or more connections go over. Its owner disturbs them all.
#[derive(Default)]
pub struct Link {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    frozen: bool,
    answers_blocked: bool,
    delay: Duration,
    /// Bytes a second; 0 for any number.
    rate: u32,
    splits: bool,
    down: bool,
    resets: u64,
    half_closes: u64,
    losses: u64,
}

impl Link {
    /// How often a tap looks whether its link has been disturbed.
    pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(20);
    pub(super) const POLL_TIMEOUT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    const PIECES_A_SECOND: usize = 50;

    /// From now on nothing is carried, and no connection notices: they stay open.
    pub fn freeze(&self) {
        self.change(|state| state.frozen = true);
    }

    /// What the server sends is blocked from now on; what the client sends is still carried.
    /// It lasts until the link is [restored](Self::restore) or [loses](Self::lose) its connections.
    pub fn block_answers(&self) {
        self.change(|state| state.answers_blocked = true);
    }

    /// Each piece of data comes so much later from now on, both ways.
    pub fn slow_down(&self, delay: Duration) {
        self.change(|state| state.delay = delay);
    }

    /// Each connection carries so many bytes a second from now on, both ways together;
    /// 0 for any number.
    pub fn limit_rate(&self, bytes_per_second: u32) {
        self.change(|state| state.rate = bytes_per_second);
    }

    /// Data comes byte by byte from now on, both ways.
    pub fn split(&self) {
        self.change(|state| state.splits = true);
    }

    /// The server's side is told that the client sends nothing more (a FIN), on all connections
    /// that there are. What the server sends is still carried. New connections are not
    /// concerned.
    pub fn half_close(&self) {
        self.change(|state| state.half_closes += 1);
    }

    /// All connections that there are carry nothing any more, and no side is told: they are
    /// half-open, as behind a router that has forgotten them. New connections are not
    /// concerned.
    pub fn lose(&self) {
        self.change(|state| {
            state.answers_blocked = false;
            state.losses += 1;
        });
    }

    /// Resets all connections, and each new one, until the link is [restored](Self::restore).
    pub fn cut(&self) {
        self.change(|state| {
            state.down = true;
            state.resets += 1;
        });
    }

    /// Everything is carried again. What was blocked meanwhile comes now.
    pub fn restore(&self) {
        self.change(|state| {
            let State { resets, half_closes, losses, .. } = *state;
            *state = State { resets, half_closes, losses, ..State::default() };
        });
    }

    /// Returns `true` if new connections are reset.
    pub fn is_down(&self) -> bool {
        self.state().down
    }

    /// How often it was cut so far.
    pub(super) fn resets(&self) -> u64 {
        self.state().resets
    }

    /// How often its connections were half-closed so far.
    pub(super) fn half_closes(&self) -> u64 {
        self.state().half_closes
    }

    /// How often its connections were lost so far.
    pub(super) fn losses(&self) -> u64 {
        self.state().losses
    }

    /// How many bytes may be carried at once, `most` at most. With a limited rate these are
    /// as many as the link carries between two looks at its state.
    pub(super) fn piece(&self, most: usize) -> usize {
        match self.state() {
            State { splits: true, .. } => 1,
            State { rate: 0, .. } => most,
            State { rate, .. } => most.min((rate as usize / Self::PIECES_A_SECOND).max(1)),
        }
    }

    /// Returns `true` if nothing may be carried now.
    pub(super) fn is_closed(&self) -> bool {
        let state = self.state();
        state.frozen || state.down
    }

    /// Returns `true` if nothing may be carried from the server now.
    pub(super) fn blocks_answers(&self) -> bool {
        self.state().answers_blocked
    }

    /// Waits as long as this many bytes are on their way.
    pub(super) fn delay(&self, bytes: usize) {
        let State { delay, rate, .. } = self.state();
        let transfer = if rate == 0 { 0.0 } else { bytes as f64 / f64::from(rate) };
        let pause = delay + Duration::from_secs_f64(transfer);
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }

    fn state(&self) -> State {
        *self.state.lock().ignore_poison()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().ignore_poison());
    }
}
