//! A user comes back on another server, and the old one has lines of the old connection
//! that are not in the log. They must not come behind what the user said since (P1).

use crate::Test;
use crate::database_link::{DatabaseLink, Fate};
use crate::servers::{Cluster, NOT_STORED};

pub const TESTS: &[Test] = &[
    ("what_an_old_connection_said_does_not_come_behind_the_new_one", || {
        [false, true].into_iter().for_each(paused);
    }),
    ("a_lost_line_of_an_old_connection_does_not_come_behind_the_new_one", || {
        lost(Fate::Lost);
    }),
    ("a_line_whose_answer_was_lost_stays_before_the_new_connection", || {
        lost(Fate::AnswerLost);
    }),
];

/// The old connection is to a server that is paused. Whether it is still there when its
/// server goes on.
fn paused(it_has_ended: bool) {
    let cluster = Cluster::start(2);
    let reader = cluster.register(1, "reader");
    let old = cluster.register(0, "alice");
    reader.hears("[SERVER] alice joined (2 online)");
    cluster.servers[0].signal("-STOP");
    (0..50).for_each(|n| old.send(&format!("old {n}")));
    let new = cluster.enter(1, &format!("RESUME {}", old.token()));
    new.send("new");
    reader.hears("alice: new");
    if it_has_ended {
        old.disconnect();
    }
    // Before it is declared dead.
    cluster.servers[0].signal("-CONT");
    old.is_disconnected();
    // Server 0 appends this behind all that it had to append for alice.
    let other = cluster.register(0, "other");
    other.send("the end");
    reader.hears("other: the end");
    let history = cluster.history();
    let new = history.iter().position(|line| line == "alice: new").unwrap();
    let late: Vec<_> = history[new..].iter().filter(|line| line.starts_with("alice: old")).collect();
    assert!(late.is_empty(), "they come behind what she said later: {late:?}");
}

/// The old server sends the line to the database, and loses the connection to it then.
fn lost(fate: Fate) {
    let mut cluster = Cluster::start(0);
    let link = DatabaseLink::start(&cluster.url);
    for url in [&link.url, &cluster.url.clone()] {
        cluster.add_server_with_database(url);
    }
    let reader = cluster.register(1, "reader");
    let old = cluster.register(0, "alice");
    reader.hears("[SERVER] alice joined (2 online)");
    link.lose("old line", fate);
    old.send("old line");
    link.has_lost_it();
    if fate == Fate::AnswerLost {
        reader.hears("alice: old line");
    }
    let new = cluster.enter(1, &format!("RESUME {}", old.token()));
    new.send("new line");
    reader.hears("alice: new line");
    // Before it is declared dead.
    link.restore();
    old.is_disconnected();
    let other = cluster.register(0, "other");
    other.send("the end");
    reader.hears("other: the end");
    let (expected, refused) = match fate {
        Fate::Lost => (&["alice: new line", "other: the end"][..], 1),
        Fate::AnswerLost => (&["alice: old line", "alice: new line", "other: the end"][..], 0),
    };
    assert_eq!(cluster.history(), expected);
    assert_eq!(old.count(NOT_STORED), refused, "{:?}", old.lines());
}
