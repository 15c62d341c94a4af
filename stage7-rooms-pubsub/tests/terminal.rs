//! Our client, where it has more to get right than the graded checks ask for: lists
//! of candidates, the prompt after a move, the way back to a room, the last words.
//! Against a server played by the check, which can say whatever a server can say.

use std::process::ExitCode;
use testkit::{Suite, Terminal, checks};
use testkit_chat::connection::Connection;
use testkit_chat::mock_server::MockServer;

fn main() -> ExitCode {
    Suite::new(7, env!("CARGO_BIN_EXE_stage7-server"), env!("CARGO_BIN_EXE_stage7-client"))
        .with(testkit_chat::checks::login_terminal())
        .with(testkit_chat::checks::login_pipe())
        .with(testkit_chat::checks::hostile_server())
        .with(completion())
        .with(rooms())
        .with(leaving())
        .run()
}

const TAB: &str = "\t";
const ENTER: &str = "\r";

/// Our client on a terminal, logged in as alice, at her prompt.
#[track_caller]
fn at_the_prompt<'c>(server: &MockServer<'c>) -> (Terminal, Connection<'c>) {
    let (terminal, us) = server.logged_in_on_a_terminal();
    terminal.shows_typed("alice@lobby>");
    (terminal, us)
}

#[track_caller]
fn shows_row(terminal: &Terminal, row: &str) {
    terminal.shows(&format!("the row {row:?}"), |rows| rows.iter().any(|r| r == row));
}

checks! {
/// Tab.
pub completion:

/// Where there is more than one way to go on they are listed, and then the line
/// can be typed on. Nobody has to answer a question first: what comes in is shown
/// at once, as at any other time, however long the list.
ours(client) fn a_list_of_candidates_holds_nothing_up(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = at_the_prompt(&server);
    let names: Vec<_> = (0..500).map(|n| format!("guest{n:03}-of-a-long-name")).collect();
    us.send(&format!("[USERS_LIST] alice,{}", names.join(",")));
    us.send("bob: that is all");
    shows_row(&terminal, "bob: that is all");
    terminal.types("/msg g");
    terminal.types(TAB);
    terminal.shows("some of the names", |rows| rows.iter().any(|row| row.starts_with("guest000")));
    terminal.shows_typed("/msg guest");
    for n in 0..30 {
        us.send(&format!("bob: news {n}"));
    }
    terminal.shows("the news above what is typed", |rows| {
        let news = rows.iter().any(|row| row == "bob: news 29");
        news && rows.last().is_some_and(|row| row.ends_with("/msg guest"))
    });
    for keys in ["499", TAB, "hello"] {
        terminal.types(keys);
    }
    terminal.shows_typed("/msg guest499-of-a-long-name hello");
}

/// Whatever there is nothing to complete for stays as it is.
ours(client) fn tab_changes_nothing_that_it_does_not_know(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = at_the_prompt(&server);
    for line in ["hello bo", "/unknown bo", "/rooms bo"] {
        for keys in [line, TAB, "!"] {
            terminal.types(keys);
        }
        terminal.shows_typed(&format!("{line}!"));
        terminal.types(ENTER);
        us.receives(&format!("{line}!"));
    }
}
}

checks! {
/// The room.
pub rooms:

/// The prompt after `/join` and `/leave` shows where one is then.
ours(client) fn the_prompt_shows_the_room(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = at_the_prompt(&server);
    for (command, answer, prompt) in [
        ("/join rust", "[SERVER] you are in Rust (1 online)", "alice@Rust>"),
        ("/join a/b", "[SERVER] error: a room has 1 to 32 of the characters A-Z a-z 0-9 _ . -", "alice@Rust>"),
        ("/leave", "[SERVER] you are in lobby (2 online)", "alice@lobby>"),
    ] {
        terminal.types(command);
        terminal.types(ENTER);
        us.receives(command);
        us.send(answer);
        shows_row(&terminal, answer);
        terminal.shows_typed(prompt);
    }
}

/// A server that does not answer keeps nobody from typing for long.
ours(client) fn an_answer_that_does_not_come_is_not_waited_for(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = at_the_prompt(&server);
    terminal.types("/join rust");
    terminal.types(ENTER);
    us.receives("/join rust");
    terminal.shows_typed("alice@lobby>");
    us.send("[SERVER] you are in rust (1 online)");
    shows_row(&terminal, "[SERVER] you are in rust (1 online)");
    terminal.types("late");
    terminal.types(ENTER);
    us.receives("late");
    terminal.shows_typed("alice@rust>");
}

/// Whoever comes back begins in the lobby, as everybody does. The client goes on
/// to the room it was in before it sends what was typed for that room.
ours(client) fn a_client_comes_back_to_its_room(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    client.type_line("/join rust");
    us.receives("/join rust");
    us.send("[SERVER] you are in rust (1 online)");
    client.prints_some("where it is", |line| line.contains("you are in rust"));
    us.peer.reset();
    // Its next attempt shows that it knows.
    server.accept().peer.reset();
    client.type_line("meant for the room");
    for lost_again in [true, false] {
        let us = server.asks();
        us.receives("RESUME token-1");
        if lost_again {
            us.peer.reset();
            continue;
        }
        us.lets_in("alice", "token-1");
        us.receives("/join rust");
        us.receives("meant for the room");
        client.says("that it goes back", |line| line.contains("rust"));
    }
}

/// Nobody who was in the lobby is taken elsewhere.
ours(client) fn whoever_was_in_the_lobby_stays_there(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    for (command, room) in [("/join rust", "rust"), ("/leave", "lobby")] {
        client.type_line(command);
        us.receives(command);
        us.send(&format!("[SERVER] you are in {room} (1 online)"));
    }
    client.prints_some("where it is", |line| line.contains("you are in lobby"));
    us.peer.reset();
    let us = server.asks();
    us.receives("RESUME token-1");
    us.lets_in("alice", "token-1");
    client.type_line("hello");
    us.receives("hello");
}
}

checks! {
/// The end.
pub leaving:

/// Kicked, or logged in elsewhere: the client ends, and does not come back by
/// itself, not on a terminal either, where somebody is in the middle of a line.
ours(client) fn whoever_is_put_out_does_not_come_back(case) {
    let server = MockServer::open(case);
    for notice in ["[SERVER] you were kicked by root", "[SERVER] you logged in elsewhere"] {
        let (client, us) = server.logged_in();
        us.send(notice);
        us.peer.half_close();
        client.prints_some("the notice", |line| line == notice);
        client.exits(0);
        let (mut terminal, us) = at_the_prompt(&server);
        terminal.types("half a sen");
        terminal.shows_typed("half a sen");
        us.send(notice);
        us.peer.half_close();
        terminal.exits(0);
        shows_row(&terminal, notice);
    }
}

/// Ctrl-D leaves; what still comes is shown.
ours(client) fn ctrl_d_leaves_in_good_order(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = at_the_prompt(&server);
    terminal.types("\x04");
    us.lines_to_the_end();
    us.send("bob: goodbye");
    us.peer.half_close();
    terminal.exits(0);
    shows_row(&terminal, "bob: goodbye");
}
}
