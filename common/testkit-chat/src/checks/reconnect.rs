//! A client that loses its connection, and two that find each other.

use crate::chat::Chat;
use crate::mock_server::MockServer;
use std::time::{Duration, Instant};
use testkit::checks::SILENCE;
use testkit::{Next, checks, require};

const SOON: Duration = Duration::from_secs(5);

checks! {
/// A lost connection is nothing that a user should have to mend.
pub reconnect:

/// The connection breaks off: the client connects again by itself and shows its
/// token; then all goes on. Half a line before that is none. What another user says of
/// logins elsewhere is only said, and `/logout now` is no `/logout`.
wire(client) fn a_client_comes_back_with_its_token(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    for text in ["hello", "/logout now"] {
        client.type_line(text);
        us.receives(text);
    }
    us.send("bob: you logged in elsewhere");
    client.prints_some("what bob says", |line| line == "bob: you logged in elsewhere");
    if crate::over_tls(case) {
        // Not ended by TLS: an attacker on the way can have cut it off.
        us.peer.send_bytes(b"bob: half a li");
        us.peer.truncate();
    } else {
        us.peer.reset();
    }
    let us = server.asks();
    us.receives("RESUME token-1");
    us.lets_in("alice", "token-2");
    client.type_line("back again");
    us.receives("back again");
    us.send("bob: welcome back");
    client.prints_some("what bob says", |line| line == "bob: welcome back");
    require(!client.output().contains("half a li"), "half a line not shown", client.output());
    // The next time with the token that it got last.
    drop(us);
    server.asks().receives("RESUME token-2");
}

/// There is no limit on how long nothing may be said: a time-out for the connect is not one for the reads.
wire(client, waits) fn a_silent_room_does_not_end_the_connection(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    std::thread::sleep(SILENCE);
    us.send("bob: good morning");
    client.prints_some("what bob says", |line| line == "bob: good morning");
    client.type_line("good morning");
    us.receives("good morning");
}

/// A server that is shutting down may be one that is started again.
wire(client) fn a_client_comes_back_after_a_shutdown(case) {
    let server = MockServer::open(case);
    let (_client, us) = server.logged_in();
    us.send("[SERVER] server is shutting down");
    us.peer.half_close();
    let us = server.asks();
    us.receives("RESUME token-1");
}

/// While no server answers, the pauses between two attempts grow.
wire(client, waits) fn the_pauses_between_attempts_grow(case) {
    let server = MockServer::open(case);
    let (_client, us) = server.logged_in();
    us.peer.reset();
    let mut times = Vec::new();
    for _ in 0..4 {
        server.accept().peer.reset();
        times.push(Instant::now());
    }
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    require(pauses[2] > pauses[0].mul_f64(1.3), "pauses that grow", format!("{pauses:?}"));
}

/// A session that is over cannot be resumed: the client says so and ends, and asks
/// no thousand times.
wire(client) fn a_refused_token_ends_the_client(case) {
    let server = MockServer::open(case);
    let (client, us) = server.logged_in();
    us.peer.reset();
    let us = server.asks();
    us.receives("RESUME token-1");
    us.send("AUTH_FAILED session unknown or over");
    us.peer.half_close();
    client.exits(1);
}

/// The user has logged in elsewhere: the client here ends. Two clients that both
/// reconnect would replace each other for ever.
wire(client) fn a_replaced_client_does_not_come_back(case) {
    let server = MockServer::open(case);
    let (client, us) = server.logged_in();
    us.send("[SERVER] you logged in elsewhere");
    us.peer.half_close();
    client.prints_some("the notice", |line| line == "[SERVER] you logged in elsewhere");
    client.ends(SOON);
}

/// What is typed while there is no connection is sent when there is one again.
wire(client) fn what_is_typed_meanwhile_is_not_lost(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    us.peer.reset();
    // Its next attempt shows that it knows. That one leads nowhere.
    server.accept().peer.reset();
    for n in 0..20 {
        client.type_line(&format!("typed meanwhile {n}"));
    }
    let us = server.asks();
    us.receives("RESUME token-1");
    us.lets_in("alice", "token-1");
    for n in 0..20 {
        us.receives(&format!("typed meanwhile {n}"));
    }
}

/// With our server killed and started again on its port, what is typed then
/// arrives as if nothing had happened.
ours(both) fn a_client_outlives_its_server(case) {
    let chat = Chat::start(case);
    let address = chat.server.address();
    let bob = chat.register("bob");
    let mut client = case.client(address);
    client.try_type(format!("REGISTER {} correct horse\nhello\n", chat.name("alice")).as_bytes());
    bob.hears(&format!("{}: hello", chat.name("alice")));
    chat.server.program.signal(testkit::Signal::KILL);
    chat.server.program.ends(SOON);
    while !matches!(bob.next(), Next::End(..)) {}
    let chat = chat.again_on(address);
    let bob = chat.login("bob");
    if !bob.users.contains(&chat.name("alice")) {
        bob.hears_some("alice to come back", |l| l.starts_with(&format!("[SERVER] {} joined", chat.name("alice"))));
    }
    client.type_line("here I am again");
    bob.hears(&format!("{}: here I am again", chat.name("alice")));
    client.end_input();
    client.exits(0);
}

/// Two clients understand each other through the server.
wire(both) fn two_clients_understand_each_other(case) {
    let chat = Chat::start(case);
    let carol = chat.register("carol");
    let mut clients = ["alice", "bob"].map(|who| {
        let mut client = case.client(chat.server.address());
        client.try_type(format!("REGISTER\n{}\ncorrect horse\n", chat.name(who)).as_bytes());
        carol.hears_some("an arrival", |l| l.starts_with(&format!("[SERVER] {} joined", chat.name(who))));
        client
    });
    for (from, who) in [(0, "alice"), (1, "bob")] {
        clients[from].type_line(&format!("hello from {who}"));
        let expected = format!("{}: hello from {who}", chat.name(who));
        clients[1 - from].prints_some(&expected, |line| line == expected);
    }
}
}
