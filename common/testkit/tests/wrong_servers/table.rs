//! Which check notices which fault: the table of `wrong_servers.rs`.

/// What a wrong server fails.
pub enum Fails {
    /// These checks, and no other.
    These(&'static [&'static str]),
    /// These at least. How the network cuts the stream into reads, or when one's
    /// own echo comes, decides about others.
    AtLeast(&'static [&'static str]),
    /// These, and perhaps that one: a matter of who is faster.
    Perhaps(&'static [&'static str], &'static str),
    /// All checks but the start: with such a server nobody can talk to anybody.
    Everything,
}

/// The names of the faults (`stage4.py --list-faults`) and what fails on each.
#[rustfmt::skip]
pub const WRONG: &[(&str, Fails)] = &[
    ("echoes-to-the-sender", Fails::AtLeast(&[
        "several_senders_at_once_lose_nothing", "the_sender_never_receives_its_own_line"
    ])),
    ("ends-at-once", Fails::AtLeast(&[
        "the_server_starts_listens_and_accepts"
    ])),
    ("no-prefix", Fails::These(&[
        "a_line_is_prefixed_with_the_senders_address",
        "nobody_can_speak_for_the_server"
    ])),
    ("wrong-address", Fails::These(&[
        "a_line_is_prefixed_with_the_senders_address"
    ])),
    ("no-brackets", Fails::These(&["ipv6_addresses_stand_in_brackets"])),
    ("mapped-address", Fails::These(&["an_ipv4_client_of_an_ipv6_server_has_its_ipv4_address"])),
    ("no-arrivals", Fails::These(&[
        "counts_follow_one_by_one_when_many_come_and_go",
        "an_arrival_is_announced_with_the_count", "the_count_follows_arrivals_and_departures"
    ])),
    ("no-departures", Fails::These(&[
        "counts_follow_one_by_one_when_many_come_and_go",
        "a_departure_is_announced_once", "a_departure_is_announced_with_the_count",
        "a_reset_is_a_departure", "being_put_out_is_a_departure", "quitting_is_a_departure",
        "the_count_follows_arrivals_and_departures"
    ])),
    ("announces-to-the-arrival", Fails::These(&[
        "an_arrival_is_announced_with_the_count",
        "the_one_who_comes_is_not_told_of_its_own_arrival"
    ])),
    ("counts-before", Fails::These(&[
        "counts_follow_one_by_one_when_many_come_and_go",
        "a_departure_is_announced_with_the_count", "an_arrival_is_announced_with_the_count",
        "the_count_follows_arrivals_and_departures"
    ])),
    ("announces-departures-twice", Fails::These(&[
        "counts_follow_one_by_one_when_many_come_and_go",
        "a_departure_is_announced_once", "a_departure_is_announced_with_the_count"
    ])),
    ("splits-by-read", Fails::AtLeast(&[
        "a_client_that_sends_one_byte_at_a_time_is_served",
        "a_character_sent_in_pieces_is_one_character",
        "a_flood_without_line_end_gets_an_error_and_the_end",
        "a_line_of_4097_bytes_gets_an_error_and_the_end", "a_line_sent_in_pieces_is_one_line",
        "an_empty_line_is_ignored", "several_lines_in_one_packet_are_several_lines"
    ])),
    ("drops-the-last-words", Fails::These(&[
        "a_last_line_without_line_end_counts", "clients_are_told_that_the_server_shuts_down"
    ])),
    ("closes-on-invalid-utf8", Fails::These(&[
        "invalid_utf8_gets_an_error_and_the_connection_goes_on", "invalid_utf8_is_not_delivered"
    ])),
    ("mends-invalid-utf8", Fails::These(&[
        "invalid_utf8_gets_an_error_and_the_connection_goes_on", "invalid_utf8_is_not_delivered"
    ])),
    ("decodes-reads", Fails::These(&[
        "a_character_sent_in_pieces_is_one_character",
        "invalid_utf8_gets_an_error_and_the_connection_goes_on", "invalid_utf8_is_not_delivered"
    ])),
    ("no-limit", Fails::These(&[
        "a_flood_without_line_end_gets_an_error_and_the_end",
        "a_line_of_4097_bytes_gets_an_error_and_the_end", "being_put_out_is_a_departure",
        "the_limit_counts_bytes_not_characters"
    ])),
    ("limit-only-at-line-ends", Fails::These(&[
        "a_flood_without_line_end_gets_an_error_and_the_end"
    ])),
    ("limit-off-by-one", Fails::These(&[
        "a_line_of_4096_bytes_is_delivered"
    ])),
    ("limit-in-characters", Fails::These(&[
        "the_limit_counts_bytes_not_characters"
    ])),
    ("silent-limit", Fails::These(&[
        "a_flood_without_line_end_gets_an_error_and_the_end",
        "a_line_of_4097_bytes_gets_an_error_and_the_end", "the_limit_counts_bytes_not_characters"
    ])),
    ("relays-empty-lines", Fails::These(&[
        "an_empty_line_is_ignored"
    ])),
    ("keeps-cr", Fails::These(&[
        "a_cr_lf_sent_in_pieces_is_one_line_end",
        "a_line_ended_by_cr_lf_is_delivered_without_the_cr", "a_line_of_4096_bytes_is_delivered",
        "an_empty_line_is_ignored", "quit_with_cr_lf_ends_the_connection",
        "several_lines_in_one_packet_are_several_lines"
    ])),
    ("strips-spaces", Fails::These(&[
        "a_line_is_delivered_unchanged"
    ])),
    ("blocks-on-slow-clients", Fails::These(&[
        "a_client_that_never_reads_does_not_slow_the_others"
    ])),
    ("drops-for-the-slow", Fails::These(&[
        "a_client_that_falls_behind_misses_no_line_before_its_end"
    ])),
    ("dies-of-a-reset", Fails::Perhaps(&[
        "a_reset_is_a_departure", "the_count_follows_arrivals_and_departures",
        "the_server_outlives_a_client_that_leaves_without_reading", "the_server_outlives_a_reset",
        "the_server_outlives_connections_that_say_nothing"
    ], "the_server_outlives_a_flood_and_a_reset")),
    ("keeps-the-dead", Fails::These(&[
        "a_reset_is_a_departure", "the_count_follows_arrivals_and_departures"
    ])),
    ("reverses-reads", Fails::AtLeast(&[
        "one_senders_lines_arrive_in_order_everywhere",
        "several_lines_in_one_packet_are_several_lines",
        "two_thousand_lines_arrive_all_and_in_order"
    ])),
    ("loses-every-hundredth", Fails::These(&[
        "a_client_that_never_reads_does_not_slow_the_others",
        "a_client_that_reads_late_gets_everything",
        "one_senders_lines_arrive_in_order_everywhere", "several_senders_at_once_lose_nothing",
        "two_thousand_lines_arrive_all_and_in_order", "what_was_accepted_is_delivered_at_the_end"
    ])),
    ("relays-twice", Fails::Perhaps(&[
        "a_client_that_reads_late_gets_everything",
        
        "a_cr_lf_sent_in_pieces_is_one_line_end", "a_last_line_without_line_end_counts",
        "a_line_arrives_once", 
        "a_line_is_delivered_unchanged", 
        "an_empty_line_is_ignored", "clients_are_told_that_the_server_shuts_down",
        "any_utf8_text_is_delivered_unchanged",
        
        "one_senders_lines_arrive_in_order_everywhere",
        "several_lines_in_one_packet_are_several_lines", "several_senders_at_once_lose_nothing",
        "sixty_clients_all_hear_a_line", "two_thousand_lines_arrive_all_and_in_order",
        "what_was_accepted_is_delivered_at_the_end"
    ], "counts_follow_one_by_one_when_many_come_and_go")),
    ("one-client-at-a-time", Fails::Everything),
    ("first-other-only", Fails::These(&[
        "counts_follow_one_by_one_when_many_come_and_go",
        "a_client_in_the_middle_of_a_line_keeps_nobody_waiting",
        "a_client_that_reads_late_gets_everything", "a_departure_is_announced_once",
        "a_departure_is_announced_with_the_count",
        "a_flood_that_nobody_reads_keeps_nobody_waiting",
        "a_line_is_prefixed_with_the_senders_address", "a_line_reaches_every_other_client",
        "a_silent_client_stays_connected",
        "idle_clients_keep_nobody_waiting", "one_senders_lines_arrive_in_order_everywhere",
        "quit_is_not_delivered", "several_senders_at_once_lose_nothing",
        "sixty_clients_all_hear_a_line", "the_one_who_comes_is_not_told_of_its_own_arrival",
        "the_server_outlives_a_reset", "what_was_accepted_is_delivered_at_the_end"
    ])),
    ("relays-quit", Fails::These(&[
        "quit_ends_the_connection_in_good_order", "quit_is_not_delivered",
        "quit_with_cr_lf_ends_the_connection", "quitting_is_a_departure"
    ])),
    ("relays-disconnect", Fails::These(&[
        "a_departure_is_announced_once", "disconnect_ends_the_connection_in_good_order",
        "disconnect_is_not_delivered", "quitting_is_a_departure"
    ])),
    ("resets-on-disconnect", Fails::These(&[
        "disconnect_ends_the_connection_in_good_order"
    ])),
    ("never-closes", Fails::These(&[
        "a_half_closed_connection_is_closed_in_good_order",
        "a_newcomer_gets_nothing_from_before_it_came", "clients_are_told_that_the_server_shuts_down",
        "the_server_outlives_garbage"
    ])),
    ("silent-end", Fails::These(&[
        "clients_are_told_at_ctrl_c_too", "clients_are_told_that_the_server_shuts_down",
        "what_was_accepted_is_delivered_at_the_end"
    ])),
    ("ignores-ctrl-c", Fails::These(&[
        "clients_are_told_at_ctrl_c_too"
    ])),
    ("hasty-end", Fails::These(&[
        "clients_are_told_at_ctrl_c_too", "clients_are_told_that_the_server_shuts_down",
        "what_was_accepted_is_delivered_at_the_end"
    ])),
    ("dies-of-a-long-line", Fails::These(&[
        "a_flood_without_line_end_gets_an_error_and_the_end",
        "a_line_of_4097_bytes_gets_an_error_and_the_end", "being_put_out_is_a_departure",
        "the_limit_counts_bytes_not_characters", "the_server_outlives_a_flood_and_a_reset"
    ])),
    // Random sessions notice these; some of them fail a named check, too.
    ("quits-in-any-case", Fails::AtLeast(&[])),
    ("quits-by-prefix", Fails::AtLeast(&[])),
    ("trims-commands", Fails::AtLeast(&[])),
    ("welcomes", Fails::AtLeast(&[])),
    ("replays-ten-lines", Fails::AtLeast(&["a_newcomer_gets_nothing_from_before_it_came"])),
    ("splits-at-cr", Fails::AtLeast(&[])),
    ("splits-at-separators", Fails::AtLeast(&[])),
    ("takes-off-every-cr", Fails::AtLeast(&[])),
    ("loses-the-bom", Fails::AtLeast(&[])),
    ("cuts-at-nul", Fails::AtLeast(&[])),
    ("escapes-html", Fails::AtLeast(&[])),
    ("drops-control-characters", Fails::AtLeast(&[])),
    ("normalises", Fails::AtLeast(&[])),
    ("trims-blanks-behind", Fails::AtLeast(&[])),
    ("lowers-nothing-but-words", Fails::AtLeast(&[])),
    ("relays-behind-quit", Fails::AtLeast(&[])),
    ("plain-close", Fails::AtLeast(&[])),
    ("tells-everybody-of-long-lines", Fails::AtLeast(&[])),
    ("tells-everybody-of-bad-lines", Fails::AtLeast(&[])),
    ("drops-the-packet", Fails::AtLeast(&[])),
    ("ignores-blank-texts", Fails::AtLeast(&[])),
    ("notifies-some-of-the-shutdown", Fails::AtLeast(&[])),
    ("departures-at-the-end", Fails::AtLeast(&[])),
    ("confirms", Fails::AtLeast(&[])),
    ("drains-one-read", Fails::These(&[
        "a_flood_without_line_end_gets_an_error_and_the_end", "disconnect_ends_the_connection_in_good_order"
    ])),
    ("waits-again-and-again", Fails::AtLeast(&["a_client_that_never_reads_does_not_slow_the_others"])),
    ("takes-a-part-for-the-whole", Fails::These(&["a_client_that_falls_behind_misses_no_line_before_its_end"])),
    ("tells-nobody-of-the-slow", Fails::These(&["a_client_that_falls_behind_misses_no_line_before_its_end"])),
    ("forgets-what-came", Fails::These(&["clients_are_told_that_the_server_shuts_down"])),
    ("forgets-half-lines", Fails::These(&["clients_are_told_that_the_server_shuts_down"])),
    ("counts-outside-the-lock", Fails::These(&["counts_follow_one_by_one_when_many_come_and_go"])),
    ("idle-time-out", Fails::These(&["a_silent_client_stays_connected"])),
];

/// What a session of a few rounds does not show: it takes a flood, a long silence, many
/// at once, another signal, or IPv6.
#[rustfmt::skip]
pub const NOT_SEEN_AT_RANDOM: &[&str] = &[
    "blocks-on-slow-clients", "counts-outside-the-lock", "drains-one-read", "drops-for-the-slow", "forgets-half-lines", "forgets-what-came", "idle-time-out", "ignores-ctrl-c",
    "limit-only-at-line-ends", "loses-every-hundredth", "mapped-address", "no-brackets", "takes-a-part-for-the-whole", "tells-nobody-of-the-slow", "waits-again-and-again",
];

/// The faults of the client (`clients/stage4.py --list-faults`), which random sessions
/// notice.
#[rustfmt::skip]
pub const WRONG_CLIENTS: &[&str] = &[
    "prints-raw",
    "escapes-esc-only",
    "escapes-backslashes",
    "escapes-in-capitals",
    "escapes-all-but-ascii",
    "escapes-half-of-the-unseen",
    "leaves-the-flags-of-tags",
    "piles-up-marks",
    "strips-what-comes",
    "hides-empty-lines",
    "splits-at-cr",
    "splits-at-separators",
    "splits-by-read",
    "decodes-reads",
    "dies-of-invalid-utf8",
    "mends-invalid-utf8",
    "cuts-long-lines",
    "keeps-cr",
    "prompts",
    "echoes",
    "buffers-output",
    "strips-input",
    "sends-empty-lines",
    "ignores-blank-input",
    "quits-in-any-case",
    "quits-by-prefix",
    "sends-quit",
    "sends-after-quit",
    "closes-at-once",
    "never-half-closes",
    "waits-for-input",
    "loses-the-last-line",
    "counts-marks-of-the-line",
];

/// The faults of that client that no random session shows, each with a check that it fails.
pub const WRONG_BY_NAME: &[(&str, &str)] = &[
    ("escapes-every-joiner", "received_control_characters_are_escaped"),
    ("keeps-every-joiner", "received_control_characters_are_escaped"),
    ("sends-what-is-no-utf8", "a_typed_line_is_sent"),
    ("prints-disconnect", "a_received_disconnect_ends_the_client"),
    ("keeps-its-time-out", "a_silent_room_does_not_end_the_client"),
    ("calls-a-reset-a-success", "the_client_ends_when_the_server_closes"),
    ("calls-every-end-a-failure", "the_client_ends_when_the_server_closes"),
    ("waits-half-a-second", "at_the_end_of_input_it_half_closes_and_prints_what_still_comes"),
    ("outlives-a-reset", "the_client_ends_when_the_server_closes"),
];

/// The rules of the contract, each with a fault that random sessions report under it.
#[rustfmt::skip]
pub const REPORTED_AS: &[(&str, &str)] = &[
    ("line-end", "splits-at-cr"),
    ("limit", "limit-off-by-one"),
    ("too-long", "silent-limit"),
    ("not-utf8", "closes-on-invalid-utf8"),
    ("cuts", "decodes-reads"),
    // It mends what is no UTF-8, too: the first session that fails may show that.
    ("not-utf8", "decodes-reads"),
    ("last-line", "drops-the-last-words"),
    ("empty-line", "relays-empty-lines"),
    ("end-words", "trims-commands"),
    ("after-the-end", "relays-behind-quit"),
    ("good-order", "plain-close"),
    ("one-connection", "dies-of-a-reset"),
    ("byte-by-byte", "loses-the-bom"),
    ("to-all-others", "relays-twice"),
    ("not-to-the-sender", "echoes-to-the-sender"),
    ("prefix", "no-prefix"),
    ("arrival", "announces-to-the-arrival"),
    ("departure", "announces-departures-twice"),
    ("count", "counts-before"),
    ("order", "reverses-reads"),
    ("not-from-before", "replays-ten-lines"),
    ("nothing-else", "welcomes"),
    ("error-to-the-sender", "tells-everybody-of-bad-lines"),
    ("shutdown", "silent-end"),
];

/// The same for clients.
#[rustfmt::skip]
pub const REPORTED_CLIENTS: &[(&str, &str)] = &[
    ("shown", "hides-empty-lines"),
    ("escaped", "prints-raw"),
    ("typed", "strips-input"),
    ("client-words", "sends-after-quit"),
    ("end-of-input", "closes-at-once"),
    ("server-closes", "waits-for-input"),
];

/// Rules that no session of a few rounds breaks: a pause shows when buffers are full,
/// which `a_client_that_reads_late_gets_everything` sees to.
pub const WITHOUT_A_PROGRAM: &[&str] = &["pause"];
