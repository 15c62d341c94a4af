//! The outbox in front of a transport that takes what the test says.

use super::fake::{FakeTransport, Step, Step::*, config, line};
use crate::outbox::Outbox;
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn pieces(lines: &[&str]) -> Vec<Bytes> {
    lines.iter().map(|text| line(text)).collect()
}

#[test]
fn what_the_socket_takes_at_once_is_written_at_once() {
    let (config, drainer) = config(100);
    let transport = FakeTransport::default();
    let outbox = Outbox::new(Arc::new(transport.clone()), config);
    outbox.send(&pieces(&["one", "two"]));
    assert!(!outbox.is_near_limit());
    assert_eq!(transport.text(), "one\ntwo\n");
    assert!(outbox.is_idle());
    assert_eq!(drainer.drain(), 0);
}

#[test]
fn the_rest_is_the_drainers_and_comes_before_what_is_sent_later() {
    let (config, drainer) = config(100);
    let transport = FakeTransport::new([Takes(6), Full]);
    let outbox = Outbox::new(Arc::new(transport.clone()), config);
    outbox.send(&pieces(&["one", "two"]));
    assert!(!outbox.is_near_limit());
    outbox.send_line("three");
    assert!(!outbox.is_near_limit());
    assert_eq!(transport.text(), "one\ntw");
    assert!(!outbox.is_idle());
    assert_eq!(drainer.drain(), 0);
    assert_eq!(transport.text(), "one\ntwo\nthree\n");
    assert!(outbox.is_idle());
}

#[test]
fn one_byte_above_the_bound_cuts_off_and_is_reported_once() {
    let (config, drainer) = config(10);
    let transport = FakeTransport::new([Full]);
    let outbox = Outbox::new(Arc::new(transport.clone()), config);
    outbox.send_line("12345678");
    assert!(outbox.is_near_limit());
    assert!(!transport.is_aborted());
    // 9 wait: one more fits, which would be an empty line.
    outbox.send_line("");
    assert!(outbox.is_near_limit());
    outbox.send_line("");
    assert!(outbox.is_overrun());
    assert!(transport.is_aborted());
    outbox.send_line("");
    assert!(!outbox.is_near_limit(), "it is known already");
    assert_eq!(drainer.drain(), 0);
    assert_eq!(transport.text(), "");
    assert!(!outbox.wait_closed(), "waits in vain");
}

#[test]
fn what_the_socket_takes_does_not_count_however_much_it_is() {
    let (config, _) = config(10);
    let transport = FakeTransport::default();
    let outbox = Outbox::new(Arc::new(transport.clone()), config.clone());
    outbox.send_line(&"x".repeat(5000));
    assert!(!outbox.is_near_limit());
    assert_eq!(transport.text().len(), 5001);
    let outbox = Outbox::new(Arc::new(FakeTransport::new([Takes(4990), Full])), config);
    outbox.send_line(&"x".repeat(5000));
    assert!(outbox.is_overrun());
}

#[test]
fn a_connection_that_is_gone_takes_nothing_more() {
    let (config, drainer) = config(100);
    let transport = FakeTransport::new([Takes(3), Full, Broken]);
    let outbox = Outbox::new(Arc::new(transport.clone()), config);
    outbox.send_line("hello");
    assert_eq!(drainer.drain(), 0);
    assert!(transport.is_aborted());
    outbox.send_line("hello again");
    outbox.close();
    assert_eq!((transport.text().as_str(), transport.ended()), ("hel", 0));
}

#[test]
fn a_cut_ends_the_waiting_at_once() {
    let (config, _drainer) = config(100);
    let outbox = Outbox::new(Arc::new(FakeTransport::new([Full])), config);
    outbox.send_line("never");
    let waiting = std::thread::spawn({
        let outbox = outbox.clone();
        move || outbox.wait_closed()
    });
    let start = Instant::now();
    outbox.disconnect();
    assert!(!waiting.join().unwrap());
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn the_end_comes_after_all_that_waits() {
    let (config, drainer) = config(100);
    let transport = FakeTransport::new([Takes(1), Full, Takes(1), Full]);
    let outbox = Outbox::new(Arc::new(transport.clone()), config);
    outbox.send_line("last words");
    outbox.close();
    outbox.send_line("too late");
    assert_eq!((drainer.drain(), transport.ended()), (1, 0));
    assert_eq!((drainer.drain(), transport.ended()), (0, 1));
    assert_eq!(transport.text(), "last words\n");
    outbox.close();
    assert_eq!(transport.ended(), 1);
}

#[test]
fn what_the_transport_holds_inside_is_handed_on_before_all_counts_as_written() {
    let (config, drainer) = config(100);
    let transport = FakeTransport::new([Holds(100)]);
    let outbox = Outbox::new(Arc::new(transport.clone()), config);
    outbox.send_line("in a record");
    assert!(!outbox.is_near_limit());
    assert!(!outbox.is_idle());
    outbox.close();
    assert_eq!((drainer.drain(), transport.ended()), (0, 1));
    assert!(outbox.is_idle());
}

#[test]
fn who_does_not_read_is_waited_for_once_until_it_has_read_everything() {
    let (config, drainer) = config(100);
    let transport = FakeTransport::new([Full]);
    let outbox = Outbox::new(Arc::new(transport.clone()), config);
    let half = "x".repeat(60);
    outbox.send_line(&half);
    assert!(outbox.is_near_limit());
    outbox.wait_drained(Instant::now());
    outbox.send_line("more");
    assert!(!outbox.is_near_limit(), "not again");
    drainer.drain();
    transport.then([Full]);
    outbox.send_line(&half);
    assert!(outbox.is_near_limit(), "it has read");
}

#[test]
fn who_waits_for_room_is_woken_when_there_is_some() {
    let (config, drainer) = config(100);
    let outbox = Outbox::new(Arc::new(FakeTransport::new([Full, Takes(50), Full])), config);
    outbox.send_line(&"x".repeat(60));
    let waiting = std::thread::spawn({
        let outbox = outbox.clone();
        move || outbox.wait_drained(Instant::now() + Duration::from_secs(60))
    });
    let start = Instant::now();
    assert_eq!(drainer.drain(), 1, "11 bytes are left");
    waiting.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(30));
    outbox.send_line(&"x".repeat(60));
    assert!(outbox.is_near_limit(), "it is not stuck");
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
    Drain,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => prop::collection::vec(0..30u8, 1..50).prop_map(Deed::Send),
        1 => Just(Deed::Drain),
    ]
}

proptest! {
    /// However the transport cuts it up, and whoever writes: every byte, once, in
    /// order, and then the end.
    #[test]
    fn bytes_arrive_whole_and_in_order(
        steps in prop::collection::vec(step(), 0..60),
        deeds in prop::collection::vec(deed(), 1..30),
    ) {
        let (config, drainer) = config(1 << 20);
        let transport = FakeTransport::new(steps);
        let outbox = Outbox::new(Arc::new(transport.clone()), config);
        let mut sent = String::new();
        for deed in deeds {
            match deed {
                Deed::Drain => drop(drainer.drain()),
                // Often more pieces than go into one call.
                Deed::Send(lengths) => {
                    let lines: Vec<_> =
                        lengths.iter().map(|&n| format!("{}{}", sent.len(), "x".repeat(n.into()))).collect();
                    let pieces: Vec<_> = lines.iter().map(|text| line(text)).collect();
                    lines.iter().for_each(|line| sent.extend([line, "\n"]));
                    outbox.send(&pieces);
                    prop_assert!(!outbox.is_overrun());
                    prop_assert!(sent.starts_with(&transport.text()));
                }
            }
        }
        outbox.close();
        while drainer.drain() > 0 {
            prop_assert_eq!(transport.ended(), 0);
        }
        prop_assert_eq!(transport.text(), sent);
        prop_assert_eq!(transport.ended(), 1);
        prop_assert!(outbox.is_idle());
        prop_assert_eq!(Arc::strong_count(&outbox), 1);
    }

    /// No more than the bound waits, ever: above it, the client is cut off.
    #[test]
    fn no_more_than_the_bound_waits(
        steps in prop::collection::vec(step(), 0..60),
        deeds in prop::collection::vec(deed(), 1..30),
    ) {
        const LIMIT: usize = 500;
        let (config, drainer) = config(LIMIT);
        let transport = FakeTransport::new(steps);
        let outbox = Outbox::new(Arc::new(transport.clone()), config);
        let mut sent = 0;
        for deed in deeds {
            match deed {
                Deed::Drain => drop(drainer.drain()),
                Deed::Send(lengths) => {
                    let line = "x".repeat(lengths.len());
                    sent += line.len() + 1;
                    outbox.send_line(&line);
                    let waiting = sent - transport.text().len();
                    prop_assert_eq!(outbox.is_overrun(), waiting > LIMIT);
                    prop_assert_eq!(transport.is_aborted(), waiting > LIMIT);
                    if outbox.is_overrun() {
                        return Ok(());
                    }
                    prop_assert_eq!(outbox.is_near_limit(), waiting > LIMIT / 2);
                }
            }
        }
    }
}
