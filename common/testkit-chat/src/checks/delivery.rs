//! Once and in order, while users move and publish: a registry that says at two
//! different moments who is in the room and who has subscribed loses or doubles.

use crate::chat::Chat;
use crate::user::User;
use std::thread;
use std::time::Duration;
use testkit::{Next, checks, fail, require, shown};

/// Lines that each of the senders says.
const LINES: usize = 150;
/// A sender of these lines is not on a rate that a slow machine could not follow.
const PAUSE: Duration = Duration::from_millis(2);

/// How a line of `sender` came, and its number: `alice: number 7`, also with
/// `[#ROOM]` or `[pub]` in front.
fn number(line: &str, sender: &str) -> Option<usize> {
    let (front, n) = line.rsplit_once(": number ")?;
    let of_sender = front == sender || front.ends_with(&format!("] {sender}"));
    n.parse().ok().filter(|_| of_sender)
}

/// The numbers of `sender` that `listener` hears, up to the last one.
#[track_caller]
fn numbers(listener: &User, sender: &str, last: usize) -> Vec<usize> {
    let mut heard = Vec::new();
    loop {
        match listener.next() {
            Next::Line(line) => heard.extend(number(&line, sender)),
            other => fail(format!("{} to hear number {last} of {sender}", listener.name), other.to_string()),
        }
        if heard.last() == Some(&last) {
            return heard;
        }
    }
}

/// All the numbers, once each and in order.
#[track_caller]
fn are_complete(heard: &[usize], listener: &User, last: usize) {
    let wrong = heard.iter().zip(0..).position(|(got, expected)| *got != expected);
    let all = (0..=last).eq(heard.iter().copied());
    let place = wrong.map_or(heard.len(), |at| at);
    let around = shown(format!("{:?}", &heard[place.saturating_sub(3)..heard.len().min(place + 4)]));
    let expected = format!("{} to hear the numbers 0 to {last}, once each and in order", listener.name);
    require(all, expected, format!("at {place}: {around}"));
}

checks! {
/// Under load.
pub delivery:

/// A subscriber moves in and out of the publisher's room while the publisher talks:
/// each message reaches it once, in the one form or in the other, in order.
wire(server) fn a_subscriber_who_moves_hears_everything_once(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    bob.subscribes(&alice);
    let rust = chat.name("rust");
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..LINES {
                alice.send(&format!("number {n}"));
                thread::sleep(PAUSE);
            }
        });
        scope.spawn(|| {
            for _ in 0..LINES / 3 {
                bob.send(&format!("/join {rust}"));
                thread::sleep(PAUSE);
                bob.send("/leave");
                thread::sleep(PAUSE);
            }
        });
    });
    are_complete(&numbers(&carol, &alice.name, LINES - 1), &carol, LINES - 1);
    are_complete(&numbers(&bob, &alice.name, LINES - 1), &bob, LINES - 1);
}

/// The publisher moves, and publishes in between: what one user sends arrives in
/// the order said, across rooms and publications.
wire(server) fn one_users_lines_arrive_in_order_across_rooms_and_publications(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    let rooms = [chat.name("rust"), chat.name("zig"), "lobby".into()];
    for listener in [&bob, &carol] {
        listener.subscribes(&alice);
    }
    carol.joins(&rooms[0]);
    let lines = (0..LINES).flat_map(|n| {
        let said = if n % 2 == 0 { format!("number {n}") } else { format!("/publish number {n}") };
        let moves = (n % 5 == 4).then(|| format!("/join {}", rooms[n / 5 % 3]));
        [Some(said), moves].into_iter().flatten()
    });
    let lines: Vec<_> = lines.collect();
    for part in lines.chunks(20) {
        alice.send_all(part);
    }
    for listener in [&bob, &carol] {
        are_complete(&numbers(listener, &alice.name, LINES - 1), listener, LINES - 1);
    }
}

/// Several users send at once, and their subscribers move: no line is lost, doubled
/// or out of order.
wire(server) fn several_publishers_are_heard_in_order_by_subscribers_who_move(case) {
    let chat = Chat::start(case);
    let users: [User; 4] = chat.room();
    let [alice, bob, carol, dave] = &users;
    for listener in [carol, dave] {
        for sender in [alice, bob] {
            listener.subscribes(sender);
        }
    }
    let rust = chat.name("rust");
    thread::scope(|scope| {
        for sender in [alice, bob] {
            scope.spawn(|| {
                for n in 0..LINES {
                    let verb = if n % 3 == 1 { "/publish " } else { "" };
                    sender.send(&format!("{verb}number {n}"));
                    if n % 7 == 6 {
                        sender.send(&if n % 2 == 0 { format!("/join {rust}") } else { "/leave".into() });
                    }
                    thread::sleep(PAUSE);
                }
            });
        }
        for listener in [carol, dave] {
            scope.spawn(|| {
                for _ in 0..LINES / 4 {
                    listener.send(&format!("/join {rust}"));
                    thread::sleep(PAUSE);
                    listener.send("/leave");
                    thread::sleep(PAUSE);
                }
            });
        }
    });
    for listener in [carol, dave] {
        let mut heard = [Vec::new(), Vec::new()];
        while heard.iter().any(|h: &Vec<usize>| h.last() != Some(&(LINES - 1))) {
            match listener.next() {
                Next::Line(line) => {
                    for (heard, sender) in heard.iter_mut().zip([alice, bob]) {
                        heard.extend(number(&line, &sender.name));
                    }
                }
                other => fail(format!("{} to hear all of both", listener.name), other.to_string()),
            }
        }
        heard.iter().for_each(|heard| are_complete(heard, listener, LINES - 1));
    }
}
}
