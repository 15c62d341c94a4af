//! Our client where private messages meet a person: warnings that nobody overlooks,
//! and lines that keep their order while a key is asked for. Against a server played
//! by the check, which can say whatever a server can say.

use stage8_tls::identity::{Identity, PublicKey};
use std::process::ExitCode;
use testkit::{Case, Suite, Terminal, checks, require};
use testkit_chat::connection::Connection;
use testkit_chat::mock_server::MockServer;

fn main() -> ExitCode {
    Suite::new(8, env!("CARGO_BIN_EXE_stage8-server"), env!("CARGO_BIN_EXE_stage8-client"))
        .with(testkit_chat::checks::login_terminal())
        .with(testkit_chat::checks::login_pipe())
        .with(testkit_chat::checks::hostile_server())
        .with(private())
        .run()
}

const TAB: &str = "\t";
const ENTER: &str = "\r";

/// Our client on a terminal, logged in as alice, at her prompt; and her key.
#[track_caller]
fn at_the_prompt<'c>(case: &Case, server: &MockServer<'c>) -> (Terminal, Connection<'c>, PublicKey) {
    let password = ("CHAT_PASSWORD", "correct horse");
    let terminal = case.terminal_with(&["--connect", &server.address(), "--login", "alice"], &[password]);
    let mut us = server.asks();
    us.from_a_client = false;
    us.receives_login();
    us.lets_in("alice", "token-1");
    let line = us.receives_some("/pubkey BASE64", |l| l.starts_with("/pubkey "));
    let key = line["/pubkey ".len()..].parse();
    terminal.shows("who is there, and her prompt", |rows| {
        let there = rows.iter().any(|row| row == "[USERS_LIST] alice,bob");
        there && rows.last().is_some_and(|row| row == "alice@lobby>")
    });
    (terminal, us, key.unwrap_or_else(|e| testkit::fail("a public key", format!("{e}: {line}"))))
}

#[track_caller]
fn types_a_line(terminal: &mut Terminal, line: &str) {
    terminal.types(line);
    terminal.shows_typed(line);
    terminal.types(ENTER);
}

/// The question about bob's key comes next, and is answered with this one.
#[track_caller]
fn asked_for_bobs_key(us: &Connection, bob: &Identity) {
    us.receives("/key bob");
    us.send(&format!("[KEY] bob {}", bob.public()));
}

/// What the client sends next is for bob, who opens it.
#[track_caller]
fn opened_by_bob(us: &Connection, bob: &Identity, alice: &PublicKey) -> String {
    let line = us.receives_some("/dm bob BASE64", |l| l.starts_with("/dm bob "));
    let opened = bob.open(alice, "alice", "bob", &line["/dm bob ".len()..]);
    opened.unwrap_or_else(|e| testkit::fail("a message for bob", format!("{e}: {line}")))
}

checks! {
/// Private messages on a terminal.
pub private:

/// `/msg` is typed as ever, with Tab; what is typed behind it keeps its order while
/// the key is asked for, and nobody has to wait for that to go on typing.
ours(client) fn what_is_typed_while_a_key_is_asked_for_keeps_its_order(case) {
    let server = MockServer::open(case);
    let (mut terminal, us, alice) = at_the_prompt(case, &server);
    let bob = Identity::random();
    terminal.types("/ms");
    terminal.types(TAB);
    terminal.types("bo");
    terminal.types(TAB);
    terminal.types("psst");
    terminal.shows_typed("> /msg bob psst");
    terminal.types(ENTER);
    us.receives("/key bob");
    types_a_line(&mut terminal, "hello, all");
    types_a_line(&mut terminal, "/msg bob and now");
    us.send("carol: meanwhile");
    terminal.shows("what carol says", |rows| rows.iter().any(|row| row == "carol: meanwhile"));
    us.send(&format!("[KEY] bob {}", bob.public()));
    let opened = opened_by_bob(&us, &bob, &alice);
    require(opened == "psst", "psst", opened);
    us.receives("hello, all");
    asked_for_bobs_key(&us, &bob);
    let opened = opened_by_bob(&us, &bob, &alice);
    require(opened == "and now", "and now", opened);
    terminal.shows("no answers about keys", |rows| !rows.iter().any(|row| row.contains("[KEY]")));
}

/// A changed key: several lines in a colour of their own, above what is being typed;
/// nothing is sent before the person has said that the new key is right.
ours(client) fn a_changed_key_is_a_loud_warning(case) {
    let server = MockServer::open(case);
    let (mut terminal, us, alice) = at_the_prompt(case, &server);
    let (before, after) = (Identity::random(), Identity::random());
    types_a_line(&mut terminal, "/msg bob one");
    asked_for_bobs_key(&us, &before);
    opened_by_bob(&us, &before, &alice);
    types_a_line(&mut terminal, "/msg bob two");
    us.receives("/key bob");
    terminal.types("half a sen");
    terminal.shows_typed("half a sen");
    us.send(&format!("[KEY] bob {}", after.public()));
    terminal.shows("the warning above what is typed", |rows| {
        let warned = rows.iter().any(|row| row == "WARNING: THE KEY OF bob HAS CHANGED");
        warned && rows.iter().any(|row| row.contains("/trust bob")) && rows.last().is_some_and(|row| row.ends_with("half a sen"))
    });
    let raw = terminal.raw();
    require(raw.contains("\x1b[1;31mWARNING"), "it in a colour of its own", format!("{raw:?}"));
    types_a_line(&mut terminal, "tence");
    us.receives("half a sentence");
    types_a_line(&mut terminal, "/trust bob");
    terminal.shows("that it is trusted", |rows| rows.iter().any(|row| row.contains("is trusted from now on")));
    types_a_line(&mut terminal, "/msg bob three");
    asked_for_bobs_key(&us, &after);
    let opened = opened_by_bob(&us, &after, &alice);
    require(opened == "three", "three", opened);
}

/// What bob has sealed is shown as private; what the server could read, as that.
ours(client) fn private_messages_say_who_could_read_them(case) {
    let server = MockServer::open(case);
    let (terminal, us, alice) = at_the_prompt(case, &server);
    let bob = Identity::random();
    let sealed = bob.seal(&alice, "bob", "alice", "hello \x1b[2J");
    us.send(&format!("[DM] bob {}", sealed.unwrap_or_default()));
    us.send("[private] bob: hello in the clear");
    us.send("[DM] bob AAAA");
    asked_for_bobs_key(&us, &bob);
    terminal.shows("one opened, one marked, one that cannot be opened", |rows| {
        let shown = |start: &str, end: &str| rows.iter().any(|row| row.starts_with(start) && row.ends_with(end));
        shown("[private] bob: hello \\x1b[2J", "")
            && shown("[private, in the clear", "bob: hello in the clear")
            && shown("[private] bob: (cannot be opened", ")")
    });
}

/// On a pipe the first lines answer the login. A message is none, and a server that
/// asks is not sent it in the clear, whatever it asks for.
ours(client) fn no_server_gets_a_message_in_the_clear(case) {
    let server = MockServer::open(case);
    let mut client = server.client();
    client.try_type(b"/msg bob the secret\nLOGIN\n/msg bob the secret\nalice\n/MSG bob the secret\n");
    let us = server.asks();
    us.receives("LOGIN");
    us.send("ENTER_USERNAME");
    us.receives("alice");
    us.send("ENTER_PASSWORD");
    client.says("that it is not sent", |line| line.contains("Not sent"));
    client.end_input();
    us.lines_to_the_end();
    require(!String::from_utf8_lossy(&us.peer.everything()).contains("secret"), "no secret", "it was sent");
}
}
