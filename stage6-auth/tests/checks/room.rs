//! What is said in the room, who is in it, and what was said before.

use super::member::{Chat, Member, PASSWORD, names as names_of};
use std::time::Duration;
use testkit::{Signal, checks, require, shown};

checks! { pub messages:

/// A message reaches every other one as `alice: TEXT`, the sender's name as
/// registered, and never the sender.
wire(server) fn a_message_reaches_all_others_under_the_senders_name(case) {
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

/// The text arrives as it was sent, whatever is in it: spaces at its ends, control
/// characters, any language, what looks like somebody else's line.
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

/// Several at once: nothing is lost, doubled or torn, and everybody sees the same
/// order of each one's lines.
wire(server) fn several_senders_at_once_lose_nothing(case) {
    let chat = Chat::start(case);
    let members: [Member; 4] = chat.room();
    for member in &members {
        member.send_all((0..40).map(|n| format!("says {n}")));
    }
    for listener in &members {
        let mut next = [0; 4];
        for _ in 0..3 * 40 {
            let line = listener.hears_some("what somebody says", |l| l.contains(": says "));
            let (name, n) = line.split_once(": says ").unwrap_or_default();
            let from = members.iter().position(|m| m.name == name && m.name != listener.name);
            let fits = from.is_some_and(|from| n == next[from].to_string());
            require(fits, "the next line of somebody else", shown(&line));
            next[from.unwrap_or_default()] += 1;
        }
    }
}
}

checks! { pub notices:

/// The others are told by name who comes and goes, with the count of those who
/// are there then.
wire(server) fn arrivals_and_departures_are_announced_by_name(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let carol = chat.register("carol");
    for listener in [&alice, &bob] {
        listener.hears(&format!("[SERVER] {} joined (3 online)", carol.name));
    }
    let gone = carol.name.clone();
    carol.line.peer.reset();
    for listener in [&alice, &bob] {
        listener.hears(&format!("[SERVER] {gone} left (2 online)"));
    }
    bob.send("/quit");
    bob.lines_to_the_end();
    alice.hears(&format!("[SERVER] {} left (1 online)", bob.name));
}

/// Nobody is told of its own arrival, and a departure is announced once.
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

/// `[USERS_LIST]` comes after the history: everybody who is there, the new one
/// included, sorted, with commas and no spaces.
wire(server) fn the_list_of_users_is_sorted(case) {
    let chat = Chat::start(case);
    let members: Vec<_> = ["dave", "bob", "carol"].map(|who| chat.register(who)).into();
    let alice = chat.register("alice");
    let mut expected: Vec<_> = members.iter().map(|m| m.name.clone()).chain([alice.name.clone()]).collect();
    expected.sort();
    require(alice.users == expected, expected.join(","), alice.users.join(","));
}

/// Those who are there get a new list when somebody has come or gone.
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

/// A crowd comes in: a list to everybody for each of them would be quadratic.
/// Gather them for up to 250 ms. The last list is the right one.
wire(server) fn lists_are_gathered_when_a_crowd_comes_in(case) {
    const CROWD: usize = 24;
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    for n in 0..CROWD {
        chat.register(&format!("guest{n}")).send("/quit");
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

/// At SIGTERM and at Ctrl-C everybody is told, sealed, and closed in good order.
wire(server) fn everybody_is_told_that_the_server_shuts_down(case) {
    for signal in [Signal::TERM, Signal::INT] {
        let chat = Chat::start(case);
        let members: [Member; 2] = chat.room();
        members[0].tells(&members[1], "hello");
        chat.server.program.signal(signal);
        for member in &members {
            let lines = member.lines_to_the_end();
            let told = lines.iter().any(|l| l == "[SERVER] server is shutting down");
            require(told, "[SERVER] server is shutting down", format!("{lines:?}"));
        }
        chat.server.program.ends(Duration::from_secs(5));
    }
}

/// Of several things that end a connection none harms the others.
wire(server) fn the_server_outlives_whatever_one_client_does(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let garbage: Vec<u8> = (0..=255).cycle().map(|b: u8| b.wrapping_mul(167)).take(3000).collect();
    let web = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for bytes in [&garbage[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", web, b"\0\0\0\n\0"] {
        let peer = case.connect("garbage", &chat.server);
        let _ = peer.try_send(bytes);
        peer.half_close();
        peer.sees_the_end();
    }
    for n in 0..20 {
        let peer = case.connect("mute", &chat.server);
        if n % 2 == 0 { peer.reset() } else { peer.close() }
    }
    let flood = case.connect("flood", &chat.server);
    let _ = flood.try_send(&vec![b'x'; 300_000]);
    flood.reset();
    let _unread = case.connect_unread("unread", &chat.server);
    chat.server.still_runs();
    alice.tells(&bob, "still here");
    chat.register("carol").tells(&bob, "and so am I");
}

/// Seven mebibytes pass by one who never reads: its socket fills up, and a plain
/// write to it blocks whoever writes. Queue what it does not take, and put it out
/// when that gets too long.
wire(server) fn a_client_that_never_reads_does_not_slow_the_others(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let stuck = chat.over(case.connect_unread("stuck", &chat.server));
    stuck.send(&format!("REGISTER {} {PASSWORD}", chat.name("stuck")));
    alice.hears(&format!("[SERVER] {} joined (3 online)", chat.name("stuck")));
    bob.hears(&format!("[SERVER] {} joined (3 online)", chat.name("stuck")));
    let block = format!("{}\n", alice.envelope.seal("x".repeat(3000))).repeat(16);
    for n in 0..110 {
        alice.peer.send_bytes(block.as_bytes());
        alice.tells(&bob, &format!("block {n}"));
    }
    bob.tells(&alice, "heard it all");
}

/// One whose password is being hashed, or who thinks about its name, keeps nobody
/// waiting: hash outside all locks.
wire(server) fn logins_keep_nobody_waiting(case) {
    let chat = Chat::start_with(case, &["--bcrypt-cost", "12", "--login-rate", "0"]);
    let [alice, bob] = chat.room();
    let guessers: Vec<_> = (0..8).map(|_| chat.asked("eve")).collect();
    for line in &guessers {
        line.send(&format!("LOGIN {} wrong password", chat.name("nobody")));
    }
    let start = std::time::Instant::now();
    for n in 0..10 {
        alice.tells(&bob, &format!("do you hear me? {n}"));
    }
    let took = start.elapsed();
    require(took < Duration::from_secs(1), "ten messages within 1 s", format!("{took:?}"));
}
}

checks! { pub history:

/// Whoever comes in gets the last 20 messages, oldest first, each as `[HISTORY] TIME
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
/// twice, though somebody talks all the while: come in and read under one lock.
wire(server) fn nothing_is_lost_between_history_and_room(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    for round in 0..8 {
        // Few enough for the history to hold them all.
        let line = chat.asked("carol");
        line.send(&format!("REGISTER {} {}", chat.name(&format!("carol{round}")), PASSWORD));
        for n in 0..12 {
            alice.tells(&bob, &format!("round {round} number {n}"));
        }
        let carol = Member::enters(line);
        alice.send(&format!("round {round} number 12"));
        let live = carol.lines_to("the last number", |l| l.ends_with("number 12"));
        let mine = format!(": round {round} number ");
        let got: Vec<_> = carol.history.iter().chain(&live).filter_map(|l| l.split_once(&mine)).map(|l| l.1).collect();
        let expected: Vec<_> = (0..13).map(|n| n.to_string()).collect();
        // What stood between AUTH_SUCCESS and the list is checked elsewhere.
        require(got == expected, "each number once and in order", format!("{got:?}"));
    }
}

/// `--history N` sets how many; 0 is none.
ours(server) fn the_length_of_the_history_can_be_set(case) {
    for (flag, expected) in [("3", 3), ("0", 0), ("1000", 30)] {
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
fn is_utc(time: &str) -> bool {
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let Some(fraction) = shape.strip_prefix("0000-00-00T00:00:00").and_then(|rest| rest.strip_suffix('Z'))
    else {
        return false;
    };
    fraction.is_empty()
        || fraction.strip_prefix('.').is_some_and(|f| !f.is_empty() && f.chars().all(|c| c == '0'))
}
