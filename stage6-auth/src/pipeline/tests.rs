//! With a store that the test holds by the reins.

use super::*;
use crate::store::{Message, Value};
use std::sync::mpsc::{Sender, channel};
use std::thread;

const LONG: Duration = Duration::from_secs(20);

fn message(text: &str) -> Option<Message> {
    Some(Message::new("alice".into(), text.to_owned()))
}

fn down() -> StoreError {
    StoreError::Unusable("test".into())
}

/// What one batch was, as text: `+` stored with its number, `-` the rest.
fn summary<E: std::fmt::Display>(batch: &Batch<Message, E>) -> Vec<String> {
    let one = |submission: &Submission<Message, E>| match &submission.message {
        Some(m) => format!("+{}:{}:{}", m.text, m.id.number, submission.event),
        None => format!("-{}", submission.event),
    };
    batch.submissions.iter().map(one).collect()
}

/// A room thread that gives each batch to the test.
struct ToTest<E>(Sender<Batch<Message, E>>);

impl<E: Send + 'static> RoomLogic<Message, E> for ToTest<E> {
    fn apply_batch(&mut self, batch: Batch<Message, E>) -> bool {
        let _ = self.0.send(batch);
        false
    }

    fn send_lists(&mut self) {
        unreachable!("no list has changed");
    }
}

type Batches<E> = Receiver<Batch<Message, E>>;
type Stored = Result<Vec<usize>, StoreError>;

fn start<E: Send + 'static>(
    limits: QueueLimits,
    mut append: impl FnMut(&[&dyn MessageRow]) -> Stored + Send + 'static,
) -> (Arc<Pipeline<Message, E>>, Batches<E>) {
    let (room, batches) = channel();
    let commit = move |queue: &Queue<_, _>, room: &RoomSender<_, _>| {
        // The empty one is the last.
        commit_all(queue, |rows| if rows.is_empty() { Ok(Vec::new()) } else { append(rows) }, room);
    };
    let pipeline = Pipeline::start_with(&Arc::new(Queue::new(limits)), commit, ToTest(room)).unwrap();
    (Arc::new(pipeline), batches)
}

/// A pipeline whose store waits for an answer from the test each time.
struct Reins {
    pipeline: Arc<Pipeline<Message, u32>>,
    appends: Receiver<usize>,
    answers: Sender<Stored>,
    batches: Receiver<Batch<Message, u32>>,
}

impl Reins {
    fn next_batch(&self) -> Vec<String> {
        summary(&self.batches.recv_timeout(LONG).unwrap())
    }

    /// All batches of a pipeline that takes nothing more.
    fn all(self) -> Vec<Vec<String>> {
        drop(self.pipeline);
        self.batches.iter().map(|batch| summary(&batch)).collect()
    }
}

fn reins(limits: QueueLimits) -> Reins {
    let (asked, appends) = channel();
    let (answers, answer) = channel::<Stored>();
    let append = move |rows: &[&dyn MessageRow]| {
        asked.send(rows.len()).unwrap();
        answer.recv().unwrap()
    };
    let (pipeline, batches) = start(limits, append);
    Reins { pipeline, appends, answers, batches }
}

fn stored() -> Stored {
    Ok(Vec::new())
}

#[test]
fn nothing_is_handed_on_before_it_is_committed() {
    let r = reins(QUEUE);
    r.pipeline.submit(message("a"), 1).unwrap();
    assert_eq!(r.appends.recv_timeout(LONG), Ok(1));
    assert!(r.batches.try_recv().is_err());
    r.answers.send(stored()).unwrap();
    assert_eq!(r.next_batch(), ["+a:1:1"]);
}

#[test]
fn what_came_during_a_commit_shares_the_next_in_order() {
    let r = reins(QUEUE);
    r.pipeline.submit(message("a"), 1).unwrap();
    assert_eq!(r.appends.recv_timeout(LONG), Ok(1));
    r.pipeline.submit(message("b"), 2).unwrap();
    r.pipeline.submit(None, 3).unwrap();
    r.pipeline.submit(message("c"), 2).unwrap();
    r.answers.send(stored()).unwrap();
    assert_eq!(r.next_batch(), ["+a:1:1"]);
    assert_eq!(r.appends.recv_timeout(LONG), Ok(2));
    r.answers.send(stored()).unwrap();
    assert_eq!(r.next_batch(), ["+b:2:2", "-3", "+c:3:2"]);
}

#[test]
fn a_failed_batch_is_refused_and_the_rest_passes() {
    let r = reins(QUEUE);
    r.pipeline.submit(message("a"), 1).unwrap();
    assert_eq!(r.appends.recv_timeout(LONG), Ok(1));
    r.answers.send(Err(down())).unwrap();
    let batch = r.batches.recv_timeout(LONG).unwrap();
    assert_eq!(summary(&batch), ["-1"]);
    assert_eq!((batch.refused, batch.failure.is_some()), (1, true));
    r.pipeline.submit(None, 2).unwrap();
    let batch = r.batches.recv_timeout(LONG).unwrap();
    assert_eq!(summary(&batch), ["-2"]);
    assert_eq!((batch.refused, batch.failure.is_some()), (0, false));
}

#[test]
fn while_the_database_is_down_messages_are_refused_without_asking_it_each_time() {
    let (asked, attempts) = channel();
    let append = move |_: &[&dyn MessageRow]| asked.send(()).map_err(|_| down()).and(Err(down()));
    let (pipeline, batches) = start(QUEUE, append);
    let started = Instant::now();
    for _ in 1..=200 {
        pipeline.submit(message("a"), 0).unwrap();
        let batch = batches.recv_timeout(LONG).unwrap();
        assert_eq!(summary(&batch), ["-0"]);
        assert!(matches!(batch.failure, Some(StoreError::Unusable(_))));
    }
    // The shortest pause of the circuit breaker.
    let most = started.elapsed().as_millis() / 100 + 1;
    let attempts = attempts.try_iter().count() as u128;
    assert!((1..=most).contains(&attempts), "{attempts} attempts, at most {most} expected");
}

#[test]
fn a_message_that_the_database_cannot_take_is_refused_alone() {
    let (go, wait) = channel();
    let append = move |rows: &[&dyn MessageRow]| {
        wait.recv().unwrap();
        let is_bad = |row: &dyn MessageRow| row.params(0).last() == Some(&Value::Text("bad".to_owned()));
        Ok((0..rows.len()).filter(|&n| is_bad(rows[n])).collect())
    };
    let (pipeline, batches) = start(QUEUE, append);
    // One of them is an event without a message: it does not count among the rows.
    for (event, text) in (0..).zip([Some("first"), Some("a"), None, Some("bad"), Some("b")]) {
        pipeline.submit(text.and_then(message), event).unwrap();
    }
    (0..5).for_each(|_| go.send(()).unwrap());
    drop(pipeline);
    let all: Vec<_> = batches.iter().collect();
    assert!(all.iter().all(|batch| batch.failure.is_none()));
    assert_eq!(all.iter().map(|batch| batch.refused).sum::<usize>(), 1);
    let all: Vec<String> = all.iter().flat_map(summary).collect();
    assert_eq!(all, ["+first:1:0", "+a:2:1", "-2", "-3", "+b:4:4"]);
}

#[test]
fn it_goes_on_when_the_database_is_back() {
    let r = reins(QUEUE);
    r.pipeline.submit(message("a"), 1).unwrap();
    r.appends.recv_timeout(LONG).unwrap();
    r.answers.send(Err(down())).unwrap();
    assert_eq!(r.next_batch(), ["-1"]);
    r.answers.send(stored()).unwrap();
    let end = Instant::now() + LONG;
    loop {
        assert!(Instant::now() < end, "never tried again");
        r.pipeline.submit(message("b"), 1).unwrap();
        if r.next_batch()[0].starts_with("+b") {
            break;
        }
    }
}

#[test]
fn a_full_queue_makes_the_sender_wait() {
    let r = reins(QueueLimits { count: 2, bytes: 1 << 20 });
    r.pipeline.submit(message("a"), 0).unwrap();
    assert_eq!(r.appends.recv_timeout(LONG), Ok(1));
    r.pipeline.submit(message("b"), 0).unwrap();
    r.pipeline.submit(message("c"), 0).unwrap();
    let (sent, was_sent) = channel();
    let pipeline = r.pipeline.clone();
    let sender = thread::spawn(move || {
        pipeline.submit(message("d"), 0).unwrap();
        sent.send(()).unwrap();
    });
    assert!(was_sent.recv_timeout(Duration::from_millis(50)).is_err(), "the bound does not hold");
    r.answers.send(stored()).unwrap();
    was_sent.recv_timeout(LONG).unwrap();
    sender.join().unwrap();
    for _ in 0..2 {
        r.answers.send(stored()).unwrap();
    }
    assert_eq!(r.all().concat(), ["+a:1:0", "+b:2:0", "+c:3:0", "+d:4:0"]);
}

#[test]
fn bytes_bound_the_queue_too_and_a_large_message_fits_alone() {
    let r = reins(QueueLimits { count: 100, bytes: 10 });
    r.pipeline.submit(message("larger than ten bytes"), 0).unwrap();
    assert_eq!(r.appends.recv_timeout(LONG), Ok(1));
    r.pipeline.submit(message("12345678"), 0).unwrap();
    let pipeline = r.pipeline.clone();
    let sender = thread::spawn(move || pipeline.submit(message("123"), 0));
    for _ in 0..3 {
        r.answers.send(stored()).unwrap();
    }
    sender.join().unwrap().unwrap();
    let sizes: Vec<usize> = r.all().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 1, 1]);
}

#[test]
fn closing_commits_what_was_accepted_and_the_last_event_comes_last() {
    let r = reins(QUEUE);
    for n in 0..10 {
        r.pipeline.submit(message("x"), n).unwrap();
    }
    thread::scope(|scope| {
        let pipeline = &r.pipeline;
        let shutdown = scope.spawn(move || pipeline.shutdown(99, LONG));
        while !pipeline.queue.is_closed() {
            thread::yield_now();
        }
        for _ in 0..10 {
            let _ = r.answers.send(stored());
        }
        assert!(shutdown.join().unwrap());
    });
    assert_eq!(r.pipeline.submit(message("late"), 0), Err(QueueClosed));
    assert_eq!(r.pipeline.submit(None, 0), Err(QueueClosed));
    let all = r.all().concat();
    assert_eq!((all.len(), all.last().map(String::as_str)), (11, Some("-99")));
}

#[test]
fn the_last_event_comes_behind_what_readers_still_submit() {
    let r = reins(QUEUE);
    let reading = r.pipeline.readers.add();
    thread::scope(|scope| {
        let pipeline = &r.pipeline;
        scope.spawn(move || {
            // Time in which a shutdown that does not wait for this thread would close the queue.
            thread::sleep(Duration::from_millis(20));
            pipeline.submit(None, 1).unwrap();
            drop(reading);
        });
        assert!(pipeline.shutdown(99, LONG));
    });
    assert_eq!(r.all().concat(), ["-1", "-99"]);
}

/// A server that ends is not kept alive by a database that hangs.
#[test]
fn the_end_does_not_wait_for_a_store_that_hangs() {
    let r = reins(QUEUE);
    r.pipeline.submit(message("a"), 1).unwrap();
    assert_eq!(r.appends.recv_timeout(LONG), Ok(1));
    assert!(!r.pipeline.shutdown(2, Duration::from_millis(20)));
    let (dropped, is_dropped) = channel();
    let pipeline = r.pipeline;
    thread::spawn(move || {
        drop(pipeline);
        dropped.send(()).unwrap();
    });
    assert_eq!(is_dropped.recv_timeout(LONG), Ok(()), "it waits for the store");
    r.answers.send(stored()).unwrap();
}

#[test]
fn no_sender_waits_for_a_dead_committer() {
    let (pipeline, _batches) =
        start(QueueLimits { count: 1, bytes: 1 }, |_: &[&dyn MessageRow]| panic!("as arranged by the test"));
    let end = Instant::now() + LONG;
    while pipeline.submit(message("x"), 0).is_ok() {
        assert!(Instant::now() < end);
    }
    assert!(pipeline.shutdown(0, LONG));
}

#[test]
fn every_sender_keeps_its_order_and_loses_nothing() {
    const EACH: usize = 2000;
    let limits = QueueLimits { count: 7, bytes: 1 << 20 };
    let (pipeline, batches) = start(limits, |_: &[&dyn MessageRow]| Ok(Vec::new()));
    thread::scope(|scope| {
        for sender in 0..4 {
            let pipeline = &pipeline;
            scope.spawn(move || {
                for n in 0..EACH {
                    pipeline.submit(message(&n.to_string()), sender).unwrap();
                }
            });
        }
    });
    drop(pipeline);
    let (mut seen, mut numbers) = ([0; 4], Vec::new());
    for Submission { message, event: sender } in batches.iter().flat_map(|batch| batch.submissions) {
        let m = message.expect("it is stored");
        assert_eq!(m.text, seen[sender].to_string());
        seen[sender] += 1;
        numbers.push(m.id.number);
    }
    assert_eq!(seen, [EACH; 4]);
    assert!(numbers.iter().copied().eq(1..=4 * EACH as i64), "numbers are 1, 2, 3, … in order");
}

/// Says which change of a list each batch brings, and writes down when lists are sent.
struct ListTimes(Sender<Instant>);

impl RoomLogic<Message, bool> for ListTimes {
    fn apply_batch(&mut self, batch: Batch<Message, bool>) -> bool {
        batch.submissions.iter().any(|submission| submission.event)
    }

    fn send_lists(&mut self) {
        self.0.send(Instant::now()).unwrap();
    }
}

#[test]
fn changes_of_lists_gather_and_a_later_one_does_not_put_them_off() {
    let (sent, lists) = channel();
    let pipeline = Pipeline::start(|_: &[&dyn MessageRow]| Ok(Vec::new()), ListTimes(sent)).unwrap();
    pipeline.submit(None, false).unwrap();
    let first = Instant::now();
    pipeline.submit(None, true).unwrap();
    // Changes come all the time, and batches without a change.
    let at = loop {
        pipeline.submit(None, true).unwrap();
        pipeline.submit(None, false).unwrap();
        if let Ok(at) = lists.recv_timeout(Duration::from_millis(5)) {
            break at;
        }
        assert!(first.elapsed() < LONG, "no list");
    };
    assert!(at - first >= LIST_DELAY, "{:?}", at - first);
    pipeline.submit(None, true).unwrap();
    assert!(lists.recv_timeout(LONG).is_ok(), "the change since then");
    drop(pipeline);
    assert!(lists.iter().count() <= 1, "one list for each delay");
}
