//! Rooms, as our server puts it.

use super::rooms::rooms;
use crate::chat::Chat;
use testkit::{checks, require};

checks! {
/// How our server puts it.
pub rooms_wording:

/// A user that moves is told its new room, and the users in it.
ours(server) fn who_moves_is_told_where_it_is(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let rust = chat.name("rust");
    bob.joins(&rust);
    alice.send(&format!("/join {rust}"));
    alice.hears(&format!("[SERVER] you are in {rust} (2 online)"));
    alice.receives(&format!("[USERS_LIST] {},{}", alice.name, bob.name));
    alice.send("/leave");
    alice.hears("[SERVER] you are in lobby (1 online)");
    alice.receives(&format!("[USERS_LIST] {}", alice.name));
}

/// Notices are the room's: those there are told, with the number of those there.
ours(server) fn notices_are_the_rooms(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol, _dave] = chat.room();
    let rust = chat.name("rust");
    carol.joins(&rust);
    alice.hears(&format!("[SERVER] {} left (3 online)", carol.name));
    bob.joins(&rust);
    alice.hears(&format!("[SERVER] {} left (2 online)", bob.name));
    carol.hears(&format!("[SERVER] {} joined (2 online)", bob.name));
    bob.send("/quit");
    carol.hears(&format!("[SERVER] {} left (1 online)", bob.name));
    carol.send("/quit");
    carol.lines_to_the_end();
    alice.send("/rooms");
    alice.never_hears(" left (", "[ROOMS]");
}

/// Upper and lower case are one room, and it is shown as the user wrote it that
/// opened it.
wire(server) fn the_case_of_a_rooms_name_does_not_matter(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let rust = chat.name("Rust");
    alice.joins(&rust);
    bob.send(&format!("/join {}", rust.to_uppercase()));
    bob.hears(&format!("[SERVER] you are in {rust} (2 online)"));
    alice.tells(&bob, "hello");
    bob.may_not(&format!("/join {}", rust.to_lowercase()));
    bob.send("/join LOBBY");
    bob.hears("[SERVER] you are in lobby (1 online)");
    // It goes with the last one in it, its way of writing too.
    alice.leaves();
    alice.send(&format!("/join {}", rust.to_lowercase()));
    alice.hears(&format!("[SERVER] you are in {} (1 online)", rust.to_lowercase()));
}

/// Empty rooms are not listed; the others are, in order. The lobby is always
/// listed.
ours(server) fn the_list_of_rooms_is_sorted_and_current(case) {
    let chat = Chat::start(case);
    let [alice, bob, carol] = chat.room();
    for (user, room) in [(&alice, "zig"), (&bob, "ada"), (&carol, "rust")] {
        user.joins(room);
    }
    bob.joins("forth");
    let listed = rooms(&alice);
    require(["forth 1", "rust 1", "zig 1"].iter().all(|room| listed.iter().any(|l| l == room)), "forth 1,rust 1,zig 1", listed.join(","));
    require(!listed.iter().any(|l| l.starts_with("ada")), "no room without users", listed.join(","));
    let mut sorted = listed.clone();
    sorted.sort();
    require(listed == sorted, sorted.join(","), listed.join(","));
}

/// Where nothing was said, that is the answer.
ours(server) fn a_room_without_history_says_so(case) {
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    alice.joins("rust");
    alice.send("/history");
    alice.hears("[SERVER] no earlier messages in rust");
}
}
