//! What users type: names, passwords, rooms, and the mistakes that are made with them.

/// Stands at the end of every name of a session, in place of what makes names new in
/// each run: a server may keep its accounts from an earlier one.
pub(super) const SUFFIX: char = '~';

/// Stands for a sealed text of no bytes. A text of no characters is an empty line.
pub(super) const NO_BYTES: &str = "~";

/// The connections, as a transcript knows them.
pub(super) const SLOTS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// Names that may be registered. Sorted by bytes, capitals come first.
pub(super) const NAMES: &[&str] =
    &["alice~", "Bob~", "kasia~", "Zoe~", "d.e_f-~", "7seas~", "x234567890123456789012345~"];

/// Names that may not.
#[rustfmt::skip]
pub(super) const BAD_NAMES: &[&str] = &[
    "x2345678901234567890123456~", "_x~", "-x~", ".x~", "é~", "a/b~", "b:ob~", "b,c~", "a\tb~", "bo\0b~", "a@b~",
    "server", "SERVER", "Server", "\u{17f}erver", "[x]~", "\u{212a}im~", "x\u{661}~",
];

/// What users type in place of a right name: it belongs to no account.
pub(super) fn nearly(name: &str) -> [String; 6] {
    let [space_behind, space_before] = [format!("{name} "), format!(" {name}")];
    [space_behind, space_before, format!("{name}\t"), format!("{name}x"), pattern(name), lookalike(name)]
}

/// A name that is this one for whoever folds case by Unicode's rules, and belongs to no account: KELVIN SIGN is a
/// capital of k there, and LONG S a small letter of S.
pub(super) fn lookalike(name: &str) -> String {
    let other = name.replacen(['k', 'K'], "\u{212a}", 1).replacen(['s', 'S'], "\u{17f}", 1);
    if other == name { format!("{name}\u{e9}") } else { other }
}

/// A name that is a pattern of SQL's LIKE for this one, and belongs to no account.
pub(super) fn pattern(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().unwrap_or_default();
    letters.next();
    format!("{first}_{}", letters.as_str())
}

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
    "RESUME #0~ ", "RESUME  #0~", "resume #0~", "RESUME\t#0~", "RESUME #0~#0~", "RESUME #0~x", "/logout", "LOGIN alice~ ",
];

/// What is a message, but in the letters or behind the blank of a word to the server.
#[rustfmt::skip]
pub(super) const NEAR_MISSES: &[&str] = &[
    "/QUIT", "/Quit", "/quit ", " /quit", "/quit now", "/quitters", "!disconnect", "!Disconnect", "!DISCONNECT ",
    " !DISCONNECT", "!DISCONNECTED", "/LOGOUT", "/logout ", "/logout now", " /logout", "/logouts", "/exit", "quit",
    "AUTH_REQUIRED", "RESUME #0~", "LOGIN alice~ correct horse", " /join den~", " /msg alice~ hello",
];

/// Rooms: their order is another one by bytes.
pub(super) const ROOM_NAMES: &[&str] = &["attic~", "Attic~", "ATTIC~", "Den~", "x.1_-~", "x_1_-~"];

/// Questions for the last messages.
pub(super) const HISTORIES: &[&str] =
    &["/history", "/history 1", "/history 2", "/history 3", "/history 19", "/history 21", "/history 10000"];

/// Rooms that cannot be.
pub(super) const BAD_ROOMS: &[&str] =
    &["#rust", "a/b", "é", "x23456789012345678901234567890123", "a,b", "a:b", "[x]", "atti\u{212a}"];

/// Lines that begin with / and are no command.
#[rustfmt::skip]
pub(super) const NO_COMMANDS: &[&str] = &[
    "/", "//", "/ ", "/ hello", "/foo", "/foo bar", "/quit ", "/logout ", "/Logout", "/JOIN den~", "/Rooms", "/publish   ", "/msg alice~   ", "//join den~", "/jo den~", "/m alice~ hi", "/quitters", "/QUIT", "/msgalice~ hello", "/joinrust", "/join", "/msg", "/msg alice~",
    "/publish", "/publish ", "/msg alice~ ", "/subscribe", "/unsubscribe", "/announce hello", "/kick alice~", "/history 0", "/history x",
    "/history 10001", "/history \u{662}", "/history \u{b2}", "/history 1_0", "/history 1.0", "/history +1", "/history -1", "/msg nobody hello", "/subscribe nobody", "/unsubscribe nobody", "/é",
];

/// Public keys.
pub(super) const PUBLIC_KEYS: &[&str] = &[
    "8PT56WxUru0/Mj3oU0//1+BXfkziaYlnFry5VkPIcSs=",
    "GkeHFtY8suFnhu6TAESG3BUemIs0tHUEPT4Bdb2wHEQ=",
    "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
];

/// Lines that begin with a command of stage 8, and are errors.
#[rustfmt::skip]
pub(super) const NO_COMMANDS_OF_KEYS: &[&str] = &[
    "/pubkey", "/pubkey ", "/pubkey hello", "/pubkey AAAA", "/pubkey ééééééééééééééééééééé=",
    "/pubkey 8PT56WxUru0/Mj3oU0//1!+BXfkziaYlnFry5VkPIcSs=", "/pubkey 8PT56WxUru0/Mj3oU0//1+BXfkziaYlnFry5VkPIcSs", "/PUBKEY AAAA", "/key", "/key ", "/key nobody", "/keys alice~", "/dm",
    "/dm alice~", "/dm nobody AAAA", "/DM alice~ AAAA",
];

/// Lines that are errors in whatever state, for names that end with this suffix.
pub fn wrong_commands(suffix: &str) -> Vec<String> {
    let rooms = BAD_ROOMS.iter().map(|room| format!("/join {room}"));
    NO_COMMANDS.iter().map(|line| with_suffix(line, suffix)).chain(rooms).collect()
}

/// The text with the suffix of a run.
pub(super) fn with_suffix(text: &str, suffix: &str) -> String {
    text.replace(SUFFIX, suffix)
}

/// What names are sorted by: the suffix of a run begins with `-`.
pub(super) fn sort_key(name: &str) -> String {
    with_suffix(name, "-")
}
