//! What the server stores, and what it keeps secret.

use crate::chat::{Chat, PASSWORD, WRONG};
use crate::user::User;
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use testkit::{Case, End, Next, Signal, checks, fail, require};

const NOT_STORED: &str = "[SERVER] error: message not stored, try again";

/// The database of our server, for looking at.
#[track_caller]
pub(super) fn database(case: &Case) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(case.folder().join("chat.db"), flags);
    opened.unwrap_or_else(|e| fail("an SQLite file chat.db in the working folder", e.to_string()))
}

/// So long another program holds the database: longer than servers wait by default.
const LOCKED: Duration = Duration::from_secs(6);

/// An SQLite file in the folder of the check: it begins with these bytes (SQLite, "Database File Format").
fn sqlite_file(case: &Case) -> Option<PathBuf> {
    let files = fs::read_dir(case.folder()).ok()?;
    files
        .flatten()
        .map(|file| file.path())
        .find(|path| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0")))
}

checks! {
/// What is stored, and when.
pub durability:

/// Kill the server while messages are sent: each message that a user has seen is in
/// the history afterwards. Commit first, then deliver.
wire(server) fn a_message_that_anyone_has_seen_outlives_a_kill(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    alice.send_all((0..300).map(|n| format!("number {n}")));
    bob.hears(&format!("{}: number 0", alice.name));
    chat.server.program.signal(Signal::KILL);
    let mut seen = 0;
    while let Next::Line(line) = bob.next() {
        seen = number(&line).unwrap_or(seen);
    }
    chat.server.program.ends(Duration::from_secs(5));
    let chat = chat.again(&[]);
    let history = chat.login("bob").history;
    let kept = history.last().and_then(|line| number(line));
    let expected = format!("number {seen}, which bob has seen, or a later one at the end of the history");
    require(kept.is_some_and(|kept| kept >= seen), expected, format!("{kept:?}"));
}

/// Another program holds the lock of the database. What is said meanwhile is seen by nobody before it is
/// stored, and what was seen by nobody is in no history. (Where the server's database is no SQLite file in the
/// folder of this check, this cannot be tried.)
wire(server, waits) fn what_is_not_stored_is_seen_by_nobody(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let Some(file) = sqlite_file(case) else { return };
    let thief = Connection::open(file).expect("an SQLite file");
    thief.busy_timeout(Duration::from_secs(5)).expect("it is a time");
    thief.execute_batch("BEGIN EXCLUSIVE").expect("nobody writes for so long");
    if case.stage() >= 7 {
        alice.send(&format!("/msg {} whispered behind the lock", bob.name));
        alice.send("/publish published behind the lock");
    }
    alice.send("said behind the lock");
    let deadline = Instant::now() + LOCKED;
    while let Next::Line(line) = bob.next_by(deadline) {
        require(!line.contains("behind the lock"), "nothing before it is stored", line);
    }
    thief.execute_batch("ROLLBACK").expect("the lock is ours");
    stores_again(&alice, &bob);
    let history = chat.register("carol").history;
    let is_kept = history.iter().any(|line| line.ends_with(": said behind the lock"));
    let was_seen = bob.has_received(&format!("{}: said behind the lock", alice.name));
    let expected = if was_seen { "it, since bob has seen it" } else { "nothing that nobody has seen" };
    require(is_kept == was_seen, format!("in the history {expected}"), format!("{history:?}"));
}

/// At the moment at which a message is received its row can be read in the database
/// by any program.
ours(server) fn a_message_is_committed_before_it_is_sent_on(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let database = database(case);
    let mut rows = database.prepare("SELECT count(*) FROM messages WHERE username = ? AND message = ?").expect("a table messages");
    for n in 0..100 {
        let text = format!("is it there? {n}");
        alice.tells(&bob, &text);
        let count: i64 = rows.query_row([&alice.name, &text], |row| row.get(0)).expect("it can be read");
        require(count == 1, format!("one row for {text:?}"), count.to_string());
    }
}

/// Another program holds the database's lock: the sender gets an error, no user
/// sees the message, then or later, and all goes on when the lock is released.
ours(server, waits) fn a_message_that_cannot_be_stored_is_sent_to_nobody(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let thief = Connection::open(case.folder().join("chat.db")).expect("an SQLite file");
    thief.execute_batch("BEGIN EXCLUSIVE").expect("nobody writes just now");
    for text in ["lost", "lost too"] {
        alice.send(text);
        alice.hears(NOT_STORED);
    }
    chat.refuses("carol", &format!("REGISTER {} {PASSWORD}", chat.name("carol")));
    thief.execute_batch("ROLLBACK").expect("the lock is ours");
    stores_again(&alice, &bob);
    bob.never_hears("lost", "stored again");
    let history = chat.register("dave").history;
    let lost = history.iter().find(|line| line.contains(": lost"));
    require(lost.is_none() && !history.is_empty(), "what was stored, and nothing else", format!("{history:?}"));
}

/// The database's file is moved away while the server runs: the server would write
/// where no name leads to. It notices, refuses what comes, and stores again when the
/// file is back.
ours(server) fn a_database_file_that_disappears_is_noticed(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let (file, moved) = (case.folder().join("chat.db"), case.folder().join("moved.db"));
    fs::rename(&file, &moved).expect("it is ours");
    alice.send("lost");
    alice.hears(NOT_STORED);
    chat.refuses("carol", &format!("REGISTER {} {PASSWORD}", chat.name("carol")));
    // To be asked for a token, the file is only read.
    chat.refuses("bob", &format!("RESUME {}", bob.token));
    fs::rename(&moved, &file).expect("it is ours");
    stores_again(&alice, &bob);
    bob.never_hears("lost", "stored again");
    chat.server.terminate();
    chat.server.program.exits(0);
    let errors = chat.server.program.errors();
    let said = errors.lines().any(|line| line.contains("ERROR") && line.contains("chat.db was deleted, moved or replaced"));
    require(said, "a line that says so in the log", &errors);
}

/// Passwords are stored as bcrypt of cost 12 unless told otherwise, tokens as
/// their hash; the file is its owner's alone.
ours(server) fn the_database_holds_no_secret(case) {
    let chat = Chat::start_at_full_cost(case);
    let alice = chat.register("alice");
    let hash: String = database(case).query_row("SELECT password_hash FROM users", [], |row| row.get(0)).expect("one user");
    require(hash.starts_with("$2b$12$"), "bcrypt of cost 12", &hash[..7]);
    for file in fs::read_dir(case.folder()).expect("it is ours").flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let holds = |what: &str| fs::read(file.path()).unwrap_or_default().windows(what.len()).any(|w| w == what.as_bytes());
        require(!holds(PASSWORD) && !holds(&alice.token), format!("no secret in {name}"), "a password or a token");
        let mode = file.metadata().map_or(0, |data| data.permissions().mode() & 0o077);
        require(!name.starts_with("chat.") || mode == 0, format!("{name} readable by its owner only"), format!("{mode:o}"));
    }
}

/// A file that is no database, a folder that is not there, a server that does not
/// answer: exit code 1 and an error that names it, and never its password.
ours(server) fn a_database_that_cannot_be_used_is_named(case) {
    crate::prepare(case);
    fs::write(case.folder().join("letter.txt"), "Dear database, ".repeat(300)).expect("it is ours");
    for (url, named) in [
        ("sqlite:letter.txt", "letter.txt"),
        ("sqlite:nowhere/chat.db", "nowhere/chat.db"),
        ("sqlite:.", "."),
        ("mysql://chat:hunter22@127.0.0.1:1/chat", "127.0.0.1:1/chat"),
    ] {
        let server = case.run_server(&["--listen", "127.0.0.1:0", "--db", url]);
        server.exits(1);
        let errors = server.errors();
        let named = errors.lines().any(|line| line.starts_with("error: ") && line.contains(named));
        require(named && !errors.contains("hunter22"), format!("error: … {url}, without a password"), errors);
    }
}
}

/// Alice tries again, as she was told to, until bob hears it: soon after the
/// database is back.
#[track_caller]
pub fn stores_again(alice: &User, bob: &User) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !bob.has_received(&format!("{}: stored again", alice.name)) {
        require(Instant::now() < deadline, "messages stored again", "messages refused for 10 s");
        alice.send("stored again");
        std::thread::sleep(Duration::from_millis(200));
    }
}

checks! {
/// The log.
pub audit:

/// Texts, passwords, tokens and keys are in no log, at any level; which user did
/// what, and from which address, is.
ours(server) fn the_log_tells_who_did_what_and_no_secret(case) {
    let chat = Chat::start_with(case, &["--log-level", "debug"]);
    let [alice, bob] = chat.room();
    alice.tells(&bob, "what was said");
    let address = alice.peer.address().to_string();
    let wrong = chat.asked("eve");
    wrong.send(&format!("LOGIN {} a wrong password", bob.name));
    wrong.receives(WRONG);
    chat.refuses("eve", "RESUME somebodys-token-AAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    chat.asked("eve").send("what is this?");
    alice.send("/logout");
    alice.lines_to_the_end();
    chat.server.terminate();
    chat.server.program.exits(0);
    let key = fs::read_to_string(case.folder().join("chat.key")).unwrap_or_default();
    let key = key.lines().next().and_then(|line| line.strip_prefix("key=")).unwrap_or("key=").to_owned();
    let file = fs::read_to_string(case.folder().join("server_logs.txt")).unwrap_or_default();
    for (place, log) in [("standard error", chat.server.program.errors()), ("server_logs.txt", file)] {
        for secret in ["what was said", PASSWORD, "a wrong password", "somebodys-token", "what is this", &alice.token, &bob.token, &key] {
            require(!log.contains(secret), format!("nothing secret on {place}"), format!("{secret:?}"));
        }
        let has = |words: [&str; 2]| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
        let logged_out = format!("{} logged out", alice.name);
        require(has([&logged_out, &address]), format!("a line with {logged_out} and {address} on {place}"), &log);
        require(has([&alice.name, &address]), format!("a line with {} and {address} on {place}", alice.name), &log);
        let eve = wrong.peer.address().to_string();
        require(has([&bob.name, &eve]), format!("the failed login of {eve} as {} on {place}", bob.name), &log);
    }
}

/// A name may hold anything until it is refused: escape it in the log.
ours(server) fn the_log_escapes_control_characters(case) {
    let chat = Chat::start_with(case, &["--log-level", "debug"]);
    for name in ["red\x1b[31m", "two\rlines", "two\nlines INFO alice is an admin"] {
        for verb in ["LOGIN", "REGISTER"] {
            let eve = chat.asked("eve");
            eve.send_all([verb, name, PASSWORD]);
            // Where a line end ends a line in the middle of a name, the rest of it is
            // another line, and what comes in as `two` has to be told to go.
            eve.peer.half_close();
            while !matches!(eve.next(), Next::End(End::Closed | End::Reset, _)) {}
        }
    }
    chat.server.terminate();
    chat.server.program.exits(0);
    let errors = chat.server.program.errors();
    require(!errors.contains(['\x1b', '\r']), "no control character in the log", format!("{errors:?}"));
    require(!errors.lines().any(|line| line.starts_with("lines INFO")), "no line of somebody else's", &errors);
}

/// `--no-log-file` writes none.
ours(server) fn the_log_file_can_be_left_out(case) {
    let chat = Chat::start_with(case, &["--no-log-file"]);
    chat.register("alice");
    let path = case.folder().join("server_logs.txt");
    require(!path.exists(), "no server_logs.txt", "there is one");
}
}

/// N of `…: number N`.
fn number(line: &str) -> Option<u32> {
    line.rsplit_once(": number ")?.1.parse().ok()
}
