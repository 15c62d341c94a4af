//! The room, with members whose transports the test decides about.

use super::fake::{FakeTransport, ManualDrainer, Step::*, config};
use crate::fanout::{ClientId, Member};
use crate::limits::{ClientSlot, ClientSlots};
use crate::outbox::{Outbox, OutboxConfig};
use crate::room::{MemberGuard, Room, RoomEvent, RoomState};
use common::log::{Level, Log, LogGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

fn slot() -> ClientSlot {
    ClientSlots::new(1).try_acquire().unwrap()
}

/// The state without its thread: what is applied is delivered at once.
struct Fixture {
    state: RoomState,
    config: Arc<OutboxConfig>,
    drainer: Arc<ManualDrainer>,
    _log: LogGuard,
}

impl Fixture {
    fn new() -> Fixture {
        let (log, guard) = Log::start(Level::Error, None).unwrap();
        let (config, drainer) = config(1 << 20);
        Fixture { state: RoomState::new(&config, Some(&log)), config, drainer, _log: guard }
    }

    fn batch(&mut self, events: impl IntoIterator<Item = RoomEvent>) {
        events.into_iter().for_each(|event| self.state.apply(event));
        self.state.deliver();
    }

    fn join(&mut self, id: ClientId, name: &str) -> FakeTransport {
        let (event, transport) = self.joining(id, name);
        self.batch([event]);
        transport
    }

    fn joining(&self, id: ClientId, name: &str) -> (RoomEvent, FakeTransport) {
        let transport = FakeTransport::default();
        let outbox = Outbox::new(Arc::new(transport.clone()), self.config.clone());
        (RoomEvent::Join(id, Member::new(name.into(), outbox, slot())), transport)
    }
}

fn says(sender: ClientId, lines: &str) -> RoomEvent {
    RoomEvent::Message { sender, lines: lines.to_owned() }
}

#[test]
fn each_member_hears_the_others_never_itself_and_nothing_from_before() {
    let mut room = Fixture::new();
    let alice = room.join(1, "alice");
    room.batch([says(1, "[alice] alone\n")]);
    let bob = room.join(2, "bob");
    room.batch([says(1, "[alice] one\n[alice] two\n"), says(2, "[bob] three\n")]);
    room.batch([RoomEvent::Leave(1)]);
    room.batch([says(2, "[bob] four\n")]);
    assert_eq!(alice.lines(), ["[SERVER] bob joined (2 online)", "[bob] three"]);
    assert_eq!(bob.lines(), ["[alice] one", "[alice] two", "[SERVER] alice left (1 online)"]);
}

#[test]
fn within_one_batch_each_member_hears_from_its_arrival_to_its_departure() {
    let mut room = Fixture::new();
    let alice = room.join(1, "alice");
    let (joins, bob) = room.joining(2, "bob");
    room.batch([
        says(1, "before\n"),
        joins,
        says(1, "between\n"),
        says(2, "from bob\n"),
        RoomEvent::Leave(2),
        says(1, "after\n"),
    ]);
    assert_eq!(bob.lines(), ["between"]);
    assert_eq!(bob.ended(), 1, "its outbox is closed behind the last line for it");
    let expected = ["[SERVER] bob joined (2 online)", "from bob", "[SERVER] bob left (1 online)"];
    assert_eq!(alice.lines(), expected);
}

#[test]
fn notices_count_all_members_and_come_in_order() {
    let mut room = Fixture::new();
    let alice = room.join(1, "alice");
    room.join(2, "bob");
    room.join(3, "carol");
    room.batch([RoomEvent::Leave(2), RoomEvent::Leave(3), RoomEvent::Leave(3), says(3, "gone\n")]);
    let expected = [
        "[SERVER] bob joined (2 online)",
        "[SERVER] carol joined (3 online)",
        "[SERVER] bob left (2 online)",
        "[SERVER] carol left (1 online)",
    ];
    assert_eq!(alice.lines(), expected);
}

#[test]
fn a_member_that_is_dropped_gives_its_slot_back_before_the_client_sees_the_end() {
    let room = Fixture::new();
    let slots = ClientSlots::new(1);
    let transport = FakeTransport::default();
    let outbox = Outbox::new(Arc::new(transport.clone()), room.config.clone());
    let member = Member::new("alice".into(), outbox, slots.try_acquire().unwrap());
    assert!(slots.try_acquire().is_none());
    drop(member);
    assert!(slots.try_acquire().is_some());
    assert_eq!(transport.ended(), 1);
}

#[test]
fn the_shutdown_line_is_the_last_one_for_all_and_then_comes_the_end() {
    let mut room = Fixture::new();
    let (alice, bob) = (room.join(1, "alice"), room.join(2, "bob"));
    room.batch([says(2, "one more word\n"), RoomEvent::Shutdown("bye".into()), RoomEvent::Leave(1)]);
    assert_eq!(alice.lines(), ["[SERVER] bob joined (2 online)", "one more word", "bye"]);
    assert_eq!(bob.lines(), ["bye"]);
    assert_eq!((alice.ended(), bob.ended()), (1, 1));
}

#[test]
fn a_sender_that_floods_waits_a_little_for_those_that_lag_and_not_again() {
    let mut room = Fixture::new();
    let bob = room.join(1, "bob");
    room.join(2, "alice");
    bob.then([Full]);
    room.batch([says(2, &format!("{}\n", "x".repeat(600 << 10)))]);
    let start = Instant::now();
    for _ in 0..100 {
        room.batch([says(2, "more\n")]);
    }
    // Each time, it would be ten seconds.
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(room.drainer.drain(), 0);
    assert_eq!(bob.lines().iter().filter(|line| *line == "more").count(), 100);
}

/// A room with its thread.
struct Running {
    room: Arc<Room>,
    config: Arc<OutboxConfig>,
    _log: LogGuard,
}

impl Running {
    fn new() -> Running {
        let (log, guard) = Log::start(Level::Error, None).unwrap();
        let (config, _) = config(1 << 20);
        let room = Room::open(RoomState::new(&config, Some(&log))).unwrap();
        Running { room, config, _log: guard }
    }

    fn join(&self, name: &str) -> (MemberGuard, FakeTransport) {
        let transport = FakeTransport::default();
        let outbox = Outbox::new(Arc::new(transport.clone()), self.config.clone());
        (self.room.join(name.to_owned(), &outbox, slot()).unwrap(), transport)
    }

    /// Shuts the room down when all of `members`, and all others, have read everything.
    fn shut_down(&self, members: impl IntoIterator<Item = MemberGuard>) {
        thread::scope(|scope| {
            for member in members {
                scope.spawn(move || member.wait_for_shutdown());
            }
            self.room.shutdown("bye", LONG);
        });
    }
}

#[test]
fn many_at_once_are_heard_by_all_in_one_order() {
    const EACH: usize = 200;
    let running = Running::new();
    let (listener, at_listener) = running.join("listener");
    let (other, at_other) = running.join("other");
    let (senders, transports): (Vec<_>, Vec<_>) = (0..5).map(|n| running.join(&n.to_string())).unzip();
    thread::scope(|scope| {
        for sender in &senders {
            scope.spawn(move || {
                for n in 0..EACH {
                    sender.broadcast(format!("[{}] {n}\n", sender.name())).unwrap();
                }
            });
        }
        // Arrivals and departures do not disturb it.
        for _ in 0..50 {
            drop(running.join("visitor"));
        }
    });
    running.shut_down(senders.into_iter().chain([listener, other]));
    let heard = at_listener.lines();
    for (n, transport) in transports.iter().enumerate() {
        let own = format!("[{n}] ");
        let said: Vec<_> = heard.iter().filter(|line| line.starts_with(&own)).collect();
        assert_eq!(said.len(), EACH);
        assert!(said.iter().enumerate().all(|(n, line)| **line == format!("{own}{n}")));
        // What it heard is what the listener heard, without its own lines.
        let later = |lines: &[String]| -> Vec<String> {
            let from_all = lines.iter().skip_while(|line| !line.starts_with("[SERVER] visitor"));
            from_all.filter(|line| !line.starts_with(&own)).cloned().collect()
        };
        assert_eq!(later(&transport.lines()), later(&heard));
    }
    let from = heard.iter().position(|line| line.starts_with("[SERVER] other joined")).unwrap();
    assert_eq!(at_other.lines(), heard[from + 1..]);
    assert_eq!(heard.last().unwrap(), "bye");
}

#[test]
fn the_last_line_comes_behind_what_a_member_is_still_saying_and_no_departure_is_told() {
    let running = Running::new();
    let ((alice, at_alice), (bob, at_bob)) = (running.join("alice"), running.join("bob"));
    thread::scope(|scope| {
        scope.spawn(|| alice.wait_for_shutdown());
        scope.spawn(|| {
            // Time in which a shutdown that does not wait for bob would send its line.
            thread::sleep(Duration::from_millis(20));
            bob.broadcast("one more word\n".to_owned()).unwrap();
            bob.wait_for_shutdown();
        });
        running.room.shutdown("bye", LONG);
    });
    assert_eq!(at_alice.lines(), ["[SERVER] bob joined (2 online)", "one more word", "bye"]);
    assert_eq!(at_bob.lines(), ["bye"]);
    let outbox = Outbox::new(Arc::new(FakeTransport::default()), running.config.clone());
    assert!(running.room.join("late".to_owned(), &outbox, slot()).is_err());
}

#[test]
fn the_shutdown_does_not_wait_for_a_silent_member_for_ever() {
    let running = Running::new();
    let (_silent, transport) = running.join("silent");
    running.room.shutdown("bye", Duration::from_millis(1));
    until(|| transport.ended() == 1);
    assert_eq!(transport.text(), "bye\n");
}

#[test]
fn a_busy_room_thread_holds_back_those_that_flood() {
    const LINES: usize = 40;
    let running = Running::new();
    let (bob, at_bob) = running.join("bob");
    let (carol, _) = running.join("carol");
    until(|| !at_bob.lines().is_empty());
    let said = AtomicUsize::new(0);
    thread::scope(|scope| {
        let block = at_bob.block.lock().unwrap();
        at_bob.then([Waits]);
        carol.broadcast("the room thread is busy with this\n".to_owned()).unwrap();
        until(|| at_bob.waits());
        scope.spawn(|| {
            for n in 0..LINES {
                carol.broadcast(format!("{n:065000}\n")).unwrap();
                said.fetch_add(1, SeqCst);
            }
        });
        // Four such lines fit into 256 KiB. Then carol waits.
        until(|| said.load(SeqCst) == 4);
        thread::sleep(Duration::from_millis(20));
        assert_eq!(said.load(SeqCst), 4);
        drop(block);
    });
    running.shut_down([carol, bob]);
    let numbers: Vec<usize> = at_bob.lines().iter().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(numbers, (0..LINES).collect::<Vec<_>>());
}

#[test]
fn when_the_room_thread_panics_every_client_is_closed_and_the_next_one_is_refused() {
    let running = Running::new();
    let (_alice, at_alice) = running.join("alice");
    let (bob, at_bob) = running.join("bob");
    until(|| !at_alice.lines().is_empty());
    at_alice.then([Panics]);
    bob.broadcast("[bob] boom\n".to_owned()).unwrap();
    until(|| at_bob.ended() == 1);
    until(|| bob.broadcast("[bob] hello?\n".to_owned()).is_err());
    let outbox = Outbox::new(Arc::new(FakeTransport::default()), running.config.clone());
    assert!(running.room.join("carol".to_owned(), &outbox, slot()).is_err());
}

fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG);
        thread::yield_now();
    }
}
