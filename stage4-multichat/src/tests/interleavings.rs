//! The outbox under thousands of schedules: `outbox.rs` itself, compiled once
//! more with shuttle's model of its locks in place of the real ones, so that a
//! random scheduler decides at each of them which thread goes on.
//!
//! A failure prints a schedule, and `shuttle::replay` plays it again.

use self::outbox::{Drainer, Outbox, OutboxConfig};
use super::fake::line;
use crate::line_codec::Plaintext;
use crate::transport::Transport;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

mod sync {
    pub use shuttle::sync::{Condvar, Mutex, MutexGuard};
}

#[path = "../outbox.rs"]
#[allow(unused, clippy::duplicate_mod)]
mod outbox;

const SCHEDULES: usize = 2000;

/// Takes a few bytes or nothing, and holds some of them inside, by chance.
#[derive(Default)]
struct RandomTransport {
    in_use: AtomicBool,
    holds: AtomicBool,
    bytes: std::sync::Mutex<Vec<u8>>,
    ended: AtomicU32,
}

impl RandomTransport {
    /// Here the scheduler may let others run, to find two at the transport.
    fn alone(&self) {
        assert!(!self.in_use.swap(true, Ordering::SeqCst), "two threads at the transport");
        thread::yield_now();
        self.in_use.store(false, Ordering::SeqCst);
    }
}

impl Transport for RandomTransport {
    fn read(&self, _: &mut [u8], _: Option<std::time::Instant>) -> io::Result<usize> {
        unreachable!("these tests only write")
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.alone();
        assert_eq!(self.ended.load(Ordering::SeqCst), 0, "a write after the end");
        if self.holds.load(Ordering::SeqCst) || thread_rng().gen_bool(0.4) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.holds.store(thread_rng().gen_bool(0.2), Ordering::SeqCst);
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let taken = thread_rng().gen_range(1..=all.len());
        self.bytes.lock().unwrap().extend(&all[..taken]);
        Ok(taken)
    }

    fn flush(&self) -> io::Result<()> {
        self.alone();
        if self.holds.load(Ordering::SeqCst) && thread_rng().gen_bool(0.5) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.holds.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn shutdown_write(&self) {
        self.alone();
        assert!(!self.holds.load(Ordering::SeqCst), "the end before what is held inside");
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    fn abort(&self) {}

    fn shutdown_read(&self) {}

    fn as_fd(&self) -> BorrowedFd<'_> {
        unreachable!("this drainer tries instead of waiting")
    }
}

/// A thread that tries all outboxes whose sockets are full in turn, until it is told to stop.
#[derive(Default)]
struct Trying {
    full: sync::Mutex<(VecDeque<Arc<Outbox>>, bool)>,
    more: sync::Condvar,
}

impl Drainer for Trying {
    fn register(&self, full: Arc<Outbox>) {
        self.full.lock().unwrap().0.push_back(full);
        self.more.notify_one();
    }
}

impl Trying {
    fn run(&self) {
        loop {
            let full = self.full.lock().unwrap();
            let mut full = self.more.wait_while(full, |(list, stop)| list.is_empty() && !*stop).unwrap();
            let Some(outbox) = full.0.pop_front() else { return };
            drop(full);
            if outbox.write_until_full() {
                self.register(outbox);
            }
        }
    }

    fn stop(&self) {
        self.full.lock().unwrap().1 = true;
        self.more.notify_one();
    }
}

/// Three threads send three lines each; `then` is what the main thread does
/// meanwhile. What was written at the end, how often the end was, and whether the
/// outbox says that this was all.
fn three_send(limit: usize, then: impl Fn(&Arc<Outbox>, Vec<thread::JoinHandle<()>>)) -> (String, u32, bool) {
    let transport = Arc::new(RandomTransport::default());
    let trying = Arc::new(Trying::default());
    let outbox = Outbox::new(
        transport.clone(),
        Arc::new(OutboxConfig { limit, drainer: trying.clone(), codec: Arc::new(Plaintext) }),
    );
    let drainer = thread::spawn({
        let trying = trying.clone();
        move || trying.run()
    });
    let senders = (0..3).map(|sender| {
        let outbox = outbox.clone();
        thread::spawn(move || {
            for n in 0..3 {
                outbox.send(&[line(&format!("{sender}.{n}"))]);
            }
        })
    });
    then(&outbox, senders.collect());
    // The model's time-out never comes: if nobody wakes us, it says deadlock.
    outbox.close();
    let is_all = outbox.wait_closed();
    assert!(!outbox.is_overrun());
    trying.stop();
    drainer.join().unwrap();
    let bytes = transport.bytes.lock().unwrap().clone();
    (String::from_utf8(bytes).unwrap(), transport.ended.load(Ordering::SeqCst), is_all)
}

fn said_by(sender: usize, text: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with(&sender.to_string())).map(str::to_owned).collect()
}

#[test]
fn nothing_is_lost_nothing_twice_and_the_end_is_last() {
    let all_sent = || {
        let (text, ended, is_all) = three_send(1000, |outbox, senders| {
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            outbox.close();
        });
        for sender in 0..3 {
            assert_eq!(said_by(sender, &text), (0..3).map(|n| format!("{sender}.{n}")).collect::<Vec<_>>());
        }
        assert_eq!((text.lines().count(), ended, is_all), (9, 1, true));
    };
    shuttle::check_random(all_sent, SCHEDULES);
    shuttle::check_pct(all_sent, SCHEDULES, 3);
}

#[test]
fn an_end_amid_the_senders_cuts_no_line_in_two() {
    let end_meanwhile = || {
        let (text, ended, is_all) = three_send(1000, |outbox, senders| {
            outbox.close();
            senders.into_iter().for_each(|sender| sender.join().unwrap());
        });
        let mut count = 0;
        for sender in 0..3 {
            let said = said_by(sender, &text);
            assert_eq!(said, (0..said.len()).map(|n| format!("{sender}.{n}")).collect::<Vec<_>>());
            count += said.len();
        }
        assert_eq!((text.lines().count(), ended, is_all), (count, 1, true));
        assert!(text.is_empty() || text.ends_with('\n'));
    };
    shuttle::check_random(end_meanwhile, SCHEDULES);
}

#[test]
fn whoever_waits_for_room_is_woken() {
    let wait_drained = || {
        // Five lines are more than half of this bound, and nine are within it.
        let (.., is_all) = three_send(36, |outbox, senders| {
            outbox.wait_drained(std::time::Instant::now() + Duration::from_secs(60));
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            outbox.wait_drained(std::time::Instant::now() + Duration::from_secs(60));
        });
        assert!(is_all);
    };
    shuttle::check_random(wait_drained, SCHEDULES);
}

/// The transport itself finds out if two threads are in it then.
#[test]
fn a_disconnect_amid_the_senders_ends_it_for_all() {
    let disconnect_meanwhile = || {
        let (.., is_all) = three_send(1000, |outbox, senders| {
            outbox.disconnect();
            senders.into_iter().for_each(|sender| sender.join().unwrap());
        });
        assert!(!is_all);
    };
    shuttle::check_random(disconnect_meanwhile, SCHEDULES);
}

#[path = "../queue.rs"]
#[allow(unused, clippy::duplicate_mod)]
mod queue;

#[test]
fn what_is_pushed_is_taken_once_in_order_and_no_thread_waits_for_ever() {
    let pushes = || {
        let queue = Arc::new(queue::BoundedQueue::new(queue::QueueLimits { count: 2, bytes: 10 }));
        let senders: Vec<_> = (0..3)
            .map(|sender| {
                let queue = queue.clone();
                thread::spawn(move || (0..3).for_each(|n| queue.push((sender, n), 4).unwrap()))
            })
            .collect();
        let taker = thread::spawn({
            let queue = queue.clone();
            move || std::iter::from_fn(|| queue.take_all()).flatten().collect::<Vec<_>>()
        });
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        queue.close(None);
        let taken = taker.join().unwrap();
        for sender in 0..3 {
            let from: Vec<_> = taken.iter().filter(|(by, _)| *by == sender).map(|(_, n)| *n).collect();
            assert_eq!(from, [0, 1, 2]);
        }
        assert_eq!(queue.push((9, 9), 0), Err(queue::QueueClosed));
    };
    shuttle::check_random(pushes, SCHEDULES);
}
