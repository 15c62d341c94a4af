//! Names that were given up for the field's standard terms and are not to come
//! back: a student finds the new ones in a textbook, a man page or a search engine.
//! CONTRIBUTING.md says how a name is chosen.

use lab::workspace::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

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
            ("FAREWELL", "SHUTDOWN_GRACE"),
            ("tell_all", "broadcast_best_effort"),
        ],
    },
    GivenUp {
        folder: "stage",
        modules: &[
            ("person", "operator"),
            ("registry", "room"),
            ("audience", "room_state"),
            ("backlog", "room_state"),
            ("member", "room"),
            ("farewell", "shutdown"),
            ("stalled", "drainer"),
            ("paper", "(gone)"),
            ("rate", "token_bucket"),
            ("door", "auth"),
            ("hear", "deadline_reader"),
            ("dialogue", "login_protocol"),
            ("gate", "semaphore"),
            ("throttle", "login_limiter"),
            ("members", "name_registry"),
            ("people", "presence"),
            ("speaker", "session"),
            ("floor", "room_state"),
            ("lists", "pipeline"),
            ("outages", "outage_log"),
            ("unsettled", "in_doubt"),
            ("link", "client/send_queue"),
            ("comeback", "reconnect"),
            ("answers", "client/login"),
            ("said", "addressed_message"),
            ("obey", "execute"),
            ("archive", "message_store"),
            ("kinds", "line_style"),
            ("surroundings", "client_state"),
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
            ("Audience", "RoomState"),
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
            ("say_farewell", "(gone)"),
            ("await_farewell", "(gone)"),
            ("Paper", "MemoryTransport"),
            ("Verdict", "Decision"),
            ("FirstOver", "Limited { first: true }"),
            ("LAST_WORDS", "FLUSH_TIMEOUT"),
            ("Door", "Authenticator"),
            ("admit", "authenticate"),
            ("Guest", "AuthenticatedUser"),
            ("Refusal", "LoginError"),
            ("Timed", "DeadlineReader"),
            ("Heard", "ClientLine"),
            ("Dialogue", "LoginProtocol"),
            ("Gate", "Semaphore"),
            ("enter_within", "acquire_for"),
            ("worked_off", "(gone)"),
            ("household", "network_prefix"),
            ("nobodys_hash", "dummy_hash"),
            ("Members", "NameRegistry"),
            ("Hold", "NameGuard"),
            ("oust", "replace"),
            ("yields", "(gone)"),
            ("People", "Presence"),
            ("Here", "PresenceGuard"),
            ("see_off", "disconnect"),
            ("Speaker", "Session"),
            ("Person", "Session, Operator, User"),
            ("Floor", "RoomState"),
            ("Turn", "RoomEvent"),
            ("Through", "WaitGuard"),
            ("Acks", "WaitGuard"),
            ("ack_all", "WaitGuard"),
            ("MessageRun", "(gone)"),
            ("Foreign", "Replicated"),
            ("Wake", "PollLog"),
            ("JoinEntry", "Login"),
            ("LoginRecord", "Login"),
            ("LoginId", "Login"),
            ("Admission", "Result<(), LoginError>"),
            ("Lists", "LIST_DELAY"),
            ("Due", "LIST_DELAY"),
            ("Debouncer", "LIST_DELAY"),
            ("Outage", "CircuitBreaker"),
            ("Unsettled", "InDoubt"),
            ("caveat", "durability_warning"),
            ("Asked", "(gone)"),
            ("put_first", "push_front"),
            ("attend", "(gone)"),
            ("Said", "AddressedMessage"),
            ("Seat", "ClientId"),
            ("obey", "execute"),
            ("Obeyed", "CommandResult"),
            ("Archive", "message_store"),
            ("Surroundings", "ClientState"),
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
            ("FAREWELL", "SHUTDOWN_GRACE"),
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
            ("hardship", "robustness"),
            ("ending", "shutdown"),
            ("bench", "context"),
            ("hearing", "expect"),
        ],
        identifiers: &[("Bench", "Context"), ("Door", "MockServer")],
    },
    GivenUp {
        folder: "common/lab",
        modules: &[
            ("scene", "run_context"),
            ("arena", "attempt"),
            ("site", "target"),
            ("talk", "conversation"),
            ("keeper", "supervisor"),
            ("family", "process_tree"),
            ("confine", "confined_command"),
        ],
        identifiers: &[
            ("Scene", "RunContext"),
            ("Arena", "Attempt"),
            ("Keeper", "(gone)"),
            ("Family", "(gone)"),
        ],
    },
];

/// Where a word from the lists has another meaning, which is the usual one there.
const EXCEPTIONS: &[(&str, &str)] =
    &[("rules", "common/testkit/src/model/rules.rs"), ("rules", "common/testkit-chat/src/model/rules.rs")];

/// All sources of the workspace, by their path in it.
fn sources() -> BTreeMap<PathBuf, String> {
    let mut folders = vec![root()];
    let mut found = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // What was built, what git keeps, and what a student has begun.
            let ours = !name.starts_with('.') && !["target", "work", "book"].contains(&&*name);
            if entry.file_type().unwrap().is_dir() && ours {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(root()).unwrap().to_owned(), text);
            }
        }
    }
    found
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
fn identifiers_are_found_and_comments_and_texts_are_not() {
    let source = "fn Floor() { say(\"Gate \\\" Door\n Held\", '\"'); } // Turn\nlet a_b = r#\"a \" Seat\"#;";
    assert_eq!(identifiers(source), ["fn", "Floor", "say", "let", "a_b"]);
}
