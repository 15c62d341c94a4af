//! A client that asks for a long history and does not read it.

use std::process::ExitCode;
use std::time::{Duration, Instant};
use testkit::{Check, Next, Suite, checks, require};
use testkit_chat::chat::Chat;

fn main() -> ExitCode {
    // The server waits 20 s for the reader: too long for `make test`, so `make test-course` runs it.
    let long = |check: Check| check.within(Duration::from_secs(120)).ignored_if(true);
    let checks = history().into_iter().map(long).collect();
    Suite::new(7, env!("CARGO_BIN_EXE_stage7-server"), env!("CARGO_BIN_EXE_stage7-client")).with(checks).run()
}

/// More than the buffers of both kernels hold, so that the server has to wait.
const MESSAGES: usize = 1600;

checks! {
/// `/history`.
history:

/// It costs the others nothing, and it is told how many messages are missing. With that
/// number it gets exactly these.
ours(server) fn a_client_that_does_not_read_its_history_is_told_what_is_missing(case) {
    let chat = Chat::start_with(case, &["--queue", "100000"]);
    let [alice, bob] = chat.room();
    chat.registered("carol");
    let text = "long ".repeat(500);
    for first in (0..MESSAGES).step_by(100) {
        alice.send_all((first..first + 100).map(|n| format!("{n} {text}")));
        bob.hears_some("a hundred messages", |line| line.contains(&format!(": {} ", first + 99)));
    }
    let mut carol = chat.connect_unread("carol");
    carol.send_all([chat.credentials("carol"), "/history 10000".to_owned(), "after it".to_owned()]);
    bob.hears_some("carol", |line| line.contains(" joined ("));
    // As the patience for each line shows, they wait for nothing.
    (0..20).for_each(|n| alice.tells(&bob, &format!("meanwhile {n}")));
    // The server has given the history up when carol's next line is said.
    let after_it = format!("{}: after it", chat.name("carol"));
    let deadline = Instant::now() + Duration::from_secs(60);
    while !matches!(bob.next_by(deadline), Next::Line(line) if line == after_it) {
        require(Instant::now() < deadline, "carol's next line", "nothing within a minute");
    }
    carol.peer.read_on();
    let lines = carol.lines_to("how many are missing", |line| line.contains("you read too slowly"));
    // Those before the list of users are what every newcomer gets.
    let list = lines.iter().position(|line| line.starts_with("[USERS_LIST] ")).unwrap_or_default();
    let told: Vec<_> = lines[list..].iter().filter(|line| line.starts_with("[HISTORY] ")).collect();
    let beginning = |line: &str| line.chars().take(60).collect::<String>();
    for (number, line) in told.iter().enumerate() {
        require(line.contains(&format!(": {number} ")), "the oldest messages, in order", beginning(line));
    }
    // Some of "meanwhile" may have been said before the server looked them up.
    let counts = (MESSAGES..=MESSAGES + 20).map(|all| all - told.len());
    let texts: Vec<_> = counts
        .map(|missing| {
            format!("[SERVER] error: you read too slowly; /history {missing} shows the messages that are left out")
        })
        .collect();
    let is_right = lines.last().is_some_and(|line| texts.contains(line));
    require(is_right, format!("how many of {MESSAGES} are left out"), format!("{:?}", lines.last()));
    // With "meanwhile" and "after it", of which some came later.
    carol.send(&format!("/history {}", MESSAGES + 21 - told.len()));
    let first = carol.hears_some("the history", |line| line.starts_with("[HISTORY] "));
    let is_next = first.contains(&format!(": {} ", told.len()));
    require(is_next, format!("message {}, the first that was left out", told.len()), beginning(&first));
    carol.hears_some("the last of it", |line| line.ends_with(": after it"));
}
}
