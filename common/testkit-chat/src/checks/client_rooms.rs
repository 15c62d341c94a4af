//! A client where there are rooms: what it passes on, and what a terminal shows.

use crate::connection::Connection;
use crate::mock_server::MockServer;
use std::time::Duration;
use testkit::{Case, Terminal, checks, require};

const TAB: &str = "\t";
const ENTER: &str = "\r";

/// A client on a terminal, logged in as alice, with bobby beside her.
#[track_caller]
fn logged_in<'c>(
    case: &'c Case,
    server: &MockServer<'c>,
    environment: &[(&str, &str)],
) -> (Terminal, Connection<'c>) {
    let environment = [&[("CHAT_PASSWORD", "correct horse")], environment].concat();
    let terminal = case.terminal_with(&["--connect", &server.address(), "--login", "alice"], &environment);
    let us = server.asks();
    us.receives_login();
    us.send("AUTH_SUCCESS alice token-1");
    us.send("[USERS_LIST] alice,bobby");
    terminal.shows("who is there", |rows| rows.iter().any(|row| row.contains("bobby")));
    (terminal, us)
}

/// The colours and the like that are set where `text` begins.
fn looks(raw: &str, text: &str) -> Vec<String> {
    let before = raw.find(text).map_or("", |at| &raw[..at]);
    let mut set = Vec::new();
    for rest in before.split("\x1b[").skip(1) {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';');
        match end.filter(|end| rest[*end..].starts_with('m')).map(|end| &rest[..end]) {
            Some("" | "0") => set.clear(),
            Some(look) => set.push(look.to_owned()),
            None => {}
        }
    }
    set
}

/// One line of each kind.
const KINDS: [&str; 5] = [
    "bobby: said in the room",
    "[private] bobby: between us",
    "[pub] bobby: the news",
    "[SERVER] carol joined (3 online)",
    "[SERVER] error: no user dave",
];

/// `KINDS` on the screen, each on a row of its own.
#[track_caller]
fn shows_all_kinds(terminal: &Terminal, us: &Connection) {
    KINDS.iter().for_each(|line| us.send(line));
    terminal.shows("a row for each line", |rows| {
        KINDS.iter().all(|line| rows.iter().any(|row| is_shown_as(row, line)))
    });
}

/// Where the server cannot read private messages, one that it could read is marked,
/// behind its first word.
fn is_shown_as(shown: &str, line: &str) -> bool {
    let marked = line.strip_prefix("[private] ").is_some_and(|rest| {
        shown
            .strip_prefix("[private")
            .and_then(|shown| shown.split_once("] "))
            .is_some_and(|(_, end)| end == rest)
    });
    shown == line || marked
}

/// The beginning of the row that shows `line`.
fn beginning(line: &str) -> &str {
    if line.starts_with("[private]") { "[private" } else { line }
}

checks! {
/// On a pipe.
pub client_commands:

/// What begins with a slash is the server's business: it is passed on as it is, and
/// the answer shown.
wire(client) fn commands_are_passed_on(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    for command in ["/join rust", "/rooms", "/publish  two  spaces", "/subscribe bob", "/subs", "/history 5", "/leave"] {
        client.type_line(command);
        us.receives(command);
    }
    for line in ["[ROOMS] lobby 1,rust 2", "[SUBS] bob", "[#rust] bob: hello", "[pub] bob: news"] {
        us.send(line);
        client.prints_some(line, |l| l == line);
    }
    us.send("[private] bob: psst");
    let line = client.prints_some("the private message", |l| l.contains("bob: psst"));
    if crate::over_tls(case) {
        require(line != "[private] bob: psst", "a mark, since the server could read it", line);
    } else {
        require(line == "[private] bob: psst", "[private] bob: psst", line);
    }
}

/// A kicked user stays out: the server has ended the session, and the client does not
/// come back.
wire(client) fn a_kicked_client_ends(case) {
    let server = MockServer::open(case);
    let (client, us) = server.logged_in();
    us.send("[SERVER] you were kicked by bob");
    us.peer.half_close();
    client.prints_some("the notice", |l| l == "[SERVER] you were kicked by bob");
    client.ends(Duration::from_secs(5));
}
}

checks! {
/// On a terminal.
pub client_terminal:

/// The prompt says in which room one is, in the middle of a line too.
ours(client) fn the_prompt_shows_the_room(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = logged_in(case, &server, &[]);
    terminal.shows("the lobby in the prompt", |rows| rows.last().is_some_and(|row| row.contains("lobby")));
    terminal.types("half a sen");
    terminal.shows_typed("half a sen");
    us.send("[SERVER] you are in rust (1 online)");
    us.send("[USERS_LIST] alice");
    terminal.shows("the room rust in the prompt, and what was typed", |rows| {
        rows.last().is_some_and(|row| row.contains("rust") && !row.contains("lobby") && row.ends_with("half a sen"))
    });
    terminal.types("tence");
    terminal.types(ENTER);
    us.receives("half a sentence");
}

/// Tab completes commands.
ours(client) fn tab_completes_commands(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = logged_in(case, &server, &[]);
    terminal.types("/unsub");
    terminal.types(TAB);
    terminal.shows_typed("/unsubscribe");
    terminal.types("\x15/jo");
    terminal.types(TAB);
    terminal.shows_typed("/join");
    terminal.types("\x15after it");
    terminal.types(ENTER);
    us.receives("after it");
}

/// Tab completes the names that the client has shown.
ours(client) fn tab_completes_names(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = logged_in(case, &server, &[]);
    terminal.types("/subscribe bo");
    terminal.types(TAB);
    terminal.shows_typed("/subscribe bobby");
    terminal.types(ENTER);
    let line = us.receives_some("/subscribe bobby", |l| l.trim_end() == "/subscribe bobby");
    require(line.starts_with("/subscribe bobby"), "/subscribe bobby", line);
}

/// Tab completes the rooms that the client has shown in a list.
ours(client) fn tab_completes_rooms(case) {
    let server = MockServer::open(case);
    let (mut terminal, us) = logged_in(case, &server, &[]);
    us.send("[ROOMS] lobby 2,rustaceans 4");
    terminal.shows("the rooms", |rows| rows.iter().any(|row| row.contains("rustaceans 4")));
    terminal.types("/join ru");
    terminal.types(TAB);
    terminal.shows_typed("/join rustaceans");
}

/// Private messages, publications, notices, errors and what is said in the room are
/// told apart by colour.
ours(client) fn kinds_of_lines_have_colours_of_their_own(case) {
    let server = MockServer::open(case);
    let (terminal, us) = logged_in(case, &server, &[]);
    shows_all_kinds(&terminal, &us);
    let raw = terminal.raw();
    let looks = KINDS.map(|line| looks(&raw, beginning(line)));
    for (n, one) in looks.iter().enumerate() {
        for (m, other) in looks.iter().enumerate().skip(n + 1) {
            require(one != other, format!("{:?} and {:?} in different colours", KINDS[n], KINDS[m]), format!("{one:?} for both"));
        }
    }
}

/// With `NO_COLOR` they are told apart by their text, and nothing is coloured.
ours(client) fn without_colours_the_text_says_what_is_what(case) {
    let server = MockServer::open(case);
    let (terminal, us) = logged_in(case, &server, &[("NO_COLOR", "1")]);
    shows_all_kinds(&terminal, &us);
    let raw = terminal.raw();
    for line in KINDS {
        let looks = looks(&raw, beginning(line));
        require(looks.is_empty(), format!("no colour for {line:?}"), format!("{looks:?}"));
    }
}
}
