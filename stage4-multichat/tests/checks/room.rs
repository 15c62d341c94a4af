//! What is said in the room, and who hears it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use testkit::{Peer, checks, fail, require, shown};

fn joined(who: SocketAddr, online: usize) -> String {
    format!("[SERVER] {who} joined ({online} online)")
}

fn left(who: SocketAddr, online: usize) -> String {
    format!("[SERVER] {who} left ({online} online)")
}

/// Nothing that contains `text` may come before the line with `fence`.
#[track_caller]
fn never_hears(peer: &Peer, text: &str, fence: &str) {
    let before = peer.lines_before(fence);
    if let Some(line) = before.iter().find(|line| line.contains(text)) {
        fail(format!("{} never to receive {}", peer.name(), shown(text)), shown(line));
    }
}

/// The counts in the notices that these clients `joined` or `left`, sorted.
#[track_caller]
fn counts(peer: &Peer, word: &str, clients: &[SocketAddr]) -> Vec<usize> {
    let starts: Vec<_> = clients.iter().map(|who| format!("[SERVER] {who} {word} (")).collect();
    let count = |line: &str| {
        let start = starts.iter().find(|start| line.starts_with(start.as_str()))?;
        line[start.len()..].strip_suffix(" online)")?.parse().ok()
    };
    let what = format!("a notice of one of {} that {word}", clients.len());
    let mut counts: Vec<_> =
        clients.iter().filter_map(|_| count(&peer.hears_some(&what, |line| count(line).is_some()))).collect();
    counts.sort_unstable();
    counts
}

checks! { pub messages:

/// Keep a list of all connections, and write each line to all but its sender.
basic(server) fn a_line_reaches_every_other_client(case) {
    let server = case.server();
    let [alice, bob, carol, dave] = case.room(&server);
    alice.send("hello, all");
    for listener in [&bob, &carol, &dave] {
        listener.hears_of("hello, all");
    }
}

/// The prefix is `[IP:PORT] `, the sender's address as the server sees it
/// (`getpeername`), then the text.
wire(server) fn a_line_is_prefixed_with_the_senders_address(case) {
    let server = case.server();
    let [alice, bob, carol] = case.room(&server);
    alice.send("who am I?");
    for listener in [&bob, &carol] {
        let line = listener.hears_of("who am I?");
        let expected = format!("[{}] who am I?", alice.address());
        require(line == expected, shown(expected), shown(line));
    }
}

/// The sender knows what it said: leave it out when writing to all.
wire(server) fn the_sender_never_receives_its_own_line(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    alice.send("do I hear myself?");
    bob.hears_of("do I hear myself?");
    bob.send("the fence");
    never_hears(&alice, "do I hear myself?", "the fence");
}

/// Each receiver gets each line once.
wire(server) fn a_line_arrives_once(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    alice.send("only once");
    alice.send("the fence");
    let times = bob.lines_before("the fence").iter().filter(|l| l.contains("only once")).count();
    require(times == 1, "\"only once\" once", format!("{times} times"));
}

/// A text may look like a prefix or a notice: the real prefix stands before it.
wire(server) fn nobody_can_speak_for_the_server(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    for text in ["[SERVER] error: line is not valid UTF-8", "[127.0.0.1:1] hello"] {
        alice.send(text);
        let line = bob.hears_of(text);
        require(line != text, "the sender's address before it", shown(line));
    }
}

/// An IPv6 address stands in brackets of its own: `[[::1]:PORT] TEXT`.
wire(server) fn ipv6_addresses_stand_in_brackets(case) {
    let Some(server) = case.server_on_ipv6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST.into()) else { return };
    let [alice, bob] = case.room(&server);
    alice.send("hello");
    bob.hears(&format!("[[::1]:{}] hello", alice.address().port()));
}

/// To a server on `::` an IPv4 client comes as `::ffff:127.0.0.1`; the prefix has its plain
/// IPv4 address.
wire(server) fn an_ipv4_client_of_an_ipv6_server_has_its_ipv4_address(case) {
    let Some(server) = case.server_on_ipv6(Ipv6Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST.into()) else { return };
    let [alice, bob] = case.room(&server);
    alice.send("hello");
    bob.hears(&format!("[127.0.0.1:{}] hello", alice.address().port()));
}
}

checks! { pub newcomers:

/// A new client gets no earlier lines, also when no client was there to receive
/// them.
wire(server) fn a_newcomer_gets_nothing_from_before_it_came(case) {
    let server = case.server();
    let alone = case.connect("alone", &server);
    alone.send("is anybody there?");
    alone.half_close();
    alone.sees_the_end();
    let [alice, bob] = case.room(&server);
    alice.send("the fence");
    bob.hears_of("the fence");
    for newcomer in [&alice, &bob] {
        let heard = String::from_utf8_lossy(&newcomer.everything()).contains("is anybody there?");
        require(!heard, "nothing from before it came", format!("{} received it", newcomer.name()));
    }
}
}

checks! { pub notices:

/// All clients are told which client has joined and how many there are now, the new
/// one included.
wire(server) fn an_arrival_is_announced_with_the_count(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    let carol = case.connect("carol", &server);
    for listener in [&alice, &bob] {
        // The notice of an earlier arrival may still be on its way.
        let earlier = [joined(alice.address(), 2), joined(bob.address(), 2)];
        let is_new = |line: &str| line.contains("joined") && !earlier.iter().any(|other| other == line);
        let line = listener.hears_some("the arrival of carol", is_new);
        let expected = joined(carol.address(), 3);
        require(line == expected, shown(expected), shown(line));
    }
    let dave = case.connect("dave", &server);
    for listener in [&alice, &bob, &carol] {
        let line = listener.hears_of("joined");
        let expected = joined(dave.address(), 4);
        require(line == expected, shown(expected), shown(line));
    }
}

/// Arrivals are announced to the others: no client is told of its own.
wire(server) fn the_one_who_comes_is_not_told_of_its_own_arrival(case) {
    let server = case.server();
    let [alice, _bob] = case.room(&server);
    let carol = case.connect("carol", &server);
    carol.send("carol is here");
    alice.hears_of("carol is here");
    alice.send("the fence");
    never_hears(&carol, &carol.address().to_string(), "the fence");
}

/// The others are told which client has left and how many there are now: take the
/// client off the list before you count.
wire(server) fn a_departure_is_announced_with_the_count(case) {
    let server = case.server();
    let [alice, bob, carol] = case.room(&server);
    let gone = carol.address();
    carol.close();
    for listener in [&alice, &bob] {
        let line = listener.hears_of("left");
        require(line == left(gone, 2), shown(left(gone, 2)), shown(line));
    }
    let gone = bob.address();
    bob.close();
    let line = alice.hears_of("left");
    require(line == left(gone, 1), shown(left(gone, 1)), shown(line));
}

/// A reset is a departure like any other: announce it, count it.
wire(server) fn a_reset_is_a_departure(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    let gone = bob.address().to_string();
    bob.send_bytes(b"half a li");
    bob.reset();
    alice.hears_some("the departure of bob", |l| l.contains(&gone) && l.contains("left"));
    // What bob had begun is not the beginning of what the next client says.
    let carol = case.connect("carol", &server);
    carol.send("a line of my own");
    let line = alice.hears_of("a line of my own");
    require(!line.contains("half a li"), "carol's line alone", line);
}

/// A client that the server puts out, here for a line too long, has left too.
wire(server) fn being_put_out_is_a_departure(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    bob.send(&"x".repeat(4097));
    let gone = bob.address().to_string();
    alice.hears_some("the departure of bob", |l| l.contains(&gone) && l.contains("left"));
}

/// One arrival, one departure, one notice each: look for two places that both
/// announce the end of a connection.
wire(server) fn a_departure_is_announced_once(case) {
    let server = case.server();
    let [alice, bob, carol] = case.room(&server);
    let gone = bob.address().to_string();
    bob.send("!DISCONNECT");
    bob.sees_the_end();
    bob.close();
    alice.hears_some("the departure of bob", |l| l.contains(&gone) && l.contains("left"));
    carol.send("the fence");
    never_hears(&alice, "left", "the fence");
}

/// The count follows arrivals and departures, in any order.
wire(server) fn the_count_follows_arrivals_and_departures(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    for round in 0..5 {
        let visitor = case.connect("visitor", &server);
        let address = visitor.address();
        for listener in [&alice, &bob] {
            listener.hears(&joined(address, 3));
        }
        if round % 2 == 0 { visitor.close() } else { visitor.reset() }
        for listener in [&alice, &bob] {
            listener.hears(&left(address, 2));
        }
    }
}
}

checks! { pub order:

/// All receivers see one sender's lines in the order sent, all of them: one
/// thread per message, or a lock given up between two of them, breaks this.
wire(server) fn one_senders_lines_arrive_in_order_everywhere(case) {
    let server = case.server();
    let [alice, bob, carol] = case.room(&server);
    let lines: String = (0..500).map(|n| format!("number {n}\n")).collect();
    alice.send_bytes(lines.as_bytes());
    for listener in [&bob, &carol] {
        for n in 0..500 {
            // A notice of an arrival may stand anywhere between lines.
            let line = listener.hears_some("the next line", |line| !line.starts_with("[SERVER] "));
            let expected = format!("number {n}");
            require(line.ends_with(&format!(" {expected}")) || line == expected, expected, shown(line));
        }
    }
}

/// Several senders at once: nothing is lost, doubled or torn, and each one's
/// lines stay in order. Look for writes to one socket from several threads
/// without a lock.
wire(server) fn several_senders_at_once_lose_nothing(case) {
    let server = case.server();
    let peers: [Peer; 4] = case.room(&server);
    for block in 0..5 {
        for peer in &peers {
            for n in 0..40 {
                peer.send(&format!("{} says {}", peer.name(), block * 40 + n));
            }
        }
        for (at, listener) in peers.iter().enumerate() {
            let mut next = [block * 40; 4];
            for _ in 0..3 * 40 {
                let line = listener.hears_some("what somebody says", |l| l.contains(" says "));
                let from = peers.iter().position(|p| line.contains(&format!("{} says ", p.name())));
                let from = from.unwrap_or(at);
                let expected = format!("{} says {}", peers[from].name(), next[from]);
                require(from != at && line.ends_with(&expected), shown(expected), shown(line));
                next[from] += 1;
            }
        }
    }
}

/// Thirty come at the same instant, and go at the same instant: every count is that of
/// one moment. Change the list, count it, and queue the notice under one lock.
wire(server) fn counts_follow_one_by_one_when_many_come_and_go(case) {
    let server = case.server();
    let [alice, _bob] = case.room(&server);
    let crowd: Vec<_> = (0..60).map(|n| case.connect(&format!("peer {n}"), &server)).collect();
    for peer in &crowd {
        peer.send("I am here");
        alice.hears_of("I am here");
    }
    alice.send("the fence");
    crowd.iter().for_each(|peer| drop(peer.hears_of("the fence")));
    let many: Vec<_> = std::thread::scope(|scope| {
        let connects = (0..30).map(|n| scope.spawn({
            let server = &server;
            move || case.connect(&format!("new {n}"), server)
        }));
        let connects: Vec<_> = connects.collect();
        connects.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let addresses: Vec<_> = many.iter().map(Peer::address).collect();
    let joined = counts(&alice, "joined", &addresses);
    require(joined == (63..93).collect::<Vec<_>>(), "counts 63 to 92, each once", format!("{joined:?}"));
    many.into_iter().for_each(Peer::close);
    let left = counts(&alice, "left", &addresses);
    require(left == (62..92).collect::<Vec<_>>(), "counts 91 to 62, each once", format!("{left:?}"));
}

/// Sixty in a room are no special case.
wire(server) fn sixty_clients_all_hear_a_line(case) {
    let server = case.server();
    let crowd: Vec<_> = (0..60).map(|n| case.connect(&format!("peer {n}"), &server)).collect();
    // Each is known to be in the room when what it says is heard by the first.
    for peer in &crowd[1..] {
        peer.send("I am here");
        crowd[0].hears_of("I am here");
    }
    crowd[0].send("do you all hear me?");
    crowd[1..].iter().for_each(|peer| {
        peer.hears_of("do you all hear me?");
    });
}
}

checks! { pub leaving:

/// From stage 4 on `/quit` is the same as `!DISCONNECT`: a close in good order.
wire(server) fn quit_ends_the_connection_in_good_order(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    alice.send_bytes(b"goodbye\n/quit\n");
    bob.hears_of("goodbye");
    alice.sees_a_clean_end();
}

/// `/quit` is a command to the server, not a message.
wire(server) fn quit_is_not_delivered(case) {
    let server = case.server();
    let [alice, bob, carol] = case.room(&server);
    alice.send("/quit");
    alice.sees_the_end();
    carol.send("the fence");
    never_hears(&bob, "/quit", "the fence");
}

/// A client that quits has left, and the others are told.
wire(server) fn quitting_is_a_departure(case) {
    let server = case.server();
    for command in ["/quit", "!DISCONNECT"] {
        let [alice, bob] = case.room(&server);
        let gone = bob.address().to_string();
        bob.send(command);
        alice.hears_some("the departure of bob", |l| l.contains(&gone) && l.contains("left"));
    }
}

/// The two commands also end with `\r\n`.
wire(server) fn quit_with_cr_lf_ends_the_connection(case) {
    let server = case.server();
    let [alice, _bob] = case.room(&server);
    alice.send_bytes(b"/quit\r\n");
    alice.sees_a_clean_end();
}
}
