//! What users type: names, passwords, rooms, and the mistakes that are made with them.

/// Stands at the end of every name of a session, in place of what makes names new in
/// each run: a server may keep its accounts from an earlier one.
pub(super) const SUFFIX: char = '~';

/// The connections, as a transcript knows them.
pub(super) const SLOTS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// Names that may be registered. Sorted by bytes, capitals come first.
pub(super) const NAMES: &[&str] =
    &["alice~", "Bob~", "carol~", "Zed~", "d.e_f-~", "7seas~", "x234567890123456789012345~"];

/// Names that may not.
#[rustfmt::skip]
pub(super) const BAD_NAMES: &[&str] = &[
    "x2345678901234567890123456~", "_x~", "-x~", ".x~", "é~", "a/b~", "b:ob~", "b,c~", "a\tb~", "bo\0b~", "a@b~",
    "server", "SERVER", "[x]~",
];

/// Passwords that may be registered.
#[rustfmt::skip]
pub(super) const PASSWORDS: &[&str] = &[
    "correct horse", " two  blanks ", "12345678", "éééé", "!DISCONNECT", "/quit123", "tab\there", "LOGIN a b",
    "trailing blank ", "123456789012345678901234567890123456789012345678901234567890123456789012",
];

/// Passwords that may not.
#[rustfmt::skip]
pub(super) const BAD_PASSWORDS: &[&str] = &[
    "1234567", "ééé1", "nul\0here1",
    "1234567890123456789012345678901234567890123456789012345678901234567890123",
    "ééééééééééééééééééééééééééééééééééééé",
];

/// First lines that are none.
#[rustfmt::skip]
pub(super) const BAD_REQUESTS: &[&str] = &[
    "login", "Login", "register", "resume", "HELLO", "LOGIN\t", " LOGIN", "LOGINS", "LOGIN alice~", "REGISTER bob~",
    "login alice~ correct horse", "Register new~ correct horse", " LOGIN alice~ correct horse",
    "LOGIN\talice~\tcorrect horse", "LOGIN  alice~ correct horse", "REGISTER  new~ correct horse", "RESUME", "RESUME x",
    "RESUME AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "/QUIT", "quit", "!disconnect", "alice~", "/quit ",
];

/// Rooms: their order is the same by bytes and by letters.
pub(super) const ROOM_NAMES: &[&str] = &["attic~", "Attic~", "ATTIC~", "den~", "rust~"];

/// Rooms that cannot be.
pub(super) const BAD_ROOMS: &[&str] =
    &["#rust", "a/b", "é", "x23456789012345678901234567890123", "a,b", "a:b", "[x]"];

/// Lines that begin with / and are no command.
#[rustfmt::skip]
pub(super) const NO_COMMANDS: &[&str] = &[
    "/", "//", "/foo", "/foo bar", "/quitters", "/QUIT", "/msgalice~ hello", "/joinrust", "/join", "/msg", "/msg alice~",
    "/publish", "/subscribe", "/unsubscribe", "/announce hello", "/kick alice~", "/history 0", "/history x",
    "/history 10001", "/history -1", "/msg nobody hello", "/subscribe nobody", "/unsubscribe nobody", "/é",
];

/// The text with the suffix of a run.
pub(super) fn with_suffix(text: &str, suffix: &str) -> String {
    text.replace(SUFFIX, suffix)
}

/// What names are sorted by: the suffix of a run begins with `-`.
pub(super) fn sort_key(name: &str) -> String {
    with_suffix(name, "-")
}
