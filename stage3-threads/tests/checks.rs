//! The graded checks of stage 3. They know `docs/src/contract.md` and nothing of our
//! code: `STAGE3_SERVER='python3 server.py {host} {port}' cargo test -p
//! stage3-threads --test checks` grades any other program.

use common::poison::IgnorePoison;
use std::io::Write;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::Duration;
use testkit::{Case, Peer, Suite, checks, require};

fn main() -> ExitCode {
    Suite::new(3, env!("CARGO_BIN_EXE_stage3-server"), env!("CARGO_BIN_EXE_stage3-client"))
        .with(checks::server_starts())
        .with(checks::client_starts())
        .with(checks::start())
        .with(checks::server_addresses())
        .with(checks::shutdown())
        .with(checks::log())
        .with(checks::echo())
        .with(checks::server_sessions())
        .with(many_at_once())
        .with(checks::lines())
        .with(checks::empty_line_is_echoed())
        .with(checks::robustness())
        .with(checks::isolation())
        .with(checks::shutdown_with_clients())
        .with(checks::lock_step())
        .with(checks::piped_client())
        .with(checks::client_program())
        .with(checks::client_addresses())
        .with(checks::terminal())
        .with(experiments().into_iter().map(|check| check.within(EXPERIMENT_LIMIT)).collect())
        .run()
}

/// The peer says something and must be answered with the same.
#[track_caller]
fn is_served(peer: &Peer, line: &str) {
    peer.send(line);
    peer.receives(line);
}

checks! { many_at_once:

/// One thread per client: accept, start the thread, accept again. No client waits
/// until another one has left.
wire(server) fn the_second_client_is_served_while_the_first_is_there(case) {
    let server = case.server();
    let alice = case.connect("alice", &server);
    is_served(&alice, "first");
    let bob = case.connect("bob", &server);
    is_served(&bob, "second");
    is_served(&alice, "first again");
}

/// Fifty clients, all of them connected, in turns.
wire(server) fn fifty_clients_are_served_at_once(case) {
    let server = case.server();
    let peers: Vec<_> = (0..50).map(|n| case.connect(&format!("peer {n}"), &server)).collect();
    for round in 0..3 {
        peers.iter().enumerate().for_each(|(n, peer)| peer.send(&format!("{n} in round {round}")));
        peers.iter().enumerate().for_each(|(n, peer)| peer.receives(&format!("{n} in round {round}")));
    }
}

/// Each client gets its own lines back and no others: look for a buffer or a socket
/// that the threads share.
wire(server) fn answers_go_to_the_one_who_asked(case) {
    let server = case.server();
    let peers: Vec<_> = (0..8).map(|n| case.connect(&format!("peer {n}"), &server)).collect();
    for (n, peer) in peers.iter().enumerate() {
        let lines: String = (0..200).map(|line| format!("{n}: line {line}\n")).collect();
        peer.send_bytes(lines.as_bytes());
    }
    for (n, peer) in peers.iter().enumerate() {
        (0..200).for_each(|line| peer.receives(&format!("{n}: line {line}")));
    }
}

/// A client that sends and does not read: its thread waits to write, and nobody else does. Hold no lock
/// while you write to a socket.
wire(server) fn a_client_that_does_not_read_keeps_nobody_waiting(case) {
    let server = case.server();
    let alice = case.connect("alice", &server);
    is_served(&alice, "first");
    let mut stalled = case.stream_with_small_buffer("stalled", server.address());
    stalled.set_write_timeout(Some(Duration::from_millis(200))).expect("it is not zero");
    let lines = format!("{}\n", "x".repeat(1000)).repeat(64);
    // Until the server takes no more, or has taken 12 MiB.
    let _ = (0..192).try_for_each(|_| stalled.write_all(lines.as_bytes()));
    is_served(&alice, "still here");
    is_served(&case.connect("bob", &server), "new here");
}

/// A client that leaves, in any way, ends its own thread only.
wire(server) fn those_who_stay_are_served_when_others_leave(case) {
    let server = case.server();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| case.connect(name, &server));
    is_served(&bob, "hello");
    is_served(&carol, "hello");
    bob.reset();
    carol.send("!DISCONNECT");
    carol.sees_a_clean_end();
    is_served(&alice, "still here");
}
}

/// For an experiment, which waits for those before it and then has 10 s.
const EXPERIMENT_LIMIT: Duration = Duration::from_secs(80);

/// Experiments run one at a time: most of them measure time.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `stage3-experiments NAME`, which owes an explanation within 10 s.
#[track_caller]
fn experiment(case: &Case, name: &str) {
    let _alone = ALONE.lock().ignore_poison();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stage3-experiments"));
    command.arg(name);
    let program = case.run("experiment", command);
    let exit = program.ends(Duration::from_secs(10));
    require(exit == testkit::Exit::Code(0), "exit code 0", exit.to_string());
    let output = program.output();
    require(output.lines().count() >= 3, "an explanation on standard output", format!("{output:?}"));
    require(output.contains(|c: char| c.is_ascii_digit()), "figures", format!("{output:?}"));
    require(!output.contains('\x1b'), "no colour on a pipe", format!("{output:?}"));
}

checks! { experiments:

/// Shows a thread new, runnable, running, blocked and terminated.
ours(tool) fn the_lifecycle_experiment_explains_itself(case) {
    experiment(case, "lifecycle");
}

/// Times concurrency against parallelism.
ours(tool) fn the_parallelism_experiment_explains_itself(case) {
    experiment(case, "parallelism");
}

/// Loses updates, then does the same work with a lock and with an atomic.
ours(tool) fn the_race_experiment_explains_itself(case) {
    experiment(case, "race");
}

/// Takes two locks in opposite order; the deadlock is noticed, reported, cured,
/// and the program still ends.
ours(tool) fn the_deadlock_experiment_explains_itself(case) {
    experiment(case, "deadlock");
}

/// Breaks an invariant over two fields between two locks.
ours(tool) fn the_corruption_experiment_explains_itself(case) {
    experiment(case, "corruption");
}

/// Times a comparison that stops early against one in constant time.
ours(tool) fn the_side_channel_experiment_explains_itself(case) {
    experiment(case, "side-channel");
}

/// Alice succeeds, bob has the wrong password.
ours(tool) fn the_login_experiment_explains_itself(case) {
    experiment(case, "login");
    let mut command = Command::new(env!("CARGO_BIN_EXE_stage3-experiments"));
    command.arg("login");
    let program = case.run("experiment", command);
    program.exits(0);
    for name in ["alice", "bob"] {
        let output = program.output();
        require(output.contains(name), format!("a word about {name}"), format!("{output:?}"));
    }
}

/// An unknown experiment is wrong usage.
ours(tool) fn an_unknown_experiment_is_wrong_usage(case) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stage3-experiments"));
    command.arg("no-such-experiment");
    let program = case.run("experiment", command);
    program.exits(2);
    require(!program.errors().is_empty(), "what is wrong, on standard error", "nothing");
}
}
