//! The checks, checked: a right server and a right client in another language pass
//! all that they owe, and each of the wrong ones fails where its fault is.

#[path = "checks.rs"]
mod checks;

use std::process::ExitCode;
use testkit_chat::grading::{Faults, Grading, Program};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../common/testkit/servers/stage6.py");
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../common/testkit/clients/stage6.py");

fn main() -> ExitCode {
    let options = "--db {folder}/chat.db";
    let server = Program { file: SERVER, options, faults: SERVER_FAULTS, rules: &[] };
    let client = Some(Program { file: CLIENT, options: "", faults: CLIENT_FAULTS, rules: CLIENT_RULES });
    Grading { stage: 6, server, client, checks: checks::main, new: checks::main }.run()
}

/// What a random session shows, and no other check.
const RANDOM: &str = "random_sessions_keep_to_the_contract";

/// A fault of that client, and a check that it must fail.
const CLIENT_FAULTS: Faults = &[
    ("sends-in-the-clear", "what_is_typed_is_sent_sealed"),
    ("fixes-its-iv", "what_is_typed_is_sent_sealed"),
    ("shows-forgeries", "a_line_that_is_not_sealed_well_is_not_shown"),
    ("shows-what-is-not-sealed", "a_line_that_is_not_sealed_well_is_not_shown"),
    ("shows-escapes", "an_opened_text_cannot_drive_the_terminal"),
    ("escapes-control-characters-only", "an_opened_text_cannot_drive_the_terminal"),
    ("keeps-cr", "what_comes_in_is_shown_opened"),
    ("drops-every-cr", "rule forged"),
    ("reads-its-input-as-text", "what_is_typed_is_sent"),
    ("answers-with-empty-lines", "the_first_lines_of_input_answer_the_login"),
    ("says-goodbye-in-the-clear", "rule sealed"),
    ("keeps-its-time-out", "a_silent_room_does_not_end_the_connection"),
    ("limits-no-answers", "rule text-limit"),
    ("limits-characters", "rule text-limit"),
    ("cuts-long-texts", "what_is_typed_is_sent_sealed"),
    ("takes-logout-now-for-logout", "a_client_comes_back_with_its_token"),
    ("believes-anybody-about-elsewhere", "a_client_comes_back_with_its_token"),
    ("calls-a-reset-a-success", "a_refusal_is_shown_and_ends_the_client"),
    ("waits-for-an-answer", "a_refusal_is_shown_and_ends_the_client"),
    ("takes-silence-for-the-end", "rule logs-in"),
    ("stays-without-an-answer", "rule end-of-input"),
    ("cuts-long-lines", "what_comes_in_is_shown_opened"),
    ("hides-the-login", "what_comes_in_is_shown_opened"),
    ("ignores-refusals", "a_refusal_is_shown_and_ends_the_client"),
    ("calls-a-refusal-a-success", "a_refusal_is_shown_and_ends_the_client"),
    ("takes-a-user-for-a-refusal", "random_sessions_of_a_client_keep_to_the_contract"),
    ("ends-hastily", "at_the_end_of_input_what_still_comes_is_shown"),
    ("never-comes-back", "a_client_comes_back_with_its_token"),
    ("stays-away-after-a-shutdown", "a_client_comes_back_after_a_shutdown"),
    ("comes-back-as-somebody-new", "a_client_comes_back_with_its_token"),
    ("keeps-its-first-token", "a_client_comes_back_with_its_token"),
    ("tries-once", "rule comes-back"),
    ("says-its-last-line-again", "rule not-again"),
    ("speaks-before-it-is-back", "rule logs-in"),
    ("sends-behind-quit", "rule client-words"),
    ("comes-back-at-once", "the_pauses_between_attempts_grow"),
    ("comes-back-for-ever", "a_refused_token_ends_the_client"),
    ("comes-back-from-elsewhere", "a_replaced_client_does_not_come_back"),
    ("comes-back-after-quit", "quitting_ends_the_client"),
    ("comes-back-after-logout", "logging_out_ends_the_client"),
];

/// A fault of that server, and a check that it must fail.
const SERVER_FAULTS: Faults = &[
    ("takes-plain-lines", "a_first_line_that_is_not_sealed_well_is_rejected"),
    ("answers-in-the-clear", "the_first_line_is_a_sealed_auth_required"),
    ("checks-no-tag", "a_message_that_is_not_sealed_well_is_rejected"),
    ("takes-two-lines-for-one", "a_message_that_is_not_sealed_well_is_rejected"),
    ("has-one-key", "the_first_line_is_a_sealed_auth_required"),
    ("tags-the-text", "the_first_line_is_a_sealed_auth_required"),
    ("fixes-its-iv", "every_line_has_an_iv_of_its_own"),
    ("goes-on-after-a-bad-line", "a_rejected_line_ends_the_connection"),
    ("has-no-line-limit", "a_line_longer_than_4096_bytes_gets_an_error_and_the_end"),
    ("asks-nothing", "the_first_line_is_a_sealed_auth_required"),
    ("knows-no-short-form", "the_login_fits_one_line"),
    ("accepts-any-password", "only_the_right_password_comes_in"),
    ("names-the-unknown", "the_reason_tells_nothing"),
    ("hurries-with-the-unknown", "an_unknown_name_takes_as_long_as_a_wrong_password"),
    ("stays-after-a-failure", "a_failed_login_ends_the_connection"),
    ("minds-the-case-of-names", "a_name_is_unique_whatever_its_case"),
    ("shows-names-as-typed", "a_name_is_shown_as_registered"),
    ("takes-any-name", "names_have_1_to_32_plain_characters"),
    ("waits-with-the-lock", "the_first_may_leave_while_the_second_waits"),
    ("stores-later-what-it-refused", "what_is_not_stored_is_seen_by_nobody"),
    ("hurries-with-impossible-names", "an_unknown_name_takes_as_long_as_a_wrong_password"),
    ("recalls-before-it-enters", "nothing_is_lost_between_history_and_room"),
    ("gives-each-answer-its-time", "a_login_that_drips_has_the_same_time_limit"),
    ("looks-before-it-registers", "one_of_many_gets_the_name"),
    ("cuts-passwords", "passwords_have_8_to_72_bytes_and_no_nul"),
    ("takes-short-passwords", "passwords_have_8_to_72_bytes_and_no_nul"),
    ("builds-its-sql", "sql_in_any_field_is_text"),
    ("waits-for-ever", "the_login_has_a_time_limit"),
    ("counts-the-nameless", "the_nameless_are_not_counted"),
    ("lets-the-nameless-talk", "the_nameless_neither_talk_nor_listen"),
    ("lets-two-in", "a_second_login_is_refused"),
    ("keeps-the-dead", "a_token_takes_over_its_own_dead_connection"),
    ("tokens-never-end", "logout_ends_the_session"),
    ("tokens-do-not-outlive-it", "a_token_outlives_the_server"),
    ("takes-any-token", "no_other_token_is_accepted"),
    ("no-history", "the_last_20_messages_come_in_order"),
    ("whole-history", "the_last_20_messages_come_in_order"),
    ("history-backwards", "the_last_20_messages_come_in_order"),
    ("history-in-memory", "the_history_outlives_the_server"),
    ("history-without-time", "the_last_20_messages_come_in_order"),
    ("lists-in-order-of-arrival", "the_list_of_users_is_sorted"),
    ("no-new-lists", "everybody_gets_a_new_list"),
    ("blocks-on-slow-clients", "a_client_that_never_reads_does_not_slow_the_others"),
    ("list-per-arrival", "lists_are_gathered_when_a_crowd_comes_in"),
    ("echoes-to-the-sender", "a_message_reaches_all_others_under_the_senders_name"),
    ("relays-the-address", "a_message_reaches_all_others_under_the_senders_name"),
    ("announces-twice", "one_arrival_is_one_notice_to_the_others"),
    ("strips-spaces", "a_text_is_delivered_and_kept_unchanged"),
    ("cuts-long-messages", "the_longest_text_is_delivered_whole"),
    ("forgets-what-came", "everybody_is_told_that_the_server_shuts_down"),
    ("dripping-prolongs", "a_login_that_drips_has_the_same_time_limit"),
    ("silent-end", "everybody_is_told_that_the_server_shuts_down"),
    ("one-login-at-a-time", "logins_keep_nobody_waiting"),
    ("knows-words-in-any-case", RANDOM),
    ("splits-at-any-blank", RANDOM),
    ("renews-tokens", RANDOM),
    ("sorts-without-case", RANDOM),
    ("trims-commands", RANDOM),
    ("relays-behind-quit", RANDOM),
    ("tells-all-of-bad-lines", RANDOM),
];

/// Faults of that client, and the rules that sessions at random name.
const CLIENT_RULES: Faults = &[
    ("answers-with-empty-lines", "logs-in"),
    ("calls-a-refusal-a-success", "refused"),
    ("shows-forgeries", "forged"),
    ("comes-back-from-elsewhere", "stays-away"),
    ("hides-the-login", "shown"),
    ("shows-escapes", "escaped"),
    ("reads-its-input-as-text", "typed"),
    ("ends-hastily", "end-of-input"),
    ("waits-for-an-answer", "server-closes"),
];
