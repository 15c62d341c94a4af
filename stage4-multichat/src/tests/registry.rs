//! The room, with members whose wires the test decides about.

use super::fake::{
    FakeWire, Hand, Step,
    Step::{Panics, Slow, Waits},
    terms,
};
use crate::outbox::{Outbox, Terms};
use crate::registry::{Full, Present, Registry};
use common::log::{Level, Log, LogGuard};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

struct Room {
    registry: Arc<Registry<FakeWire>>,
    terms: Arc<Terms<FakeWire>>,
    hand: Arc<Hand>,
    _log: LogGuard,
}

impl Room {
    fn new(most: usize) -> Room {
        let (log, guard) = Log::start(Level::Error, None).unwrap();
        let (terms, hand) = terms(1 << 20);
        Room { registry: Registry::new(most, terms.form.clone(), &log), terms, hand, _log: guard }
    }

    fn join(&self, name: &str) -> (Present<FakeWire>, FakeWire) {
        self.join_with(name, FakeWire::default())
    }

    fn join_with(&self, name: &str, wire: FakeWire) -> (Present<FakeWire>, FakeWire) {
        let outbox = Outbox::new(wire.clone(), self.terms.clone());
        (self.registry.join(name.to_owned(), outbox).unwrap(), wire)
    }
}

#[test]
fn everybody_hears_the_others_never_itself_and_nothing_from_before() {
    let room = Room::new(9);
    let (alice, at_alice) = room.join("alice");
    room.registry.say(&alice, "[alice] alone\n");
    let (bob, at_bob) = room.join("bob");
    room.registry.say(&alice, "[alice] one\n[alice] two\n");
    room.registry.say(&bob, "[bob] three\n");
    bob.tell("for bob alone");
    drop(alice);
    room.registry.say(&bob, "[bob] four\n");
    assert_eq!(at_alice.lines(), ["[SERVER] bob joined (2 online)", "[bob] three"]);
    let expected = ["[alice] one", "[alice] two", "for bob alone", "[SERVER] alice left (1 online)"];
    assert_eq!(at_bob.lines(), expected);
}

#[test]
fn notices_count_everybody_and_come_in_order() {
    let room = Room::new(9);
    let (_alice, at_alice) = room.join("alice");
    let (bob, _) = room.join("bob");
    let (carol, _) = room.join("carol");
    drop(bob);
    drop(carol);
    let expected = [
        "[SERVER] bob joined (2 online)",
        "[SERVER] carol joined (3 online)",
        "[SERVER] bob left (2 online)",
        "[SERVER] carol left (1 online)",
    ];
    assert_eq!(at_alice.lines(), expected);
}

#[test]
fn a_full_room_lets_nobody_in_until_somebody_leaves() {
    let room = Room::new(1);
    let (alice, at_alice) = room.join("alice");
    let outbox = || Outbox::new(FakeWire::default(), room.terms.clone());
    assert_eq!(room.registry.join("bob".to_owned(), outbox()).map(drop), Err(Full));
    assert_eq!(at_alice.text(), "");
    drop(alice);
    assert!(room.registry.join("bob".to_owned(), outbox()).is_ok());
}

#[test]
fn many_at_once_are_heard_by_all_in_one_order() {
    const EACH: usize = 200;
    let room = Room::new(99);
    let (_listener, at_listener) = room.join("listener");
    let (_other, at_other) = room.join("other");
    let speakers: Vec<_> = (0..5).map(|n| room.join(&n.to_string())).collect();
    thread::scope(|scope| {
        for (speaker, _) in &speakers {
            let room = &room;
            scope.spawn(move || {
                for n in 0..EACH {
                    room.registry.say(speaker, &format!("[{}] {n}\n", speaker.name()));
                }
            });
        }
        // Comings and goings do not disturb it.
        for _ in 0..50 {
            drop(room.join("guest"));
        }
    });
    let heard = at_listener.lines();
    for (speaker, wire) in &speakers {
        let own = format!("[{}] ", speaker.name());
        let said: Vec<_> = heard.iter().filter(|line| line.starts_with(&own)).collect();
        assert_eq!(said.len(), EACH);
        assert!(said.iter().enumerate().all(|(n, line)| **line == format!("{own}{n}")));
        // What it heard is what the listener heard, without its own lines.
        let later = |lines: &[String]| -> Vec<String> {
            let from_all = lines.iter().skip_while(|line| !line.starts_with("[SERVER] guest"));
            from_all.filter(|line| !line.starts_with(&own)).cloned().collect()
        };
        assert_eq!(later(&wire.lines()), later(&heard));
    }
    let joined = |name: &str| format!("[SERVER] {name} joined");
    let from = heard.iter().position(|line| line.starts_with(&joined("other"))).unwrap();
    assert_eq!(at_other.lines(), heard[from + 1..]);
}

#[test]
fn a_panic_in_a_delivery_costs_its_thread_and_silences_nobody() {
    let room = Room::new(9);
    let (carol, at_carol) = room.join("carol");
    let (_bob, at_bob) = room.join("bob");
    let (_dave, at_dave) = room.join("dave");
    let (alice, _) = room.join("alice");
    at_bob.then([Panics]);
    let says = || {
        let alice = alice;
        room.registry.say(&alice, "[alice] boom\n");
    };
    assert!(catch_unwind(AssertUnwindSafe(says)).is_err());
    room.registry.say(&carol, "[carol] still here\n");
    let left = "[SERVER] alice left (3 online)";
    assert_eq!(at_dave.lines()[1..], [left, "[carol] still here"]);
    assert_eq!(at_carol.lines()[3..], ["[alice] boom", left]);
    room.registry.say_farewell("bye", Duration::ZERO);
    assert_eq!(at_dave.lines().last().unwrap(), "bye");
}

#[test]
fn a_full_backlog_holds_back_senders_and_nobody_else() {
    const LINES: usize = 40;
    let room = Room::new(9);
    let (_bob, at_bob) = room.join("bob");
    let (alice, _) = room.join("alice");
    let (carol, _) = room.join("carol");
    let said = AtomicUsize::new(0);
    let before = at_bob.lines().len();
    thread::scope(|scope| {
        let gate = at_bob.gate.lock().unwrap();
        at_bob.then([Waits]);
        scope.spawn(|| room.registry.say(&alice, "[alice] is stuck in the delivery\n"));
        scope.spawn(|| {
            until(|| at_bob.waits());
            for n in 0..LINES {
                room.registry.say(&carol, &format!("{n:065000}\n"));
                said.fetch_add(1, SeqCst);
            }
        });
        // 256 KiB and one more line: then carol waits, and the others do not.
        until(|| said.load(SeqCst) == 5);
        let (dave, _) = room.join("dave");
        dave.tell("welcome");
        drop(dave);
        thread::sleep(Duration::from_millis(20));
        assert_eq!(said.load(SeqCst), 5);
        drop(gate);
    });
    let heard = at_bob.lines();
    let numbers: Vec<usize> = heard[before..].iter().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(numbers, (0..LINES).collect::<Vec<_>>());
}

#[test]
fn whoever_delivers_for_long_is_relieved() {
    let room = Room::new(9);
    let (_bob, at_bob) = room.join("bob");
    let (alice, _) = room.join("alice");
    let done = AtomicBool::new(false);
    let start = Instant::now();
    thread::scope(|scope| {
        // While these go on there is always something more to deliver.
        for name in ["carol", "dave"] {
            let (room, done) = (&room, &done);
            scope.spawn(move || {
                let (speaker, _) = room.join(name);
                while !done.load(SeqCst) && start.elapsed() < LONG {
                    room.registry.say(&speaker, "on and on\n");
                }
            });
        }
        at_bob.then(std::iter::repeat_n(Slow, 100_000));
        for _ in 0..10 {
            room.registry.say(&alice, "a word\n");
        }
        done.store(true, SeqCst);
    });
    assert!(start.elapsed() < LONG);
    assert_eq!(at_bob.lines().iter().filter(|line| *line == "a word").count(), 10);
}

#[test]
fn the_farewell_is_last_and_everybody_waits_for_it() {
    let room = Room::new(9);
    let wires: Vec<_> = thread::scope(|scope| {
        let members: Vec<_> = (0..5).map(|n| room.join(&n.to_string())).collect();
        let wires = members.iter().map(|(_, wire)| wire.clone()).collect();
        for (member, wire) in members {
            let room = &room;
            scope.spawn(move || {
                room.registry.say(&member, "one more word\n");
                room.registry.await_farewell();
                assert_eq!(wire.lines().last().unwrap(), "bye");
                room.registry.say(&member, "too late\n");
            });
        }
        room.registry.say_farewell("bye", LONG);
        wires
    });
    for wire in wires {
        let lines = wire.lines();
        assert_eq!(lines.iter().filter(|line| *line == "one more word").count(), 4);
        assert_eq!(lines.iter().position(|line| line == "bye"), Some(lines.len() - 1));
    }
}

#[test]
fn the_farewell_does_not_wait_for_ever() {
    let room = Room::new(9);
    let (_silent, wire) = room.join("silent");
    room.registry.say_farewell("bye", Duration::from_millis(1));
    assert_eq!(wire.text(), "bye\n");
    // Who comes now hears that alone, and nobody hears of it.
    let (late, at_late) = room.join("late");
    drop(late);
    assert_eq!((at_late.text(), wire.text()), ("bye\n".to_owned(), "bye\n".to_owned()));
}

#[test]
fn who_floods_waits_a_little_for_those_who_lag_and_not_again() {
    let room = Room::new(9);
    let (_bob, at_bob) = room.join("bob");
    let (alice, _) = room.join("alice");
    at_bob.then([Step::Full]);
    room.registry.say(&alice, &format!("{}\n", "x".repeat(600 << 10)));
    let start = Instant::now();
    for _ in 0..100 {
        room.registry.say(&alice, "more\n");
    }
    // Each time, it would be ten seconds.
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(room.hand.resume(), 0);
    assert_eq!(at_bob.lines().iter().filter(|line| *line == "more").count(), 100);
}

fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG);
        thread::yield_now();
    }
}
