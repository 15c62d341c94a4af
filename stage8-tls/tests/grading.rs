//! The checks, checked: a right server and a right client in another language pass
//! all that they owe, and each of the wrong ones fails where its fault is. What is as
//! in the stages before has its wrong programs there.

#[path = "checks.rs"]
mod checks;

use std::process::ExitCode;
use testkit_chat::grading::{Faults, Grading, Program};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../common/testkit/servers/stage8.py");
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../common/testkit/clients/stage8.py");

fn main() -> ExitCode {
    let options = "--db {folder}/chat.db --certs {folder}/certs";
    let server = Program { file: SERVER, options, faults: SERVER_FAULTS, rules: &[] };
    let new = || checks::new_in_stage_8().run();
    let client = Some(Program {
        file: CLIENT,
        options: "--ca {folder}/certs/ca.pem",
        faults: CLIENT_FAULTS,
        rules: CLIENT_RULES,
    });
    Grading { stage: 8, server, client, checks: checks::main, new }.run()
}

/// A fault of that server, and a check that it must fail.
const SERVER_FAULTS: Faults = &[
    ("speaks-plain-text", "plain_text_gets_no_answer_in_plain_text"),
    ("speaks-tls-1-3-only", "tls_1_2_and_tls_1_3_are_spoken"),
    ("speaks-tls-1-1", "older_versions_are_refused"),
    ("has-a-certificate-for-another", "the_certificate_is_for_localhost_and_127_0_0_1"),
    ("shakes-hands-one-by-one", "whoever_stops_in_the_handshake_is_dropped"),
    ("waits-for-ever-for-a-handshake", "whoever_stops_in_the_handshake_is_dropped"),
    ("tells-no-end", "a_failed_login_ends_the_connection"),
    ("takes-truncation-for-an-end", "a_line_cut_off_on_its_way_is_no_message"),
    ("minds-no-utf8", "invalid_utf8_gets_an_error_and_the_connection_goes_on"),
    ("minds-no-utf8-in-the-login", "invalid_utf8_gets_an_error_and_the_connection_goes_on"),
    ("takes-any-key", "only_a_key_can_be_published"),
    ("knows-zero-and-one-alone", "only_a_key_can_be_published"),
    ("takes-weak-keys", "only_a_key_can_be_published"),
    ("has-keys-for-the-unknown", "there_is_no_key_where_none_was_published"),
    ("keeps-the-first-key", "a_published_key_is_given_to_who_asks"),
    ("gives-its-own-key", "a_published_key_is_given_to_who_asks"),
    ("whispers-to-all", "what_is_sealed_reaches_one_only_and_unchanged"),
    ("whispers-under-another-name", "what_is_sealed_reaches_one_only_and_unchanged"),
    ("changes-what-is-sealed", "what_is_sealed_reaches_one_only_and_unchanged"),
    ("looks-into-what-is-sealed", "what_is_sealed_reaches_one_only_and_unchanged"),
];

/// A fault of that client, and a check that it must fail.
const CLIENT_FAULTS: Faults = &[
    ("verifies-nothing", "a_server_that_cannot_be_verified_gets_nothing"),
    ("checks-no-name", "a_server_that_cannot_be_verified_gets_nothing"),
    ("falls-back-to-plain-text", "a_plain_text_server_gets_nothing"),
    ("publishes-no-key", "the_client_publishes_its_key"),
    ("whispers-in-the-clear", "a_private_message_leaves_sealed"),
    ("sends-what-is-mistyped", "a_private_message_leaves_sealed"),
    ("overtakes-private-messages", "a_private_message_leaves_sealed"),
    ("seals-for-the-name-as-typed", "a_private_message_leaves_sealed"),
    ("waits-for-a-key-that-is-none", "a_private_message_leaves_sealed"),
    ("marks-nothing", "commands_are_passed_on"),
    ("shows-half-a-line", "a_client_comes_back_with_its_token"),
    ("leaves-out-the-names", "a_private_message_leaves_sealed"),
    ("seals-anonymously", "a_private_message_leaves_sealed"),
    ("shows-replays", "a_sealed_message_that_comes_twice_is_shown_once"),
    ("looks-for-replays-too-early", "a_sealed_message_that_comes_twice_is_shown_once"),
    ("shows-what-does-not-open", "what_bob_did_not_seal_for_alice_is_not_shown"),
    ("believes-a-new-key", "a_changed_key_stops_sending"),
    ("shows-escapes-of-others", "what_was_sealed_is_shown_opened"),
    ("takes-other-spellings", "a_sealed_message_that_comes_twice_is_shown_once"),
    ("shows-equal-texts-once", "a_sealed_message_that_comes_twice_is_shown_once"),
    ("keeps-one-message-for-a-key", "what_was_sealed_is_shown_opened"),
    ("forgets-with-the-connection", "what_is_known_outlives_the_connection"),
    ("asks-anew-for-a-key", "a_changed_key_stops_sending"),
    ("lowers-the-names", "names_are_sealed_as_registered"),
    ("says-its-key-last", "the_client_publishes_its_key"),
    ("waits-a-second-for-a-key", "a_private_message_waits_for_its_key_and_not_for_ever"),
    ("knows-two-errors-alone", "a_private_message_waits_for_its_key_and_not_for_ever"),
    ("trips-over-a-key-that-is-none", "a_private_message_leaves_sealed"),
    ("hides-what-is-too-long", "rule never-in-the-clear"),
    ("gives-up-without-a-word", "a_private_message_waits_for_its_key_and_not_for_ever"),
    ("sends-what-it-gave-up", "a_private_message_waits_for_its_key_and_not_for_ever"),
    ("hides-a-changed-key", "rule first-key"),
    ("seals-any-length", "a_private_message_leaves_sealed"),
    ("limits-characters-in-private", "rule private-limit"),
    ("takes-the-next-key", "rule key-asked"),
    ("says-nothing-of-what-does-not-open", "rule not-opened"),
    ("says-nothing-without-a-key", "rule no-key"),
    ("trusts-the-system-as-well", "no_authority_counts_but_the_one_given"),
    ("verifies-the-first-time-only", "a_server_is_verified_each_time"),
    ("takes-loopback-for-localhost", "a_certificate_for_localhost_is_not_for_its_address"),
    ("minds-no-dates", "a_server_that_cannot_be_verified_gets_nothing"),
    ("accepts-what-it-has-not", "a_compression_that_is_accepted_is_used"),
    ("trips-over-no-utf8", "a_line_that_is_not_utf8_is_passed_over"),
    ("keeps-carriage-returns", "a_server_may_end_its_lines_with_cr_lf"),
    ("takes-a-cut-for-an-end", "a_connection_that_is_cut_off_is_an_error"),
    ("closes-both-halves", "at_the_end_of_input_what_still_comes_is_shown"),
    ("reads-nothing-while-it-half-closes", "what_is_on_its_way_at_the_end_of_input_is_shown"),
    ("stays-in-the-lobby", "a_client_goes_back_to_its_room"),
    ("remembers-the-room-that-was-typed", "rule room-again"),
    ("comes-back-after-a-kick", "a_kicked_client_ends"),
];

/// Faults of that client, and the rules that sessions at random name.
const CLIENT_RULES: Faults = &[
    ("publishes-no-key", "publishes"),
    ("sends-what-is-mistyped", "never-in-the-clear"),
    ("trips-over-a-key-that-is-none", "no-key"),
    ("seals-for-the-name-as-typed", "key-asked"),
    ("believes-a-new-key", "first-key"),
    ("keeps-one-message-for-a-key", "opened"),
    ("shows-what-does-not-open", "not-opened"),
    ("shows-replays", "shown-once"),
    ("forgets-with-the-connection", "shown-once"),
    ("marks-nothing", "marked"),
    ("stays-in-the-lobby", "room-again"),
];
