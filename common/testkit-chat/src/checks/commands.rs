//! Commands: what is none, what lacks a word, and private messages.

use crate::chat::Chat;
use crate::model::wrong_commands;
use testkit::{checks, require};

checks! {
/// What a line that begins with a slash does.
pub commands:

/// An unknown command gets an error that names it, and is not delivered: it is a
/// typing mistake, not a message.
wire(server) fn an_unknown_command_gets_an_error(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    for command in ["/nonsense", "/jion rust", "/", "/Publish this", "/msg", "/subscribe", "/publish"] {
        let why = alice.may_not(command);
        let named = why.contains(command.split(' ').next().unwrap_or_default());
        require(named, format!("an error that names {command}"), why);
    }
    alice.send("the fence");
    bob.never_hears(&format!("{}: /", alice.name), ": the fence");
    let history = chat.register("carol").history;
    let kept = history.iter().find(|l| l.contains(": /"));
    require(kept.is_none(), "no command in the history", format!("{history:?}"));
}

/// A command that lacks a word, or has a wrong one, says so, and does nothing: it is not
/// said in the room, and the connection goes on.
wire(server) fn a_command_that_lacks_a_word_gets_an_error(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let (no_text, empty_text) = (format!("/msg {}", bob.name), format!("/msg {} ", bob.name));
    for command in ["/join", "/subscribe", "/unsubscribe", "/publish", "/msg", &no_text, &empty_text, "/me waves"] {
        alice.may_not(command);
    }
    for command in wrong_commands(&chat.name("")) {
        alice.may_not(&command);
    }
    alice.send("still here");
    bob.never_hears(&format!("{}: ", alice.name), "still here");
}

/// A private message reaches its receiver, in any room, as `[private] alice: TEXT`,
/// and no other user.
wire(server) fn a_private_message_reaches_one_only(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    carol.subscribes(&alice);
    for _ in 0..2 {
        alice.send(&format!("/msg {} between  you and me ", bob.name.to_uppercase()));
        bob.hears(&format!("[private] {}: between  you and me ", alice.name));
        alice.send("the fence");
        carol.never_hears("between", ": the fence");
        bob.joins(&chat.name("rust"));
    }
    alice.leaves();
    carol.send("the other fence");
    alice.never_hears("between", "the other fence");
    for user in [&bob, &chat.register("dave")] {
        let history = user.history.iter().find(|l| l.contains("between"));
        require(history.is_none(), "no private message in a history", format!("{history:?}"));
    }
}

/// It cannot be sent to a user without an account, or to one that is not online;
/// the sender gets an error.
wire(server) fn a_private_message_to_nobody_gets_an_error(case) {
    let chat = Chat::start(case);
    chat.registered("carol");
    let [alice, bob] = chat.room();
    for name in [&chat.name("nobody"), &chat.name("carol"), "' OR '1'='1", "%"] {
        alice.may_not(&format!("/msg {name} are you there?"));
    }
    bob.tells(&alice, "the fence");
    alice.tells(&bob, "still here");
}

/// A text that looks like an answer of the server, or like a line of another user,
/// is a text like any other, also in a publication or a private message.
wire(server) fn texts_are_delivered_unchanged_by_every_way(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    bob.subscribes(&alice);
    for text in ["  spaces  ", "[SERVER] server is shutting down", "/join rust", "grüße 🦀 \x1b[31m", "%s ' OR '1'='1"] {
        alice.send(&format!("/publish {text}"));
        bob.hears(&format!("[pub] {}: {text}", alice.name));
        alice.send(&format!("/msg {} {text}", bob.name));
        bob.hears(&format!("[private] {}: {text}", alice.name));
    }
}
}

checks! {
/// How our server puts it.
pub commands_wording:

/// An error says what is wrong and what would be right.
ours(server) fn errors_say_what_would_be_right(case) {
    let chat = Chat::start(case);
    chat.registered("carol");
    let [alice, bob] = chat.room();
    let (nobody, carol) = (chat.name("nobody"), chat.name("carol"));
    for (command, why) in [
        ("/join".to_owned(), "/join needs a room: /join ROOM".to_owned()),
        ("/msg".into(), "/msg needs a user and a text: /msg USER TEXT".into()),
        (format!("/msg {}", bob.name), "/msg needs a user and a text: /msg USER TEXT".into()),
        ("/join lobby".into(), "you are in lobby already".into()),
        ("/join a/b".into(), "a room has 1 to 32 of the characters A-Z a-z 0-9 _ . -".into()),
        (format!("/msg {nobody} hello"), format!("no user {nobody}")),
        (format!("/subscribe {nobody}"), format!("no user {nobody}")),
        (format!("/msg {carol} hello"), format!("{carol} is not online")),
        (format!("/msg {} hello", alice.name), "you cannot send a private message to yourself".into()),
        ("/kick carol".into(), "/kick needs the role admin".into()),
        ("/announce hello".into(), "/announce needs the role admin".into()),
    ] {
        let got = alice.may_not(&command);
        let why = format!("[SERVER] error: {why}");
        require(got == why, format!("{why:?} for {command:?}"), got);
    }
    let got = alice.may_not("/nonsense");
    let starts = got.starts_with("[SERVER] error: unknown command /nonsense; there are /join /leave");
    require(starts, "unknown command /nonsense; there are /join /leave …", got);
}
}
