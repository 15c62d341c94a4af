//! What is said in the room, and who is in it.

use crate::chat::{Chat, PASSWORD};
use crate::user::{User, names as names_of};
use testkit::{checks, require, shown};

checks! {
/// What is said.
pub messages:

/// A message reaches every other one as `alice: TEXT`, the sender's name as
/// registered, and never the sender.
basic(server) fn a_message_reaches_all_others_under_the_senders_name(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    alice.send("hello, all");
    for listener in [&bob, &carol] {
        let line = listener.hears_some("what alice says", |l| l.ends_with("hello, all"));
        require(line == format!("{}: hello, all", alice.name), format!("{}: hello, all", alice.name), shown(line));
    }
    bob.send("the fence");
    alice.never_hears("hello, all", ": the fence");
}

/// The text arrives as it was sent, with spaces at its ends, control characters,
/// any language, and text that looks like a line of another user.
wire(server) fn a_text_is_delivered_and_kept_unchanged(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let texts = [
        "  spaces at both ends  ",
        "grüße, 日本語, 🦀🦀 e\u{301} \u{200f}rtl \u{feff}bom",
        "red \x1b[31m bell \x07 tab\t nul\0 cr\r. \u{9b}31m",
        "bob: I never said this",
        "[SERVER] server is shutting down",
        "[HISTORY] 2026-01-01T00:00:00Z bob: nor this",
        "AUTH_FAILED ENTER_PASSWORD",
        "LOGIN alice secret",
        "%s {} \\n $HOME `id` & | ; --",
    ];
    for text in texts {
        alice.tells(&bob, text);
    }
    let history = chat.register("carol").history;
    for text in texts {
        let kept = history.iter().any(|l| l.ends_with(&format!(" {}: {text}", alice.name)));
        require(kept, format!("{} in the history", shown(text)), format!("{history:?}"));
    }
}

/// A newcomer gets what was said before as history, and as nothing else, also when
/// no user was there to receive it.
wire(server) fn what_nobody_heard_is_history_only(case) {
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    alice.send_all(["is anybody there?", "/quit"]);
    alice.lines_to_the_end();
    let [bob, carol] = [chat.register("bob"), chat.register("carol")];
    carol.tells(&bob, "the fence");
    bob.tells(&carol, "the other fence");
    for newcomer in [&bob, &carol] {
        let live = newcomer.has_received(&format!("{}: is anybody there?", alice.name));
        require(!live, "the line as history only", format!("{} received it as said now", newcomer.name));
    }
}

/// All receivers see one sender's lines in the order sent, all of them and once.
wire(server) fn one_senders_messages_arrive_in_order(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    for block in 0..4 {
        alice.send_all((0..50).map(|n| format!("number {}", block * 50 + n)));
        for listener in [&bob, &carol] {
            for n in 0..50 {
                let line = listener.hears_some("a number", |l| l.contains(": number "));
                let expected = format!("{}: number {}", alice.name, block * 50 + n);
                require(line == expected, expected, line);
            }
        }
    }
}

/// Several at once: nothing is lost, doubled or torn, and all users see the lines
/// of each sender in the same order.
wire(server) fn several_senders_at_once_lose_nothing(case) {
    let chat = Chat::start(case);
    let users: [User; 4] = chat.room();
    for user in &users {
        user.send_all((0..40).map(|n| format!("says {n}")));
    }
    for listener in &users {
        let mut next = [0; 4];
        for _ in 0..3 * 40 {
            let line = listener.hears_some("what somebody says", |l| l.contains(": says "));
            let (name, n) = line.split_once(": says ").unwrap_or_default();
            let from = users.iter().position(|m| m.name == name && m.name != listener.name);
            let fits = from.is_some_and(|from| n == next[from].to_string());
            require(fits, "the next line of somebody else", shown(&line));
            next[from.unwrap_or_default()] += 1;
        }
    }
}
}

checks! {
/// The user list, arrivals and departures.
pub notices:

/// The others are told by name of each arrival and departure, with the new count of
/// users.
wire(server) fn arrivals_and_departures_are_announced_by_name(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let carol = chat.register("carol");
    for listener in [&alice, &bob] {
        listener.hears(&format!("[SERVER] {} joined (3 online)", carol.name));
    }
    let gone = carol.name.clone();
    carol.connection.peer.reset();
    for listener in [&alice, &bob] {
        listener.hears(&format!("[SERVER] {gone} left (2 online)"));
    }
    bob.send("/quit");
    bob.lines_to_the_end();
    alice.hears(&format!("[SERVER] {} left (1 online)", bob.name));
}

/// No client is told of its own arrival, and a departure is announced once.
wire(server) fn one_arrival_is_one_notice_to_the_others(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    bob.send("!DISCONNECT");
    bob.lines_to_the_end();
    alice.hears(&format!("[SERVER] {} left (2 online)", bob.name));
    carol.send("the fence");
    alice.never_hears(" left (", ": the fence");
    alice.send("the other fence");
    let heard = carol.lines_to("the fence", |l| l.ends_with("the other fence"));
    let own = heard.iter().find(|l| l.contains(&format!("{} joined", carol.name)));
    require(own.is_none(), "no notice of its own arrival", own.cloned().unwrap_or_default());
}

/// `[USERS_LIST]` comes after the history: all users, the new one included, sorted,
/// with commas and no spaces.
wire(server) fn the_list_of_users_is_sorted(case) {
    let chat = Chat::start(case);
    let users: Vec<_> = ["dave", "bob", "carol"].map(|who| chat.register(who)).into();
    let alice = chat.register("alice");
    let mut expected: Vec<_> = users.iter().map(|m| m.name.clone()).chain([alice.name.clone()]).collect();
    expected.sort();
    require(alice.users == expected, expected.join(","), alice.users.join(","));
}

/// All users get a new list when a user has come or gone.
wire(server) fn everybody_gets_a_new_list(case) {
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    let bob = chat.register("bob");
    alice.hears_list(&[&alice, &bob]);
    let carol = chat.register("carol");
    for listener in [&alice, &bob] {
        listener.hears_list(&[&alice, &bob, &carol]);
    }
    drop(carol);
    for listener in [&alice, &bob] {
        listener.hears_list(&[&alice, &bob]);
    }
}

/// Many users come at once: a list to all of them for each arrival would be
/// quadratic. Gather changes for up to 250 ms. The last list is the right one.
wire(server) fn lists_are_gathered_when_a_crowd_comes_in(case) {
    const CROWD: usize = 32;
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    for n in 0..CROWD {
        chat.registered(&format!("guest{n}"));
    }
    let names: Vec<_> = (0..CROWD).map(|n| chat.name(&format!("guest{n}"))).collect();
    for name in &names {
        alice.hears_some("a guest to leave", |l| l.starts_with(&format!("[SERVER] {name} left")));
    }
    let waiting: Vec<_> = names.iter().map(|name| chat.asked(name)).collect();
    for (line, name) in waiting.iter().zip(&names) {
        line.send(&format!("LOGIN {name} {}", PASSWORD));
    }
    let full = |l: &str| l.starts_with("[USERS_LIST] ") && l.split(',').count() == CROWD + 1;
    let lines = alice.lines_to("the list of all", full);
    let lists: Vec<_> = lines.iter().filter(|l| l.starts_with("[USERS_LIST] ")).collect();
    // Even on a slow machine some of them come within the same 250 ms.
    require(lists.len() < CROWD / 2, format!("fewer than {} lists", CROWD / 2), lists.len().to_string());
    let mut expected = [names, vec![alice.name.clone()]].concat();
    expected.sort();
    let last = names_of(lines.last().map(String::as_str).unwrap_or_default());
    require(last == expected, expected.join(","), last.join(","));
}
}
