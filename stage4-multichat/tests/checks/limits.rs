//! Clients that do not read, and the limits that flags set.

use std::process::Command;
use std::time::{Duration, Instant};
use testkit::{Case, Next, Peer, Server, checks, fail, require, require_in_time};

/// Lines of 4000 bytes sent at a time: far below what a server may queue for one
/// client, so that only the client that does not read falls behind.
const BLOCK: usize = 16;

/// Alice says `blocks` blocks of long lines; bob hears each before the next.
#[track_caller]
fn talk(alice: &Peer, bob: &Peer, blocks: usize) {
    let filler = "x".repeat(4000);
    for block in 0..blocks {
        let lines: String = (0..BLOCK).map(|n| format!("{block}.{n} {filler}\n")).collect();
        alice.send_bytes(lines.as_bytes());
        (0..BLOCK).for_each(|n| {
            bob.hears_of(&format!("{block}.{n} xx"));
        });
    }
}

/// In this time, at any rate, a client that says nothing earns a whole burst:
/// twice N lines at N a second. A check of the rate waits for that clock.
const REFILL: Duration = Duration::from_millis(2200);

/// A client in the room that reads nothing; alice has received one line of it.
#[track_caller]
fn one_who_never_reads(case: &Case, server: &Server, alice: &Peer) -> Peer {
    let stuck = case.connect_unread("stuck", server);
    stuck.send("stuck is here");
    alice.hears_of("stuck is here");
    stuck
}

/// It receives line after line of this talk. Returns `false` if its connection ends before the fence.
#[track_caller]
fn gets_all_to_the_fence(late: &Peer, blocks: usize) -> bool {
    let mut texts = (0..blocks).flat_map(|block| (0..BLOCK).map(move |n| format!("] {block}.{n} xx")));
    loop {
        match late.next() {
            Next::Line(line) if line.ends_with("] the fence") => {
                require(texts.next().is_none(), "all lines before the fence", "not all of them");
                return true;
            }
            Next::Line(line) if line.contains("xxxx") => {
                let text = texts.next().unwrap_or_default();
                require(line.contains(&text), format!("{text}…, the next line"), testkit::shown(line));
            }
            Next::Line(_) => {}
            Next::End(..) => return false,
            Next::Nothing => fail("the next line, or the end of the connection", "neither"),
        }
    }
}

checks! { pub slow_clients:

/// Eight mebibytes are sent while one client never reads: its socket fills up, and
/// a plain write to it blocks the writing thread. Queue what it does not take, and
/// disconnect it when the queue gets too long. The others may wait for it once, and not
/// at every line.
wire(server) fn a_client_that_never_reads_does_not_slow_the_others(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    let timed_talk = || {
        let start = Instant::now();
        talk(&alice, &bob, 130);
        start.elapsed()
    };
    let without = timed_talk();
    let _stuck = one_who_never_reads(case, &server, &alice);
    let with = timed_talk();
    let limit = (4 * without + Duration::from_secs(3)).min(testkit::on_this_machine(Duration::from_secs(8)));
    require_in_time(with < limit, format!("the talk within {limit:?}: alone it took {without:?}"), format!("{with:?}"));
    bob.send("heard it all");
    alice.hears_of("heard it all");
}

/// Past its queue's bound (`--queue BYTES`) the client that does not read is
/// disconnected, the others are told, and the log says so.
ours(server) fn a_client_that_never_reads_is_put_out_and_logged(case) {
    let server = case.server_with(&["--listen", "127.0.0.1:0", "--queue", "65536"]);
    let [alice, bob] = case.room(&server);
    let stuck = one_who_never_reads(case, &server, &alice);
    let address = stuck.address().to_string();
    // What the kernel's buffers take comes before the queue: some megabytes.
    talk(&alice, &bob, 130);
    alice.hears_some("the departure of stuck", |l| l.contains(&address) && l.contains("left"));
    let slow = ["slow", "queue", "behind", "not read", "does not", "never read", "too far"];
    server.program.says("why stuck was put out", |line| {
        line.contains(&address) && slow.iter().any(|word| line.contains(word))
    });
}

/// A client that falls behind by more than the bound is disconnected, and the others are told. Up to its end it gets
/// every line: a chat with holes in it, of which the client cannot know, is worse than an end. (Where a socket takes a part of
/// what is written, the rest has to be kept.)
wire(server) fn a_client_that_falls_behind_misses_no_line_before_its_end(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    // The kernel takes some megabytes, and the server keeps one more. So some of these clients
    // come back while there are lines in the queue, and the last one comes too late.
    for blocks in [40, 46, 52, 130] {
        let mut late = one_who_never_reads(case, &server, &alice);
        talk(&alice, &bob, blocks);
        alice.send("the fence");
        late.read_on();
        if !gets_all_to_the_fence(&late, blocks) {
            let gone = late.address().to_string();
            alice.hears_some("the departure of stuck", |l| l.contains(&gone) && l.contains("left"));
        }
    }
}

/// A client that pauses, within the bound, loses nothing.
wire(server) fn a_client_that_reads_late_gets_everything(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    let mut late = one_who_never_reads(case, &server, &alice);
    talk(&alice, &bob, 10);
    late.read_on();
    for block in 0..10 {
        for n in 0..BLOCK {
            let text = format!("{block}.{n} xx");
            let line = late.hears_some("a long line", |l| l.contains("xxxx"));
            require(line.contains(&text), text, testkit::shown(line));
        }
    }
}

/// At the end the server delivers what it has accepted, also to a client that reads
/// late, and only then closes.
wire(server) fn what_was_accepted_is_delivered_at_the_end(case) {
    let server = case.server();
    let [alice, bob] = case.room(&server);
    let mut late = one_who_never_reads(case, &server, &alice);
    talk(&alice, &bob, 10);
    server.terminate();
    bob.hears_of("server is shutting down");
    late.read_on();
    let lines = late.lines_to_the_end();
    let messages = lines.iter().filter(|line| line.contains("xxxx")).count();
    require(messages == 10 * BLOCK, format!("{} messages", 10 * BLOCK), messages.to_string());
    let last = lines.last().map(String::as_str).unwrap_or_default();
    require(last == "[SERVER] server is shutting down", "the notice, last", testkit::shown(last));
}
}

checks! { pub limits:

/// One client too many is told so and closed, in good order; the room is not told
/// of it, and has a place again when a client leaves.
ours(server) fn one_client_too_many_is_told_that_the_server_is_full(case) {
    let server = case.server_with(&["--listen", "127.0.0.1:0", "--max-clients", "2"]);
    let [alice, bob] = case.room(&server);
    let carol = case.connect("carol", &server);
    carol.receives("[SERVER] error: server is full");
    carol.sees_a_clean_end();
    bob.send("the fence");
    let before = alice.lines_before("the fence");
    require(before.is_empty(), "alice to hear nothing of carol", format!("{before:?}"));
    bob.close();
    alice.hears_of("left");
    let dave = case.connect("dave", &server);
    alice.hears(&format!("[SERVER] {} joined (2 online)", dave.address()));
}

/// `--rate N`: a burst of twice N passes, what is over is dropped.
ours(server) fn what_is_over_the_rate_is_dropped(case) {
    let server = case.server_with(&["--listen", "127.0.0.1:0", "--rate", "5"]);
    let (alice, bob) = rated_pair(case, &server);
    std::thread::sleep(REFILL);
    let start = Instant::now();
    alice.send_bytes("the burst\n".repeat(60).as_bytes());
    alice.hears("[SERVER] error: too fast, 5 lines per second allowed");
    alice.says_until_heard("alice is done", &bob);
    let refilled = (start.elapsed().as_secs_f64() * 5.0).ceil() as usize;
    let heard = String::from_utf8_lossy(&bob.everything()).matches("the burst").count();
    let expected = 10..=10 + refilled;
    require(expected.contains(&heard), format!("{expected:?} lines of 60"), heard.to_string());
}

/// The error comes once per burst, not once per line: it would be a flood of
/// its own. The next burst gets its own error.
ours(server) fn the_rate_error_comes_once_per_burst(case) {
    let server = case.server_with(&["--listen", "127.0.0.1:0", "--rate", "5"]);
    let (alice, bob) = rated_pair(case, &server);
    for burst in 1..=2 {
        std::thread::sleep(REFILL);
        alice.send_bytes("the burst\n".repeat(60).as_bytes());
        alice.hears_of("too fast");
        alice.says_until_heard(&format!("done {burst}"), &bob);
        bob.send(&format!("the fence {burst}"));
        alice.hears_of(&format!("the fence {burst}"));
    }
    let errors = String::from_utf8_lossy(&alice.everything()).matches("too fast").count();
    require(errors == 2, "two errors for two bursts", errors.to_string());
}

/// One client's rate is its own: the others are not slowed.
ours(server) fn the_rate_is_counted_per_client(case) {
    let server = case.server_with(&["--listen", "127.0.0.1:0", "--rate", "5"]);
    let (alice, bob) = rated_pair(case, &server);
    alice.send_bytes("flood\n".repeat(60).as_bytes());
    alice.hears_of("too fast");
    bob.send("may I?");
    alice.hears_of("may I?");
}

/// Values that make no sense are wrong usage.
ours(server) fn limits_that_make_no_sense_are_wrong_usage(case) {
    for flags in [["--max-clients", "-1"], ["--max-clients", "many"], ["--rate", "fast"], ["--queue", "-5"]] {
        let server = case.run_server(&[&["--listen", "127.0.0.1:0"], &flags[..]].concat());
        server.exits(2);
    }
}

/// Out of file descriptors the server cannot accept: it has to wait and try again,
/// neither end nor spin, and connected clients must not notice.
ours(server) fn running_out_of_file_descriptors_costs_nobody_the_connection(case) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 128; exec \"$0\" --listen 127.0.0.1:0"]).arg(case.our_server());
    let program = case.run("server", shell);
    let line = program.prints_some("\"Listening on\"", |l| l.starts_with("Listening on "));
    let address = line["Listening on ".len()..].parse();
    let address = address.unwrap_or_else(|_| fail("\"Listening on IP:PORT\"", line.clone()));
    let (alice, bob) = (case.connect_to("alice", address), case.connect_to("bob", address));
    let greet = |listener: &Peer, sender: &Peer, text: &str| {
        sender.send(text);
        listener.hears_of(text);
    };
    bob.says_until_heard("bob is here", &alice);
    let crowd: Vec<_> = (0..150).map(|n| case.connect_to(&format!("peer {n}"), address)).collect();
    greet(&bob, &alice, "can you still hear me?");
    greet(&alice, &bob, "yes, I can");
    require(program.ended().is_none(), "a server that goes on", "it ended");
    crowd.into_iter().for_each(Peer::close);
    let carol = case.connect_to("carol", address);
    carol.says_until_heard("carol is here", &alice);
}
}

/// Two clients known to each other, by their notices: at a limited rate the
/// usual way of finding each other would use up the burst.
#[track_caller]
fn rated_pair(case: &Case, server: &Server) -> (Peer, Peer) {
    let alice = case.connect("alice", server);
    let bob = case.connect("bob", server);
    bob.says_until_heard("bob is here", &alice);
    alice.says_until_heard("alice is here", &bob);
    (alice, bob)
}
