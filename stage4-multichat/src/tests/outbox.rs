//! The outbox in front of a wire that takes what the test says.

use super::fake::{FakeWire, Step, Step::*, line, terms};
use crate::outbox::{Outbox, Sent};
use crate::wire::Piece;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn pieces(lines: &[&str]) -> Vec<Piece> {
    lines.iter().map(|text| line(text)).collect()
}

#[test]
fn what_the_socket_takes_at_once_is_written_at_once() {
    let (terms, hand) = terms(100);
    let wire = FakeWire::default();
    let outbox = Outbox::new(wire.clone(), terms);
    assert_eq!(outbox.send(&pieces(&["one", "two"])), Sent::Taken);
    assert_eq!(wire.text(), "one\ntwo\n");
    assert!(outbox.wait_until_written(Duration::ZERO));
    assert_eq!(hand.resume(), 0);
}

#[test]
fn the_rest_is_the_helpers_and_comes_before_what_is_sent_later() {
    let (terms, hand) = terms(100);
    let wire = FakeWire::new([Takes(6), Full]);
    let outbox = Outbox::new(wire.clone(), terms);
    assert_eq!(outbox.send(&pieces(&["one", "two"])), Sent::Taken);
    assert_eq!(outbox.send_line("three"), Sent::Taken);
    assert_eq!(wire.text(), "one\ntw");
    assert!(!outbox.wait_until_written(Duration::ZERO));
    assert_eq!(hand.resume(), 0);
    assert_eq!(wire.text(), "one\ntwo\nthree\n");
    assert!(outbox.wait_until_written(Duration::ZERO));
}

#[test]
fn one_byte_above_the_bound_cuts_off_and_is_reported_once() {
    let (terms, hand) = terms(10);
    let wire = FakeWire::new([Full]);
    let outbox = Outbox::new(wire.clone(), terms);
    assert_eq!(outbox.send_line("12345678"), Sent::Crowded);
    assert!(!wire.is_cut());
    // 9 wait: one more fits, which would be an empty line.
    assert_eq!(outbox.send_line(""), Sent::Crowded);
    assert_eq!(outbox.send_line(""), Sent::CutOff);
    assert!(wire.is_cut());
    assert_eq!(outbox.send_line(""), Sent::Taken, "it is known already");
    assert_eq!(hand.resume(), 0);
    assert_eq!(wire.text(), "");
    assert!(!outbox.wait_until_written(Duration::from_secs(60)), "waits in vain");
}

#[test]
fn what_the_socket_takes_does_not_count_however_much_it_is() {
    let (terms, _) = terms(10);
    let wire = FakeWire::default();
    let outbox = Outbox::new(wire.clone(), terms.clone());
    assert_eq!(outbox.send_line(&"x".repeat(5000)), Sent::Taken);
    assert_eq!(wire.text().len(), 5001);
    let outbox = Outbox::new(FakeWire::new([Takes(4990), Full]), terms);
    assert_eq!(outbox.send_line(&"x".repeat(5000)), Sent::CutOff);
}

#[test]
fn a_connection_that_is_gone_takes_nothing_more() {
    let (terms, hand) = terms(100);
    let wire = FakeWire::new([Takes(3), Full, Broken]);
    let outbox = Outbox::new(wire.clone(), terms);
    outbox.send_line("hello");
    assert_eq!(hand.resume(), 0);
    assert!(wire.is_cut());
    outbox.send_line("hello again");
    outbox.end();
    assert_eq!((wire.text().as_str(), wire.ended()), ("hel", 0));
}

#[test]
fn a_cut_ends_the_waiting_at_once() {
    let (terms, _hand) = terms(100);
    let outbox = Outbox::new(FakeWire::new([Full]), terms);
    outbox.send_line("never");
    let waiting = std::thread::spawn({
        let outbox = outbox.clone();
        move || outbox.wait_until_written(Duration::from_secs(60))
    });
    let start = Instant::now();
    outbox.cut();
    assert!(!waiting.join().unwrap());
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn the_end_comes_after_all_that_waits() {
    let (terms, hand) = terms(100);
    let wire = FakeWire::new([Takes(1), Full, Takes(1), Full]);
    let outbox = Outbox::new(wire.clone(), terms);
    outbox.send_line("last words");
    outbox.end();
    outbox.send_line("too late");
    assert_eq!((hand.resume(), wire.ended()), (1, 0));
    assert_eq!((hand.resume(), wire.ended()), (0, 1));
    assert_eq!(wire.text(), "last words\n");
    outbox.end();
    assert_eq!(wire.ended(), 1);
}

#[test]
fn what_the_wire_holds_inside_is_handed_on_before_all_counts_as_written() {
    let (terms, hand) = terms(100);
    let wire = FakeWire::new([Holds(100)]);
    let outbox = Outbox::new(wire.clone(), terms);
    assert_eq!(outbox.send_line("in a record"), Sent::Taken);
    assert!(!outbox.wait_until_written(Duration::ZERO));
    outbox.end();
    assert_eq!((hand.resume(), wire.ended()), (0, 1));
    assert!(outbox.wait_until_written(Duration::ZERO));
}

#[test]
fn who_does_not_read_is_waited_for_once_until_it_has_read_everything() {
    let (terms, hand) = terms(100);
    let wire = FakeWire::new([Full]);
    let outbox = Outbox::new(wire.clone(), terms);
    let half = "x".repeat(60);
    assert_eq!(outbox.send_line(&half), Sent::Crowded);
    outbox.wait_for_room(Instant::now());
    assert_eq!(outbox.send_line("more"), Sent::Taken, "not again");
    hand.resume();
    wire.then([Full]);
    assert_eq!(outbox.send_line(&half), Sent::Crowded, "it has read");
}

#[test]
fn who_waits_for_room_is_woken_when_there_is_some() {
    let (terms, hand) = terms(100);
    let outbox = Outbox::new(FakeWire::new([Full, Takes(50), Full]), terms);
    outbox.send_line(&"x".repeat(60));
    let waiting = std::thread::spawn({
        let outbox = outbox.clone();
        move || outbox.wait_for_room(Instant::now() + Duration::from_secs(60))
    });
    let start = Instant::now();
    assert_eq!(hand.resume(), 1, "11 bytes are left");
    waiting.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(outbox.send_line(&"x".repeat(60)), Sent::Crowded, "it is not stuck");
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..40usize).prop_map(Takes),
        3 => Just(Full),
        2 => (1..40usize).prop_map(Holds),
    ]
}

/// What a test does next.
#[derive(Clone, Debug)]
enum Deed {
    Send(Vec<u8>),
    Resume,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => prop::collection::vec(0..30u8, 1..50).prop_map(Deed::Send),
        1 => Just(Deed::Resume),
    ]
}

proptest! {
    /// However the wire cuts it up, and whoever writes: every byte, once, in
    /// order, and then the end.
    #[test]
    fn bytes_arrive_whole_and_in_order(
        steps in prop::collection::vec(step(), 0..60),
        deeds in prop::collection::vec(deed(), 1..30),
    ) {
        let (terms, hand) = terms(1 << 20);
        let wire = FakeWire::new(steps);
        let outbox = Outbox::new(wire.clone(), terms);
        let mut sent = String::new();
        for deed in deeds {
            match deed {
                Deed::Resume => drop(hand.resume()),
                // Often more pieces than go into one call.
                Deed::Send(lengths) => {
                    let lines: Vec<_> =
                        lengths.iter().map(|&n| format!("{}{}", sent.len(), "x".repeat(n.into()))).collect();
                    let pieces: Vec<_> = lines.iter().map(|text| line(text)).collect();
                    lines.iter().for_each(|line| sent.extend([line, "\n"]));
                    prop_assert_eq!(outbox.send(&pieces), Sent::Taken);
                    prop_assert!(sent.starts_with(&wire.text()));
                }
            }
        }
        outbox.end();
        while hand.resume() > 0 {
            prop_assert_eq!(wire.ended(), 0);
        }
        prop_assert_eq!(wire.text(), sent);
        prop_assert_eq!(wire.ended(), 1);
        prop_assert!(outbox.wait_until_written(Duration::ZERO));
        prop_assert_eq!(Arc::strong_count(&outbox), 1);
    }

    /// No more than the bound waits, ever: above it, the client is cut off.
    #[test]
    fn no_more_than_the_bound_waits(
        steps in prop::collection::vec(step(), 0..60),
        deeds in prop::collection::vec(deed(), 1..30),
    ) {
        const BOUND: usize = 500;
        let (terms, hand) = terms(BOUND);
        let wire = FakeWire::new(steps);
        let outbox = Outbox::new(wire.clone(), terms);
        let mut sent = 0;
        for deed in deeds {
            match deed {
                Deed::Resume => drop(hand.resume()),
                Deed::Send(lengths) => {
                    let line = "x".repeat(lengths.len());
                    sent += line.len() + 1;
                    let judged = outbox.send_line(&line);
                    let waiting = sent - wire.text().len();
                    prop_assert_eq!(judged == Sent::CutOff, waiting > BOUND);
                    prop_assert_eq!(wire.is_cut(), waiting > BOUND);
                    prop_assert_eq!(judged == Sent::Taken, waiting <= BOUND / 2);
                    if judged == Sent::CutOff {
                        return Ok(());
                    }
                }
            }
        }
    }
}
