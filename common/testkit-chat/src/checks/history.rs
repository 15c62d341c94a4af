//! What was said before.

use crate::chat::{Chat, PASSWORD};
use crate::user::User;
use std::time::Duration;
use testkit::{Signal, checks, require, shown};

/// So many messages are said in one write while a client comes in,
const AT_ONCE: usize = 15;
/// and no more than this.
const MOST: usize = 6000;

checks! {
/// What was said before.
pub history:

/// A new client gets the last 20 messages, oldest first, each as `[HISTORY] TIME
/// name: TEXT`, TIME in RFC 3339 and UTC.
wire(server) fn the_last_20_messages_come_in_order(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    alice.send_all((0..25).map(|n| format!("number {n}")));
    bob.hears(&format!("{}: number 24", alice.name));
    let history = chat.register("carol").history;
    let expected: Vec<_> = (5..25).map(|n| format!("{}: number {n}", alice.name)).collect();
    let got: Vec<_> = history.iter().map(|l| l.splitn(3, ' ').nth(2).unwrap_or_default()).collect();
    require(got == expected, "the messages 5 to 24", format!("{history:?}"));
    for line in &history {
        let time = line.split(' ').nth(1).unwrap_or_default();
        require(is_utc(time), "TIME as 2026-01-31T09:30:00Z", shown(line));
    }
}

/// It is still there after the server was killed and started again.
wire(server) fn the_history_outlives_the_server(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    alice.tells(&bob, "one to remember");
    chat.server.program.signal(Signal::KILL);
    chat.server.program.ends(Duration::from_secs(5));
    let said = format!("{}: one to remember", alice.name);
    let chat = chat.again(&[]);
    let history = chat.login("bob").history;
    require(history.iter().any(|l| l.ends_with(&said)), said, format!("{history:?}"));
}

/// Between the history and the first message nothing is missing and nothing comes
/// twice, although another user sends all the time: enter the room and read the
/// history in one step.
wire(server) fn nothing_is_lost_between_history_and_room(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    for round in 0..8 {
        let connection = chat.asked("carol");
        connection.send(&format!("REGISTER {} {}", chat.name(&format!("carol{round}")), PASSWORD));
        // It has had AUTH_REQUIRED, and then there is more.
        let is_in = || connection.peer.everything().iter().filter(|byte| **byte == b'\n').count() > 1;
        let text = |n: usize| format!("round {round} number {n}");
        let mut said = 0;
        while !is_in() && said < MOST {
            alice.send_all((said..said + AT_ONCE).map(text));
            said += AT_ONCE;
            bob.hears(&format!("{}: {}", alice.name, text(said - 1)));
        }
        alice.send(&text(said));
        let carol = User::enters(connection);
        let live = carol.lines_to("the last number", |l| l.ends_with(&format!("number {said}")));
        let mine = format!(": round {round} number ");
        let got: Vec<_> = carol.history.iter().chain(&live).filter_map(|l| l.split_once(&mine)).map(|l| l.1).collect();
        let first: usize = got.first().and_then(|number| number.parse().ok()).unwrap_or_default();
        let expected: Vec<_> = (first..=said).map(|n| n.to_string()).collect();
        // What stood between AUTH_SUCCESS and the list is checked elsewhere.
        require(got == expected, "each number once and in order", format!("{got:?}"));
    }
}

/// `--history N` sets how many; 0 is none.
ours(server) fn the_length_of_the_history_can_be_set(case) {
    for (flag, expected) in [("3", 3), ("0", 0), ("100", 30)] {
        let chat = Chat::start_with(case, &["--history", flag, "--db", &format!("sqlite:{flag}.db")]);
        let [alice, bob] = chat.room();
        alice.send_all((0..30).map(|n| format!("number {n}")));
        bob.hears(&format!("{}: number 29", alice.name));
        let got = chat.register("carol").history.len();
        require(got == expected, format!("{expected} lines with --history {flag}"), got.to_string());
    }
}
}

/// `2026-01-31T09:30:00Z`, with or without a fraction.
pub(crate) fn is_utc(time: &str) -> bool {
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let Some(fraction) = shape.strip_prefix("0000-00-00T00:00:00").and_then(|rest| rest.strip_suffix('Z'))
    else {
        return false;
    };
    fraction.is_empty()
        || fraction.strip_prefix('.').is_some_and(|f| !f.is_empty() && f.chars().all(|c| c == '0'))
}
