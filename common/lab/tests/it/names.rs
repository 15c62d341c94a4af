//! Names that were given up for the field's standard terms and are not to come
//! back: a student finds the new ones in a textbook, a man page or a search engine.
//! CONTRIBUTING.md says how a name is chosen.
//!
//! Two lists: words that no name has, of whatever it is the name ([`WORDS`]), and names
//! that one part of the workspace has given up ([`GIVEN_UP`]).

use lab::workspace::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Words that no longer stand in any name: not in an identifier (a check's name is one), in
/// the name of a file or folder, or in a heading of the book. Each with what it is called now.
const WORDS: &[(&str, &str)] = &[
    ("arena", "attempt"),
    ("audience", "room, outputs"),
    ("caveat", "durability warning"),
    ("comeback", "reconnect"),
    ("dialogue", "login, login protocol"),
    ("farewell", "notice of the shutdown"),
    ("gate", "semaphore"),
    ("guest", "user, client"),
    ("hardship", "robustness"),
    ("household", "network prefix"),
    ("obey", "execute"),
    ("oust", "replace"),
    ("people", "users"),
    ("person", "user, operator"),
    ("scene", "run context"),
    ("seat", "client id"),
    ("settle", "wait until idle, check, recover"),
    ("speaker", "sender, session"),
    ("surroundings", "client state"),
    ("throttle", "rate limit"),
    ("unsettled", "in doubt"),
];

/// Names that were given up in one part of the workspace.
struct GivenUp {
    /// The part: paths begin with this.
    folder: &'static str,
    /// Modules, that is, files and folders of sources, with their successors.
    modules: &'static [(&'static str, &'static str)],
    /// Types, functions and constants, with their successors. Words that a local
    /// variable may well have are not among them.
    identifiers: &'static [(&'static str, &'static str)],
}

const GIVEN_UP: &[GivenUp] = &[
    GivenUp {
        folder: "common/src",
        modules: &[
            ("aside", "a thread of its own that ends"),
            ("limits", "fd_limit"),
            ("program", "cli"),
            ("text", "escape"),
        ],
        identifiers: &[
            ("allow_connections", "raise_fd_limit"),
            ("complain", "print_error"),
            ("tell_all", "broadcast_best_effort"),
            ("LAST_WORDS", "FLUSH_TIMEOUT"),
            ("Watch", "PanicGuard"),
        ],
    },
    GivenUp {
        folder: "stage",
        modules: &[
            ("registry", "room"),
            ("backlog", "room_state"),
            ("member", "room"),
            ("stalled", "drainer"),
            ("paper", "(gone)"),
            ("rate", "token_bucket"),
            ("door", "auth"),
            ("hear", "read_line"),
            ("members", "name_registry"),
            ("floor", "room_state"),
            ("lists", "pipeline"),
            ("outages", "outage_log"),
            ("link", "client/send_queue"),
            ("answers", "client/login"),
            ("said", "addressed_message"),
            ("archive", "message_store"),
            ("kinds", "line_style"),
            ("engine", "session"),
            ("words", "handshake_error"),
            ("private", "e2e"),
            ("seen", "replay_cache"),
        ],
        identifiers: &[
            ("sit_down", "open"),
            ("holds_answer", "has_buffered_line"),
            ("close_in_good_order", "lingering_close"),
            ("bury", "(gone)"),
            ("Backlog", "RoomState"),
            ("Form", "LineCodec"),
            ("Terms", "OutboxConfig"),
            ("take_on", "register"),
            ("Stalled", "PollDrainer"),
            ("Piece", "Bytes"),
            ("Pushed", "write_nonblocking"),
            ("judge", "(gone)"),
            ("give_up", "disconnect"),
            ("take_turn", "(gone)"),
            ("Crowded", "(gone)"),
            ("CutOff", "Disconnected"),
            ("Paper", "MemoryTransport"),
            ("Verdict", "(gone)"),
            ("FirstOver", "(gone)"),
            ("LAST_WORDS", "FLUSH_TIMEOUT"),
            ("Door", "Authenticator"),
            ("admit", "authenticate"),
            ("Refusal", "LoginError"),
            ("Timed", "DeadlineReader"),
            ("Heard", "ReadError"),
            ("enter_within", "acquire_for"),
            ("worked_off", "(gone)"),
            ("nobodys_hash", "dummy_hash"),
            ("Members", "NameRegistry"),
            ("Hold", "NameGuard"),
            ("yields", "(gone)"),
            ("Here", "PresenceGuard"),
            ("see_off", "disconnect"),
            ("Floor", "RoomState"),
            ("Turn", "RoomEvent"),
            ("Through", "WaitGuard"),
            ("Acks", "WaitGuard"),
            ("ack_all", "WaitGuard"),
            ("MessageRun", "(gone)"),
            ("Foreign", "Replicated"),
            ("Wake", "(gone)"),
            ("JoinEntry", "Login"),
            ("LoginRecord", "Login"),
            ("LoginId", "Login"),
            ("Admission", "Result<(), LoginError>"),
            ("Lists", "LIST_DELAY"),
            ("Due", "LIST_DELAY"),
            ("Debouncer", "LIST_DELAY"),
            ("Outage", "CircuitBreaker"),
            ("Asked", "(gone)"),
            ("put_first", "push_front"),
            ("attend", "(gone)"),
            ("Said", "AddressedMessage"),
            ("Obeyed", "CommandResult"),
            ("Archive", "message_store"),
            ("News", "StateChange"),
            ("Wish", "(gone)"),
            ("Settled", "(gone)"),
            ("Computer", "(gone)"),
            ("AtOnce", "(gone)"),
            ("hand_on", "flush_records"),
            ("agreed", "negotiated"),
            ("Me", "LocalUser"),
            ("become_somebody", "load_identity"),
            ("Tell", "UserOutput"),
            ("Held", "PendingMessage"),
            ("Trust", "TlsConnector, KeyStatus"),
            ("Seen", "ReplayCache, CertificateInfo"),
            ("allow_connections", "raise_fd_limit"),
            ("complain", "print_error"),
            ("tell_all", "broadcast_best_effort"),
        ],
    },
    GivenUp {
        folder: "common/testkit",
        modules: &[
            ("chatkit", "testkit-chat"),
            ("authority", "test_ca"),
            ("kept", "durability"),
            ("coming_back", "reconnect"),
            ("rules", "checks"),
            ("ending", "shutdown"),
            ("bench", "context"),
            ("hearing", "expect"),
            ("selftest", "tests"),
            ("words", "inputs"),
        ],
        identifiers: &[
            ("Bench", "Context"),
            ("Door", "MockServer"),
            ("Here", "SessionDraw"),
            ("Link", "DeliveryPath"),
            ("Place", "FailureSource"),
        ],
    },
    GivenUp {
        folder: "common/lab",
        modules: &[
            ("site", "target"),
            ("talk", "conversation"),
            ("keeper", "supervisor"),
            ("family", "process_tree"),
            ("confine", "confined_command"),
            ("line_form", "line_format"),
            ("session", "script"),
        ],
        identifiers: &[
            ("Agreed", "Negotiated"),
            ("Did", "SideEvent"),
            ("Family", "(gone)"),
            ("Form", "SubmissionKind"),
            ("Keeper", "(gone)"),
            ("LineForm", "LineFormat"),
            ("Place", "ProcessGroup, SubmissionPath"),
            ("Said", "Summary"),
            ("Tap", "MitmProxy"),
            ("Tell", "OnProgress"),
            ("Turn", "PollResult"),
            ("WireForm", "WireFormat"),
        ],
    },
];

/// Where a word from the lists has another meaning, which is the usual one there.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("rules", "common/testkit/src/model/rules.rs"),
    ("rules", "common/testkit-chat/src/model/rules.rs"),
    ("rules", "common/testkit-chat/src/model/client/rules.rs"),
];

/// All files of the workspace, by their path in it.
fn files() -> Vec<PathBuf> {
    let mut folders = vec![root()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // What was built, what git keeps, and what a student has begun.
            let ours = !name.starts_with('.') && !["target", "work", "book"].contains(&&*name);
            if entry.file_type().unwrap().is_dir() && ours {
                folders.push(path);
            } else if ours {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found
}

/// All sources of the workspace, by their path in it.
fn sources() -> BTreeMap<PathBuf, String> {
    let sources = files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    sources.map(|path| (path.clone(), fs::read_to_string(root().join(path)).unwrap())).collect()
}

/// The identifiers of a source, without those in comments and texts.
fn identifiers(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            text_length(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else if c == '_' || c.is_ascii_alphabetic() {
            let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            found.push(&rest[..end]);
            end
        } else {
            c.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

/// The length of the text with which `source` begins, quotes included.
fn text_length(source: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in source.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    source.len()
}

/// The words of a name, in lower case and the singular: `MemberGuard`, `member_guards` and
/// `member-guard` have the same.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && before.is_ascii_lowercase()) {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric() {
            words.last_mut().unwrap().push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words.iter().map(|word| word.strip_suffix('s').unwrap_or(word).to_owned()).collect()
}

/// The given-up words of a name, each with what it is called now.
fn given_up_in(name: &str) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let words = words_of(name);
    WORDS.iter().filter(move |(word, _)| words.iter().any(|other| other == word.trim_end_matches('s')))
}

#[test]
fn no_identifier_file_or_heading_has_a_word_that_was_given_up() {
    let mut names = Vec::new();
    for path in files() {
        names.push((path.clone(), path.to_string_lossy().into_owned()));
    }
    for (path, source) in sources() {
        let identifiers: BTreeSet<_> = identifiers(&source).into_iter().collect();
        names.extend(identifiers.into_iter().map(|name| (path.clone(), name.to_owned())));
    }
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let headings = text.lines().filter(|line| line.starts_with('#'));
        names.extend(headings.map(|line| (page.clone(), line.to_owned())));
    }
    let problems: Vec<_> = names
        .iter()
        .flat_map(|(path, name)| given_up_in(name).map(move |given_up| (path, name, given_up)))
        .map(|(path, name, (word, now))| format!("{}: {name}: {word} is now {now}", path.display()))
        .collect();
    assert!(problems.is_empty(), "{} names:\n{}", problems.len(), problems.join("\n"));
}

fn excepted(word: &str, path: &Path) -> bool {
    EXCEPTIONS.iter().any(|(other, place)| *other == word && path.starts_with(place))
}

#[test]
fn names_that_were_given_up_do_not_come_back() {
    let mut problems = Vec::new();
    let sources = sources();
    assert!(sources.len() > 200, "the workspace's sources were not found");
    for (path, source) in &sources {
        let identifiers = identifiers(source);
        let modules: Vec<_> =
            path.iter().map(|part| part.to_str().unwrap().trim_end_matches(".rs")).collect();
        for group in GIVEN_UP.iter().filter(|group| path.to_str().unwrap().starts_with(group.folder)) {
            let modules = group.modules.iter().filter(|(word, _)| modules.contains(word));
            let identifiers = group.identifiers.iter().filter(|(word, _)| identifiers.contains(word));
            for (word, instead) in modules.chain(identifiers).filter(|(word, _)| !excepted(word, path)) {
                problems.push(format!("{}: {word} is now {instead}", path.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{} names:\n{}", problems.len(), problems.join("\n"));
}

/// Names in the book that no source of ours has: of the standard library, of databases, of
/// the system.
const NOT_OURS: &[&str] = &[
    "compare_exchange",
    "ct_eq",
    "try_lock",
    "CERT_NONE",
    "COURSE_URL",
    "SO_KEEPALIVE",
    "SQLITE_BUSY",
    "UNIX_TIMESTAMP",
];

/// The parts of a page that stand between backticks in one line, each with its line's number.
fn code_in(page: &str) -> impl Iterator<Item = (usize, &str)> {
    page.lines()
        .zip(1..)
        .flat_map(|(line, number)| line.split('`').skip(1).step_by(2).map(move |code| (number, code)))
}

/// Returns `true` if a word of a page is the name of a function, type or constant, and not
/// a word of a command or of the protocol.
fn is_name(word: &str) -> bool {
    let camel_case = word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.contains(|c: char| c.is_ascii_lowercase())
        && word.chars().skip(1).any(|c| c.is_ascii_uppercase());
    camel_case || word.contains('_')
}

/// What the book and the stages' pages call by a name is still called that.
#[test]
#[ignore = "self-test of the course: make test-course"]
fn what_the_pages_name_is_in_the_sources() {
    let sources = sources();
    let is_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    // This file names what was given up.
    let others = sources.iter().filter(|(path, _)| !path.ends_with("it/names.rs"));
    let words: BTreeSet<&str> = others.flat_map(|(_, source)| source.split(|c| !is_word(c))).collect();
    let mut problems = Vec::new();
    let mut names = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (line, code) in code_in(&text) {
            let is_file = code.ends_with(".rs") && !code.contains(|c: char| c == ' ' || c.is_uppercase());
            let found = match is_file {
                true => sources.keys().any(|path| path.ends_with(code)),
                false if code.contains(|c| !is_word(c) && !":.()&".contains(c)) => continue,
                false => code
                    .split(|c| !is_word(c))
                    .filter(|word| is_name(word))
                    .all(|word| words.contains(word) || NOT_OURS.contains(&word)),
            };
            names += 1;
            if !found {
                problems.push(format!("{}:{line}: {code}", page.display()));
            }
        }
    }
    assert!(names > 300, "are the pages still there?");
    assert!(problems.is_empty(), "not in the sources:\n{}", problems.join("\n"));
}

/// The pages of the book and the README files of the stages.
fn pages() -> Vec<PathBuf> {
    let in_folder = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let book =
        in_folder(root().join("docs/src")).filter(|path| path.extension().is_some_and(|end| end == "md"));
    let stages = in_folder(root()).map(|path| path.join("README.md")).filter(|path| path.is_file());
    book.chain(stages).chain([root().join("CONTRIBUTING.md")]).collect()
}

#[test]
fn an_exception_is_needed_as_long_as_it_is_listed() {
    for (word, place) in EXCEPTIONS {
        let path = root().join(place);
        let source = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{place}: {e}"));
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(stem == *word || identifiers(&source).contains(word), "{place} has no {word} any longer");
    }
}

#[test]
fn a_name_is_taken_apart_into_its_words() {
    assert_eq!(words_of("give_up_slowDialogues"), ["give", "up", "slow", "dialogue"]);
    assert_eq!(words_of("## The SHUTDOWN-notice")[2..], ["", "the", "shutdown", "notice"]);
    assert_eq!(given_up_in("slow-dialogues.md").count(), 1);
    assert_eq!(given_up_in("reseat, settled").count(), 0);
}

#[test]
fn identifiers_are_found_and_comments_and_texts_are_not() {
    let source = "fn Floor() { say(\"Gate \\\" Door\n Held\", '\"'); } // Turn\nlet a_b = r#\"a \" Seat\"#;";
    assert_eq!(identifiers(source), ["fn", "Floor", "say", "let", "a_b"]);
}
