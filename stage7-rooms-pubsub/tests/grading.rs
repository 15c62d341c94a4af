//! The checks, checked: a right server in another language passes all that it owes,
//! and each of the wrong ones fails where its fault is. What is as in stage 6 has
//! its wrong programs there.

#[path = "checks.rs"]
mod checks;

use std::process::ExitCode;
use testkit::Suite;
use testkit_chat::grading::{Faults, Grading, Program};
use testkit_chat::suite;

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../common/testkit/servers/stage7.py");
// Rooms change nothing for a client that sends what is typed.
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../common/testkit/clients/stage6.py");

fn main() -> ExitCode {
    let options = "--db {folder}/chat.db";
    let server = Program { file: SERVER, options, faults: FAULTS, rules: &[] };
    let client = Some(Program { file: CLIENT, options: "", faults: &[], rules: &[] });
    Grading { stage: 7, server, client, checks: checks::main, new: new_in_stage_7 }.run()
}

fn new_in_stage_7() -> ExitCode {
    Suite::new(7, env!("CARGO_BIN_EXE_stage7-server"), env!("CARGO_BIN_EXE_stage7-client"))
        .with(suite::random_sessions())
        .with(suite::since_stage_7())
        .with(suite::duplicates_are_replaced())
        .run()
}

/// What a random session shows, and no other check.
const RANDOM: &str = "random_sessions_keep_to_the_contract";

/// A fault of that server, and a check that it must fail.
const FAULTS: Faults = &[
    ("has-one-room", "a_message_stays_in_its_room"),
    ("takes-any-room", "room_names_have_1_to_32_plain_characters"),
    ("stays-where-it-is", "leaving_a_room_leads_back_to_the_lobby"),
    ("lists-everybody", "users_lists_those_in_the_room"),
    ("tells-twice", "a_subscriber_in_the_same_room_gets_it_once"),
    ("tells-nobody-elsewhere", "a_subscriber_elsewhere_gets_what_is_said"),
    ("leaves-out-the-room", "a_subscriber_elsewhere_gets_what_is_said"),
    ("publishes-to-all", "a_publication_reaches_the_subscribers_and_nobody_else"),
    ("publishes-to-the-room", "a_publication_reaches_the_subscribers_and_nobody_else"),
    ("publishes-late", "one_users_lines_arrive_in_order_across_rooms_and_publications"),
    ("hands-over-slowly", "a_subscriber_who_moves_hears_everything_once"),
    ("forgets-subscriptions", "subscriptions_outlive_connection_and_server"),
    ("minds-the-case-of-subscriptions", "the_case_of_a_publishers_name_does_not_matter"),
    ("never-unsubscribes", "unsubscribing_ends_it"),
    ("loves-the-unknown", "only_users_with_an_account_can_be_subscribed_to"),
    ("relays-commands", "an_unknown_command_gets_an_error"),
    ("whispers-to-all", "a_private_message_reaches_one_only"),
    ("keeps-whispers", "the_history_is_the_rooms_own"),
    ("remembers-everywhere", "the_history_is_the_rooms_own"),
    ("has-one-history", "the_history_can_be_asked_for_by_number"),
    ("lets-anyone-kick", "members_neither_kick_nor_announce"),
    ("turns-the-second-away", "a_second_login_can_replace_the_first"),
    ("lets-two-in", "of_many_replacements_one_remains"),
    ("keeps-replaced-sessions", "a_second_login_can_replace_the_first"),
    ("stores-nothing", "the_rooms_histories_outlive_the_server"),
    ("counts-all-rooms", RANDOM),
    ("moves-silently", RANDOM),
    ("minds-the-case-of-rooms", RANDOM),
    ("shows-rooms-as-typed", RANDOM),
    ("keeps-empty-rooms", RANDOM),
    ("leaves-the-lobby", RANDOM),
    ("lowers-rooms-elsewhere", RANDOM),
    ("echoes-whispers", RANDOM),
    ("confirms-publications", RANDOM),
    ("tells-the-publisher", RANDOM),
    ("subscribes-once", RANDOM),
    ("unsubscribes-from-all", RANDOM),
    ("takes-commands-in-any-case", RANDOM),
    ("counts-blanks", RANDOM),
    ("publishes-blanks", RANDOM),
    ("sorts-rooms-by-bytes", RANDOM),
    ("lets-name-the-lobby", "the_case_of_a_rooms_name_does_not_matter"),
    ("looks-names-up-with-like", RANDOM),
    ("stores-no-whispers", "what_is_not_stored_is_seen_by_nobody"),
    ("talks-on-when-replaced", "who_is_replaced_says_nothing_more"),
    ("unsubscribes-with-like", "names_are_compared_letter_by_letter"),
    ("looks-rooms-up-with-like", RANDOM),
];
