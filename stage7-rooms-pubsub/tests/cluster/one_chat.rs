//! Nobody notices on which server anybody is.

use crate::Test;
use crate::servers::{Cluster, PATIENCE};
use mysql::prelude::Queryable;
use std::thread;

pub const TESTS: &[Test] = &[
    ("rooms_and_lists_hold_across_servers", rooms_and_lists),
    ("private_messages_publications_and_announcements_reach_other_servers", to_other_servers),
    ("an_admin_kicks_a_user_of_another_server", kick),
    ("a_second_login_takes_the_name_on_another_server", replaced),
    ("with_reject_a_second_login_on_another_server_is_refused", rejected),
    ("of_two_logins_at_once_one_wins_everywhere", at_once),
    ("a_server_that_starts_later_knows_who_is_there", later),
    ("a_server_that_ends_takes_its_users_along_at_once", ends),
];

fn rooms_and_lists() {
    let cluster = Cluster::start(3);
    let [alice, bob, carol] = ["alice", "bob", "carol"];
    let users = [cluster.register(0, alice), cluster.register(1, bob), cluster.register(2, carol)];
    users.iter().for_each(|user| user.hears("[USERS_LIST] alice,bob,carol"));
    users[0].send("hello");
    users[1].hears("alice: hello");
    users[2].hears("alice: hello");
    users[1].send("/join Rust");
    // Each server answers for what it has read of the log.
    users[0].hears("[SERVER] bob left (2 online)");
    users[2].hears("[SERVER] bob left (2 online)");
    users[2].send("/rooms");
    users[2].hears("[ROOMS] lobby 2,Rust 1");
    users[2].send("/join rUST");
    users[2].hears("[SERVER] you are in Rust (2 online)");
    users[1].hears("[SERVER] carol joined (2 online)");
    users[1].send("in the room");
    users[2].hears("bob: in the room");
    users[2].send("/users");
    users[2].hears("[USERS_LIST] bob,carol");
    users[2].send("/history");
    users[2]
        .hears_some("the history", |line| line.starts_with("[HISTORY] ") && line.ends_with("in the room"));
    users[0].hears("[SERVER] carol left (1 online)");
    users[0].send("/rooms");
    users[0].hears("[ROOMS] lobby 1,Rust 2");
    assert_eq!(users[0].count("bob: in the room"), 0, "alice is in another room");
}

fn to_other_servers() {
    let cluster = Cluster::start(2);
    let (alice, bob) = (cluster.register(0, "alice"), cluster.register(1, "bob"));
    alice.hears("[SERVER] bob joined (2 online)");
    alice.send("/msg BOB for you");
    bob.hears("[private] alice: for you");
    bob.send("/subscribe alice");
    bob.hears("[SERVER] you are subscribed to alice");
    alice.send("/publish news");
    bob.hears("[pub] alice: news");
    alice.send("/join elsewhere");
    bob.hears("[SERVER] alice left (1 online)");
    alice.send("from elsewhere");
    bob.hears("[#elsewhere] alice: from elsewhere");
    alice.send("/msg nobody x");
    alice.hears("[SERVER] error: no user nobody");
    cluster.admin().query_drop("UPDATE users SET role = 'admin' WHERE username = 'bob'").unwrap();
    let bob = cluster.login(1, "bob");
    bob.send("/announce all of you");
    alice.hears("[SERVER] announcement by bob: all of you");
    bob.send("/quit");
    bob.is_disconnected();
    alice.send("/msg bob too late");
    alice.hears("[SERVER] error: bob is not online");
}

fn kick() {
    let cluster = Cluster::start(2);
    cluster.register(0, "alice").send("/quit");
    cluster.admin().query_drop("UPDATE users SET role = 'admin' WHERE username = 'alice'").unwrap();
    let bob = cluster.register(1, "bob");
    let token = bob.token();
    let alice = cluster.login(0, "alice");
    bob.hears_some("alice to come back", |line| line.starts_with("[SERVER] alice joined (2"));
    alice.forget();
    alice.send("/kick Bob");
    alice.hears("[SERVER] bob was kicked");
    bob.hears("[SERVER] you were kicked by alice");
    bob.is_disconnected();
    alice.hears("[SERVER] bob left (1 online)");
    // The session is over, too, some moments later.
    let over = "AUTH_FAILED session unknown or over, log in again";
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let back = cluster.connect(0, &format!("RESUME {token}"));
        back.is_disconnected();
        if back.count(over) == 1 {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{:?}", back.lines());
    }
}

fn replaced() {
    let cluster = Cluster::start(2);
    let watcher = cluster.register(0, "watcher");
    let first = cluster.register(0, "alice");
    let token = first.token();
    let second = cluster.login(1, "ALICE");
    first.hears("[SERVER] you logged in elsewhere");
    first.is_disconnected();
    watcher.forget();
    second.send("I am here");
    watcher.hears("alice: I am here");
    // The one that lost cannot come back by itself: the session has ended.
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let back = cluster.connect(0, &format!("RESUME {token}"));
        back.is_disconnected();
        if back.count("AUTH_FAILED session unknown or over, log in again") == 1 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{:?}", back.lines());
    }
    // But the session that is online can come back on another server, at once.
    let third = cluster.enter(0, &format!("RESUME {}", second.token()));
    second.hears("[SERVER] you logged in elsewhere");
    third.send("/users");
    third.hears("[USERS_LIST] alice,watcher");
}

fn rejected() {
    let cluster = Cluster::start_with(2, &["--on-duplicate", "reject"]);
    let first = cluster.register(0, "alice");
    let second = cluster.connect(1, "LOGIN alice a good password");
    second.hears("AUTH_FAILED already logged in");
    second.is_disconnected();
    assert!(!first.has_ended());
    first.send("/quit");
    first.is_disconnected();
    cluster.login(1, "alice");
}

fn at_once() {
    let cluster = Cluster::start(3);
    let watcher = cluster.register(2, "watcher");
    cluster.register(0, "alice").send("/quit");
    for round in 0..10 {
        let line = "LOGIN alice a good password";
        let pair = thread::scope(|scope| {
            let one = scope.spawn(|| cluster.enter(0, line));
            let other = scope.spawn(|| cluster.enter(1, line));
            [one.join().unwrap(), other.join().unwrap()]
        });
        let lost = |n: usize| pair[n].count("[SERVER] you logged in elsewhere") == 1;
        let deadline = std::time::Instant::now() + PATIENCE;
        while !lost(0) && !lost(1) {
            assert!(
                std::time::Instant::now() < deadline,
                "both are in: {:?} {:?}",
                pair[0].lines(),
                pair[1].lines()
            );
            thread::sleep(std::time::Duration::from_millis(5));
        }
        let (winner, loser) = if lost(0) { (&pair[1], &pair[0]) } else { (&pair[0], &pair[1]) };
        loser.is_disconnected();
        watcher.forget();
        winner.send(&format!("round {round}"));
        watcher.hears(&format!("alice: round {round}"));
        watcher.forget();
        watcher.send("/users");
        watcher.hears("[USERS_LIST] alice,watcher");
        assert!(!winner.has_ended(), "{:?}", winner.lines());
    }
}

fn later() {
    let mut cluster = Cluster::start(1);
    let alice = cluster.register(0, "alice");
    alice.send("before");
    alice.send("/join Rust");
    alice.hears_some("the room", |line| line.starts_with("[SERVER] you are in Rust"));
    let server = cluster.new_server(&[]);
    cluster.servers.push(server);
    let bob = cluster.register(1, "bob");
    bob.hears_some("the history", |line| line.starts_with("[HISTORY] ") && line.ends_with("alice: before"));
    bob.send("/rooms");
    bob.hears("[ROOMS] lobby 1,Rust 1");
    bob.send("/join rust");
    bob.hears("[USERS_LIST] alice,bob");
    alice.send("hi");
    bob.hears("alice: hi");
}

fn ends() {
    let mut cluster = Cluster::start(2);
    let (alice, bob) = (cluster.register(0, "alice"), cluster.register(1, "bob"));
    alice.hears("[SERVER] bob joined (2 online)");
    cluster.servers[1].signal("-TERM");
    bob.hears("[SERVER] server is shutting down");
    assert!(cluster.servers[1].wait().success());
    alice.wait("for bob to leave", std::time::Duration::from_secs(3), |lines| {
        lines.lines.iter().any(|line| line == "[SERVER] bob left (1 online)")
    });
}
