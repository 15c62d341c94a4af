//! Publish and subscribe: what one user sends, to the users who asked for it.

use crate::chat::Chat;
use crate::user::User;
use std::collections::HashSet;
use std::time::Duration;
use testkit::{Signal, checks, require};

/// The lines with `text` that come before the one with `fence`.
#[track_caller]
fn heard_before(user: &User, text: &str, fence: &str) -> Vec<String> {
    let lines = user.lines_to(&format!("a line with {fence:?}"), |l| l.contains(fence));
    lines.into_iter().filter(|l| l.contains(text) && !l.contains(fence)).collect()
}

/// Its answer to `/subs`.
#[track_caller]
fn subs(user: &User) -> HashSet<String> {
    user.send("/subs");
    let line = user.hears_some("[SUBS] …", |l| l.starts_with("[SUBS]"));
    let names = line["[SUBS]".len()..].trim_start().split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

checks! {
/// Which user gets which message, and how often.
pub subscriptions:

/// A subscriber in another room gets what is said as `[#ROOM] alice: TEXT`; a user
/// in another room that has not subscribed gets nothing.
wire(server) fn a_subscriber_elsewhere_gets_what_is_said(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol, dave] = chat.room();
    let (rust, zig) = (chat.name("rust"), chat.name("zig"));
    bob.subscribes(&alice);
    for user in [&bob, &carol] {
        user.joins(&rust);
    }
    alice.tells(&dave, "said in the lobby");
    bob.hears(&format!("[#lobby] {}: said in the lobby", alice.name));
    alice.joins(&zig);
    alice.send("said in zig");
    bob.hears(&format!("[#{zig}] {}: said in zig", alice.name));
    alice.joins(&rust);
    alice.tells(&bob, "the fence");
    let heard = heard_before(&carol, &format!("{}: said", alice.name), "the fence");
    require(heard.is_empty(), "nothing for who has not subscribed", heard.join("; "));
}

/// A user is subscribed to, not a room: what others say there stays
/// there.
wire(server) fn only_the_publisher_is_heard_elsewhere(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    bob.subscribes(&alice);
    bob.joins(&chat.name("rust"));
    carol.tells(&alice, "not from alice");
    alice.tells(&carol, "from alice");
    bob.hears_some("what alice says", |l| l.ends_with(&format!("{}: from alice", alice.name)));
    carol.joins(&chat.name("rust"));
    carol.send("the fence");
    let heard = heard_before(&bob, "not from alice", "the fence");
    require(heard.is_empty(), "nothing of what carol says elsewhere", heard.join("; "));
}

/// No user gets a message twice: a subscriber in the same room gets it once, as all
/// users there do.
wire(server) fn a_subscriber_in_the_same_room_gets_it_once(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    bob.subscribes(&alice);
    // Twice is no more than once.
    bob.subscribes(&alice);
    alice.send("said once");
    // The second time may come behind all that is said at once: so something
    // else is between it and the fence.
    alice.send("/publish published once");
    alice.send("the fence");
    let heard = heard_before(&bob, "once", "the fence");
    let expected = [format!("{0}: said once", alice.name), format!("[pub] {0}: published once", alice.name)];
    require(heard == expected, expected.join("; "), heard.join("; "));
}

/// `_` is a letter like any other: in SQL, LIKE takes it for any.
wire(server) fn names_are_compared_letter_by_letter(case) {
    let chat = Chat::start(case);
    let [alice, first, second] = ["alice", "a_b", "axb"].map(|name| chat.register(name));
    for publisher in [&first, &second] {
        alice.subscribes(publisher);
    }
    alice.send(&format!("/unsubscribe {}", first.name));
    alice.hears_some("that it is over", |l| l.starts_with("[SERVER] you are no longer subscribed to "));
    let left = subs(&alice);
    require(left == HashSet::from([second.name.clone()]), format!("[SUBS] {}", second.name), format!("{left:?}"));
    second.send("/publish to her subscribers");
    alice.hears(&format!("[pub] {}: to her subscribers", second.name));
}

/// `/publish TEXT` reaches the subscribers as `[pub] alice: TEXT`, in all rooms,
/// and no other user: neither the room nor the publisher.
wire(server) fn a_publication_reaches_the_subscribers_and_nobody_else(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol, dave] = chat.room();
    let rust = chat.name("rust");
    for user in [&bob, &carol] {
        user.subscribes(&alice);
    }
    carol.joins(&rust);
    alice.send("/publish the news of today");
    for user in [&bob, &carol] {
        user.hears(&format!("[pub] {}: the news of today", alice.name));
    }
    alice.send("the fence");
    let heard = heard_before(&dave, "the news", ": the fence");
    require(heard.is_empty(), "no publication for who has not subscribed", heard.join("; "));
    bob.send("the other fence");
    let heard = heard_before(&alice, "the news", "the other fence");
    require(heard.is_empty(), "no publication for the publisher", heard.join("; "));
}

/// After `/unsubscribe` nothing comes any more from elsewhere.
wire(server) fn unsubscribing_ends_it(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    for user in [&bob, &carol] {
        user.subscribes(&alice);
        user.joins(&chat.name("rust"));
    }
    bob.send(&format!("/unsubscribe {}", alice.name));
    require(subs(&bob).is_empty(), "no subscription", format!("{:?}", subs(&bob)));
    alice.send("said in the lobby");
    alice.send("/publish published");
    carol.hears(&format!("[pub] {}: published", alice.name));
    alice.joins(&chat.name("rust"));
    alice.send("the fence");
    let heard = heard_before(&bob, &alice.name, "the fence");
    let heard: Vec<_> = heard.iter().filter(|l| !l.starts_with("[SERVER]") && !l.starts_with("[USERS_LIST]")).collect();
    require(heard.is_empty(), "nothing from who is not subscribed to", format!("{heard:?}"));
}

/// `/subs` lists them, by their names as registered.
wire(server) fn the_subscriptions_are_listed(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    require(subs(&alice).is_empty(), "none", format!("{:?}", subs(&alice)));
    alice.send(&format!("/subscribe {}", carol.name.to_uppercase()));
    alice.subscribes(&bob);
    let (listed, expected) = (subs(&alice), HashSet::from([bob.name.clone(), carol.name.clone()]));
    require(listed == expected, format!("{expected:?}"), format!("{listed:?}"));
    require(subs(&bob).is_empty(), "bob's own, which are none", format!("{:?}", subs(&bob)));
}

/// A name is the same in whatever case it is written, at registration and here.
wire(server) fn the_case_of_a_publishers_name_does_not_matter(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    bob.send(&format!("/subscribe {}", alice.name.to_uppercase()));
    bob.joins(&chat.name("rust"));
    alice.send("/publish hello");
    bob.hears(&format!("[pub] {}: hello", alice.name));
    bob.send(&format!("/unsubscribe {}", alice.name.to_uppercase()));
    require(subs(&bob).is_empty(), "no subscription", format!("{:?}", subs(&bob)));
}

/// Only a user with an account can be subscribed to.
wire(server) fn only_users_with_an_account_can_be_subscribed_to(case) {
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    for name in [&chat.name("nobody"), "", "a/b", "' OR '1'='1", "%"] {
        alice.may_not(&format!("/subscribe {name}"));
        alice.may_not(&format!("/unsubscribe {name}"));
    }
    require(subs(&alice).is_empty(), "no subscription", format!("{:?}", subs(&alice)));
}

/// A user that is not online can be subscribed to: the name counts.
wire(server) fn somebody_who_is_away_can_be_subscribed_to(case) {
    let chat = Chat::start(case);
    chat.registered("alice");
    let bob = chat.register("bob");
    bob.send(&format!("/subscribe {}", chat.name("alice")));
    let listed = subs(&bob);
    require(listed.contains(&chat.name("alice")), "alice among the subscriptions", format!("{listed:?}"));
    bob.joins(&chat.name("rust"));
    chat.login("alice").send("/publish back again");
    bob.hears(&format!("[pub] {}: back again", chat.name("alice")));
}

/// Subscriptions belong to the name: they are there after a lost connection, and
/// after the server was killed.
wire(server) fn subscriptions_outlive_connection_and_server(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    bob.subscribes(&alice);
    bob.send("/quit");
    bob.lines_to_the_end();
    let bob = chat.login("bob");
    bob.joins(&chat.name("rust"));
    alice.send("/publish first");
    bob.hears(&format!("[pub] {}: first", alice.name));
    chat.server.program.signal(Signal::KILL);
    chat.server.program.ends(Duration::from_secs(5));
    let chat = chat.again(&[]);
    let (bob, alice) = (chat.login("bob"), chat.login("alice"));
    require(subs(&bob).contains(&alice.name), "the subscription", format!("{:?}", subs(&bob)));
    alice.send("/publish second");
    bob.hears(&format!("[pub] {}: second", alice.name));
}
}

checks! {
/// How our server puts it.
pub subscriptions_wording:

/// Each command is answered, also when there was nothing to do.
ours(server) fn subscribing_is_answered(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    for _ in 0..2 {
        alice.send(&format!("/subscribe {}", bob.name.to_uppercase()));
        alice.hears(&format!("[SERVER] you are subscribed to {}", bob.name));
    }
    alice.send(&format!("/unsubscribe {}", bob.name.to_uppercase()));
    alice.hears(&format!("[SERVER] you are no longer subscribed to {}", bob.name));
    let why = alice.may_not(&format!("/unsubscribe {}", bob.name));
    let expected = format!("[SERVER] error: you are not subscribed to {}", bob.name);
    require(why == expected, expected, why);
    alice.send("/subs");
    alice.hears_some("[SUBS] and no name", |l| l.trim_end() == "[SUBS]");
}

/// `/subs` is sorted.
ours(server) fn the_list_of_subscriptions_is_sorted(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol, dave] = chat.room();
    for publisher in [&dave, &bob, &carol] {
        alice.subscribes(publisher);
    }
    alice.send("/subs");
    alice.hears(&format!("[SUBS] {},{},{}", bob.name, carol.name, dave.name));
}

/// What one says one has heard already.
ours(server) fn nobody_subscribes_to_oneself(case) {
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    alice.may_not(&format!("/subscribe {}", alice.name));
    require(subs(&alice).is_empty(), "no subscription", format!("{:?}", subs(&alice)));
}
}
