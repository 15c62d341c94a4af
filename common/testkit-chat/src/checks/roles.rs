//! Roles: what only an admin may do.

use crate::chat::Chat;
use crate::checks::run_admin;
use crate::user::User;
use testkit::{checks, require};

/// Makes `name` an admin, from its next login on.
#[track_caller]
fn make_admin<'c>(chat: &Chat<'c>, user: User<'c>, who: &str) -> User<'c> {
    run_admin(chat.case, &["role", &user.name, "admin"]).exits(0);
    user.send("/quit");
    user.lines_to_the_end();
    chat.login(who)
}

checks! {
/// What users may not do.
pub roles:

/// `/kick` and `/announce` need the role admin, and a new account does not have it.
wire(server) fn members_neither_kick_nor_announce(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let why = alice.may_not(&format!("/kick {}", bob.name));
    let expected = "[SERVER] error: /kick needs the role admin";
    require(why == expected, expected, why);
    alice.may_not("/announce I am the admin now");
    bob.tells(&alice, "still here");
    alice.send("the fence");
    bob.never_hears("the admin now", ": the fence");
}
}

checks! {
/// What our admins may do.
pub admins:

/// A kicked user is told by which admin, and disconnected, and its session is over:
/// its client must not reconnect.
ours(server) fn an_admin_kicks(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    let alice = make_admin(&chat, alice, "alice");
    bob.joins("rust");
    alice.send(&format!("/kick {}", bob.name.to_uppercase()));
    alice.hears(&format!("[SERVER] {} was kicked", bob.name));
    bob.hears(&format!("[SERVER] you were kicked by {}", alice.name));
    bob.lines_to_the_end();
    chat.refuses("bob", &format!("RESUME {}", bob.token));
    carol.tells(&alice, "well done");
    // It is no ban.
    chat.login("bob").tells(&carol, "I am sorry");
}

/// Only another user that is online can be kicked.
ours(server) fn an_admin_kicks_only_who_is_there(case) {
    let chat = Chat::start(case);
    chat.registered("bob");
    let alice = chat.register("alice");
    let alice = make_admin(&chat, alice, "alice");
    for (name, why) in [
        (chat.name("bob"), format!("{} is not online", chat.name("bob"))),
        (chat.name("nobody"), format!("no user {}", chat.name("nobody"))),
    ] {
        let got = alice.may_not(&format!("/kick {name}"));
        let why = format!("[SERVER] error: {why}");
        require(got == why, why, got);
    }
    alice.may_not(&format!("/kick {}", alice.name));
    alice.may_not("/kick");
    alice.may_not("/announce");
}

/// An announcement reaches all users in all rooms, once, the admin too.
ours(server) fn an_announcement_reaches_everybody(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    let alice = make_admin(&chat, alice, "alice");
    bob.joins("rust");
    bob.subscribes(&alice);
    alice.send("/announce tea is  ready");
    let line = format!("[SERVER] announcement by {}: tea is  ready", alice.name);
    for user in [&alice, &bob, &carol] {
        user.hears(&line);
    }
    alice.send("/publish the fence");
    bob.never_hears("tea is", "the fence");
}

/// The role is read at the login: a change counts from the next login on.
ours(server) fn a_role_holds_from_the_next_login_on(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    run_admin(case, &["role", &alice.name, "admin"]).exits(0);
    alice.may_not("/announce not yet");
    let alice = make_admin(&chat, alice, "alice");
    alice.send("/announce now");
    bob.hears(&format!("[SERVER] announcement by {}: now", alice.name));
    run_admin(case, &["role", &alice.name, "member"]).exits(0);
    let token = alice.token.clone();
    alice.send("/quit");
    alice.lines_to_the_end();
    let alice = chat.enter("alice", &format!("RESUME {token}"));
    alice.may_not("/announce no more");
}
}
