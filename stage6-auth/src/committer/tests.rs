//! With a store that the test holds by the reins.

use super::*;
use crate::store::Message;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

const LONG: Duration = Duration::from_secs(20);

fn message(text: &str) -> Message {
    Message::new("alice".into(), text.to_owned())
}

fn down() -> StoreError {
    StoreError::Unusable("test".into())
}

/// What one batch was, as text: `+` stored, `-` refused, `.` passed.
fn summary(events: Vec<Event<Message, u32>>) -> Vec<String> {
    let one = |event: Event<Message, u32>| match event {
        Event::Stored(m, tag) => format!("+{}:{}:{tag}", m.text, m.id.number),
        Event::Refused(m, tag) => format!("-{}:{}:{tag}", m.text, m.id.number),
        Event::Transient(tag) => format!(".{tag}"),
    };
    events.into_iter().map(one).collect()
}

fn start<T: Send + 'static>(
    limits: QueueLimits,
    append: impl FnMut(&[Message]) -> Result<Vec<usize>, StoreError> + Send + 'static,
    on_committed: impl FnMut(Vec<Event<Message, T>>, Option<StoreError>) + Send + 'static,
) -> io::Result<Committer<Message, T>> {
    Committer::start(limits, move |queue| commit_all(queue, append, on_committed))
}

/// A committer whose `append` waits for an answer from the test each time.
struct Reins {
    committer: Arc<Committer<Message, u32>>,
    appends: Receiver<usize>,
    answers: Sender<Result<(), StoreError>>,
    batches: Receiver<Vec<String>>,
}

fn reins(limits: QueueLimits) -> Reins {
    let (asked, appends) = channel();
    let (answers, answer) = channel::<Result<(), StoreError>>();
    let (done, batches) = channel();
    let append = move |batch: &[Message]| {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        asked.send(batch.len()).unwrap();
        answer.recv().unwrap().map(|()| Vec::new())
    };
    let on_committed = move |events, _: Option<StoreError>| done.send(summary(events)).unwrap();
    let committer = Arc::new(start(limits, append, on_committed).unwrap());
    Reins { committer, appends, answers, batches }
}

#[test]
fn nothing_is_handed_on_before_it_is_committed() {
    let r = reins(QUEUE);
    r.committer.submit(message("a"), 1).unwrap();
    assert_eq!(r.appends.recv_timeout(LONG), Ok(1));
    assert!(r.batches.try_recv().is_err());
    r.answers.send(Ok(())).unwrap();
    assert_eq!(r.batches.recv_timeout(LONG).unwrap(), ["+a:1:1"]);
}

#[test]
fn what_came_during_a_commit_shares_the_next_in_order() {
    let r = reins(QUEUE);
    r.committer.submit(message("a"), 1).unwrap();
    assert_eq!(r.appends.recv_timeout(LONG), Ok(1));
    r.committer.submit(message("b"), 2).unwrap();
    r.committer.submit_transient(3).unwrap();
    r.committer.submit(message("c"), 2).unwrap();
    r.answers.send(Ok(())).unwrap();
    assert_eq!(r.batches.recv_timeout(LONG).unwrap(), ["+a:1:1"]);
    assert_eq!(r.appends.recv_timeout(LONG), Ok(2));
    r.answers.send(Ok(())).unwrap();
    assert_eq!(r.batches.recv_timeout(LONG).unwrap(), ["+b:2:2", ".3", "+c:3:2"]);
}

#[test]
fn a_failed_batch_is_refused_and_the_rest_passes() {
    let r = reins(QUEUE);
    r.committer.submit(message("a"), 1).unwrap();
    assert_eq!(r.appends.recv_timeout(LONG), Ok(1));
    r.answers.send(Err(down())).unwrap();
    assert_eq!(r.batches.recv_timeout(LONG).unwrap(), ["-a:1:1"]);
    r.committer.submit_transient(2).unwrap();
    assert_eq!(r.batches.recv_timeout(LONG).unwrap(), [".2"]);
}

#[test]
fn while_the_database_is_down_messages_are_refused_without_asking_it_each_time() {
    let (asked, attempts) = channel();
    let (done, batches) = channel();
    let append = move |_: &[Message]| asked.send(()).map_err(|_| down()).and(Err(down()));
    let on_committed = move |events, why: Option<StoreError>| {
        assert!(matches!(why, Some(StoreError::Unusable(_))));
        done.send(summary(events)).unwrap();
    };
    let committer = start(QUEUE, append, on_committed).unwrap();
    let started = Instant::now();
    for n in 1..=200 {
        committer.submit(message("a"), 0).unwrap();
        assert_eq!(batches.recv_timeout(LONG).unwrap(), [format!("-a:{n}:0")]);
    }
    let most = started.elapsed().as_millis() / CircuitBreaker::SHORTEST.as_millis() + 1;
    let attempts = attempts.try_iter().count() as u128;
    assert!((1..=most).contains(&attempts), "{attempts} attempts, at most {most} expected");
}

#[test]
fn a_message_that_the_database_cannot_take_is_refused_alone() {
    let (done, batches) = channel();
    let on_committed = move |events, failure: Option<StoreError>| {
        assert!(failure.is_none());
        done.send(summary(events)).unwrap();
    };
    let (go, wait) = channel();
    let append = move |batch: &[Message]| {
        wait.recv().unwrap();
        Ok((0..batch.len()).filter(|&n| batch[n].text == "bad").collect())
    };
    let committer = start(QUEUE, append, on_committed).unwrap();
    for (tag, text) in (0..).zip(["first", "a", "bad", "b"]) {
        committer.submit(message(text), tag).unwrap();
    }
    (0..5).for_each(|_| go.send(()).unwrap());
    assert!(committer.stop(LONG));
    let all: Vec<String> = batches.try_iter().flatten().collect();
    assert_eq!(all, ["+first:1:0", "+a:2:1", "-bad:3:2", "+b:4:3"]);
}

#[test]
fn it_goes_on_when_the_database_is_back() {
    let r = reins(QUEUE);
    r.committer.submit(message("a"), 1).unwrap();
    r.appends.recv_timeout(LONG).unwrap();
    r.answers.send(Err(down())).unwrap();
    assert_eq!(r.batches.recv_timeout(LONG).unwrap(), ["-a:1:1"]);
    r.answers.send(Ok(())).unwrap();
    let end = Instant::now() + LONG;
    loop {
        assert!(Instant::now() < end, "never tried again");
        r.committer.submit(message("b"), 1).unwrap();
        if r.batches.recv_timeout(LONG).unwrap()[0].starts_with("+b") {
            break;
        }
    }
}

#[test]
fn a_full_queue_makes_the_sender_wait() {
    let r = reins(QueueLimits { count: 2, bytes: 1 << 20 });
    r.committer.submit(message("a"), 0).unwrap();
    assert_eq!(r.appends.recv_timeout(LONG), Ok(1));
    r.committer.submit(message("b"), 0).unwrap();
    r.committer.submit(message("c"), 0).unwrap();
    let (sent, was_sent) = channel();
    let committer = r.committer.clone();
    let sender = thread::spawn(move || {
        committer.submit(message("d"), 0).unwrap();
        sent.send(()).unwrap();
    });
    assert!(was_sent.recv_timeout(Duration::from_millis(50)).is_err(), "the bound does not hold");
    r.answers.send(Ok(())).unwrap();
    was_sent.recv_timeout(LONG).unwrap();
    sender.join().unwrap();
    for _ in 0..2 {
        r.answers.send(Ok(())).unwrap();
    }
    assert!(r.committer.stop(LONG));
    let all: Vec<String> = r.batches.iter().take(3).flatten().collect();
    assert_eq!(all, ["+a:1:0", "+b:2:0", "+c:3:0", "+d:4:0"]);
}

#[test]
fn bytes_bound_the_queue_too_and_a_large_message_fits_alone() {
    let r = reins(QueueLimits { count: 100, bytes: 10 });
    r.committer.submit(message("larger than ten bytes"), 0).unwrap();
    assert_eq!(r.appends.recv_timeout(LONG), Ok(1));
    r.committer.submit(message("12345678"), 0).unwrap();
    let committer = r.committer.clone();
    let sender = thread::spawn(move || committer.submit(message("123"), 0));
    for _ in 0..3 {
        r.answers.send(Ok(())).unwrap();
    }
    sender.join().unwrap().unwrap();
    assert!(r.committer.stop(LONG));
    let sizes: Vec<usize> = r.batches.iter().take(3).map(|batch| batch.len()).collect();
    assert_eq!(sizes, [1, 1, 1]);
}

#[test]
fn stopping_commits_what_was_accepted() {
    let r = reins(QUEUE);
    for n in 0..10 {
        r.committer.submit(message("x"), n).unwrap();
    }
    for _ in 0..10 {
        r.answers.send(Ok(())).unwrap();
    }
    assert!(r.committer.stop(LONG));
    assert_eq!(r.batches.try_iter().flatten().count(), 10);
    assert_eq!(r.committer.submit(message("late"), 0), Err(Stopped));
    assert_eq!(r.committer.submit_transient(0), Err(Stopped));
}

#[test]
fn nobody_waits_for_a_dead_committer() {
    let on_committed = |_: Vec<Event<Message, ()>>, _: Option<StoreError>| panic!("as arranged by the test");
    let committer =
        start(QueueLimits { count: 1, bytes: 1 }, |_: &[Message]| Ok(Vec::new()), on_committed).unwrap();
    let end = Instant::now() + LONG;
    while committer.submit(message("x"), ()).is_ok() {
        assert!(Instant::now() < end);
    }
    assert!(committer.stop(LONG));
}

#[test]
fn every_sender_keeps_its_order_and_loses_nothing() {
    const EACH: usize = 2000;
    let (done, events) = channel();
    let on_committed = move |batch: Vec<Event<Message, usize>>, _: Option<StoreError>| {
        batch.into_iter().for_each(|event| done.send(event).unwrap());
    };
    let limits = QueueLimits { count: 7, bytes: 1 << 20 };
    let committer = start(limits, |_: &[Message]| Ok(Vec::new()), on_committed).unwrap();
    thread::scope(|scope| {
        for sender in 0..4 {
            let committer = &committer;
            scope.spawn(move || {
                for n in 0..EACH {
                    committer.submit(message(&n.to_string()), sender).unwrap();
                }
            });
        }
    });
    assert!(committer.stop(LONG));
    let (mut seen, mut numbers) = ([0; 4], Vec::new());
    for event in events.try_iter() {
        let Event::Stored(m, sender) = event else { panic!("{event:?}") };
        assert_eq!(m.text, seen[sender].to_string());
        seen[sender] += 1;
        numbers.push(m.id.number);
    }
    assert_eq!(seen, [EACH; 4]);
    assert!(numbers.iter().copied().eq(1..=4 * EACH as i64), "numbers are 1, 2, 3, … in order");
}
