//! The login.

use crate::chat::{Chat, PASSWORD, WRONG};
use crate::connection::Connection;
use crate::user::User;
use std::time::{Duration, Instant};
use testkit::{Case, End, Next, checks, fail, require, require_in_time};

/// The bound on the login: 30 s, unless `STAGEn_LOGIN_TIMEOUT` says that the
/// server in another language was started with less.
pub(crate) fn login_timeout(case: &Case) -> Duration {
    let named = std::env::var(format!("STAGE{}_LOGIN_TIMEOUT", case.stage()));
    let seconds = named.ok().and_then(|s| s.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}

/// Not let in: a word of why, or none, and then the end.
#[track_caller]
fn is_turned_away(line: &Connection) {
    let lines = loop_to_the_end(line);
    let let_in = lines.iter().find(|l| l.starts_with("AUTH_SUCCESS"));
    require(let_in.is_none(), "not to be let in", let_in.cloned().unwrap_or_default());
    let reason = lines.iter().any(|l| l.starts_with("AUTH_FAILED ") || l.starts_with("[SERVER] error: "));
    require(reason, "a reason, and the end", format!("{lines:?} and the end"));
}

#[track_caller]
fn loop_to_the_end(line: &Connection) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match line.next() {
            Next::Line(text) => lines.push(text),
            Next::End(..) => return lines,
            Next::Nothing => fail("the server to close", format!("{lines:?}, and then nothing")),
        }
    }
}

checks! {
/// From AUTH_REQUIRED to AUTH_SUCCESS.
pub login:

/// Step by step: AUTH_REQUIRED, ENTER_USERNAME, ENTER_PASSWORD, AUTH_SUCCESS with
/// the name and a token; nothing else in between.
basic(server) fn registering_step_by_step(case) {
    let chat = Chat::start(case);
    let (line, name) = (chat.connect("alice"), chat.name("alice"));
    for (question, answer) in
        [("AUTH_REQUIRED", "REGISTER"), ("ENTER_USERNAME", &name), ("ENTER_PASSWORD", PASSWORD)]
    {
        line.receives(question);
        line.send(answer);
    }
    let alice = User::enters(line);
    require(alice.name == name, &name, &alice.name);
}

/// The same with LOGIN, for a registered user.
wire(server) fn logging_in_step_by_step(case) {
    let chat = Chat::start(case);
    chat.registered("alice");
    let bob = chat.register("bob");
    let connection = chat.connect("alice");
    let name = chat.name("alice");
    for (question, answer) in
        [("AUTH_REQUIRED", "LOGIN"), ("ENTER_USERNAME", &name), ("ENTER_PASSWORD", PASSWORD)]
    {
        connection.receives(question);
        connection.send(answer);
    }
    User::enters(connection).tells(&bob, "here I am");
}

/// Both also in one line, and back with a token: split it at the first two
/// spaces. What comes after them is the password, spaces and all.
basic(server) fn the_login_fits_one_line(case) {
    let chat = Chat::start(case);
    let name = chat.name("alice");
    let bob = chat.register("bob");
    let mut alice = chat.enter("alice", &format!("REGISTER {name} a pass with  spaces"));
    for request in [format!("LOGIN {name} a pass with  spaces"), format!("RESUME {}", alice.token)] {
        alice.send("/quit");
        bob.hears_some("alice to be gone", |l| l.starts_with(&format!("[SERVER] {name} left")));
        alice = chat.enter("alice", &request);
        alice.tells(&bob, "here I am");
    }
}

/// After AUTH_FAILED the connection is closed at once, in good order: another
/// attempt costs another connection.
wire(server) fn a_failed_login_ends_the_connection(case) {
    let chat = Chat::start(case);
    chat.registered("alice");
    let connection = chat.asked("alice");
    connection.send(&format!("LOGIN {} not her password", chat.name("alice")));
    connection.receives(WRONG);
    let next = connection.next();
    require(next == Next::End(End::Closed, String::new()), "a close in good order", next.to_string());
}

/// Any other first line ends the login.
wire(server) fn a_malformed_first_line_is_turned_away(case) {
    let chat = Chat::start(case);
    chat.registered("alice");
    let name = chat.name("alice");
    let malformed = [
        "hello".to_owned(),
        format!("{name} {PASSWORD}"),
        "LOGINALL".into(),
        "LOGIN ".into(),
        "REGISTER ".into(),
        format!("LOGIN {name}"),
        format!("LOGIN {name} "),
        format!("LOGIN\t{name}\t{PASSWORD}"),
        format!("AUTH_SUCCESS {name} token"),
        "RESUME".into(),
        "RESUME ".into(),
        format!("RESUME {name}"),
        format!("RESUME {} {}", "A".repeat(43), "A".repeat(43)),
        format!("REGISTER  {PASSWORD}"),
        "' OR '1'='1".into(),
        "\0\0\0".into(),
        "😀".repeat(700),
    ];
    for request in malformed {
        let connection = chat.asked("eve");
        connection.send(&request);
        is_turned_away(&connection);
    }
    chat.login("alice");
}

/// So in the second and the third: a name or a password that none can be.
wire(server) fn malformed_answers_are_turned_away(case) {
    let chat = Chat::start(case);
    let long = "x".repeat(3000);
    for name in ["a b", "\u{1b}[2J", "a\nb", long.as_str(), "'; DROP TABLE users; --"] {
        let connection = chat.asked("eve");
        connection.send_all(["REGISTER", name, PASSWORD]);
        connection.receives("ENTER_USERNAME");
        is_turned_away(&connection);
        let connection = chat.asked("eve");
        connection.send_all(["LOGIN", name, PASSWORD]);
        connection.receives("ENTER_USERNAME");
        is_turned_away(&connection);
    }
    let connection = chat.asked("eve");
    connection.send_all(["REGISTER", &chat.name("eve"), &long]);
    connection.receives("ENTER_USERNAME");
    is_turned_away(&connection);
    chat.register("alice");
}

/// `/quit` and `!DISCONNECT` end it at any step, and empty lines count nowhere.
wire(server) fn the_login_can_be_left_at_any_step(case) {
    let chat = Chat::start(case);
    let name = chat.name("alice");
    for (n, command) in ["/quit", "!DISCONNECT"].iter().cycle().take(6).enumerate() {
        let connection = chat.asked("alice");
        let answers = ["LOGIN", name.as_str()];
        let questions = ["ENTER_USERNAME", "ENTER_PASSWORD"];
        for (answer, question) in answers.iter().zip(questions).take(n / 2) {
            connection.peer.send_bytes(b"\n");
            connection.send_all(["", answer]);
            connection.receives(question);
        }
        connection.send(command);
        let lines = connection.lines_to_the_end();
        require(lines.is_empty(), "the end and no answer", format!("{lines:?}"));
    }
}

/// Closing in the middle, at any step, is no error of the server's.
wire(server) fn leaving_in_the_middle_of_the_login_harms_nobody(case) {
    let chat = Chat::start(case);
    let name = chat.name("alice");
    for steps in [&[][..], &["LOGIN"], &["REGISTER", &name]] {
        for reset in [true, false] {
            let connection = chat.asked("alice");
            connection.send_all(steps);
            if reset { connection.peer.reset() } else { connection.peer.close() }
        }
    }
    let alice = chat.register("alice");
    require(alice.users.len() == 1 || case.foreign_server(), "alice alone", alice.users.join(","));
}

/// Before the login is done, what a connection sends is not delivered, and it
/// receives nothing from the room: relay between users in the room only.
wire(server) fn the_nameless_neither_talk_nor_listen(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    let (eve, mallory) = (chat.asked("eve"), chat.asked("mallory"));
    mallory.send("LOGIN");
    mallory.receives("ENTER_USERNAME");
    eve.send("can you hear me?");
    eve.is_refused();
    alice.send("the fence");
    bob.never_hears("can you", "the fence");
    mallory.send(&chat.name("mallory"));
    mallory.receives("ENTER_PASSWORD");
    mallory.send("some password");
    mallory.receives(WRONG);
}

/// They are not counted either: `(N online)` counts users.
wire(server) fn the_nameless_are_not_counted(case) {
    let chat = Chat::start(case);
    let alice = chat.register("alice");
    let _nameless: Vec<_> = (0..3).map(|_| chat.asked("nameless")).collect();
    let bob = chat.register("bob");
    alice.hears_some("bob's arrival", |l| l.contains(" joined ("));
    bob.send("/quit");
    alice.hears(&format!("[SERVER] {} left (1 online)", bob.name));
    let carol = chat.register("carol");
    alice.hears(&format!("[SERVER] {} joined (2 online)", carol.name));
}

/// A client that sends nothing, or stops half-way, is disconnected when its time is
/// over: 30 s by default, for the whole login.
wire(server, waits) fn the_login_has_a_time_limit(case) {
    let limit = if case.foreign_server() { login_timeout(case) } else { Duration::from_secs(2) };
    let chat = Chat::start_with(case, &["--login-timeout", "2"]);
    let start = Instant::now();
    let (mute, slow) = (chat.asked("mute"), chat.asked("slow"));
    slow.send("LOGIN");
    slow.receives("ENTER_USERNAME");
    let alice = chat.register("alice");
    let late = limit + Duration::from_secs(5);
    for line in [&mute, &slow] {
        while !matches!(line.next(), Next::End(..)) {
            require_in_time(start.elapsed() < late, format!("the end within {limit:?}"), "an open connection");
        }
    }
    require(start.elapsed() >= limit.mul_f64(0.8), format!("{limit:?} of time"), format!("{:?}", start.elapsed()));
    // Who is in has no such limit.
    let bob = chat.register("bob");
    alice.tells(&bob, "still here");
}

/// The limit is for the login as a whole: a byte now and then, an empty line or an answer buys no time.
wire(server, waits) fn a_login_that_drips_has_the_same_time_limit(case) {
    let limit = if case.foreign_server() { login_timeout(case) } else { Duration::from_secs(2) };
    let chat = Chat::start_with(case, &["--login-timeout", "2"]);
    let (slow, start) = (chat.asked("slow"), Instant::now());
    let (empty, answering) = (chat.asked("empty"), chat.asked("answering"));
    answering.send("LOGIN");
    answering.receives("ENTER_USERNAME");
    let late = limit + Duration::from_secs(5);
    let mut has_said_nothing = true;
    for byte in slow.encoded("REGISTER").bytes().cycle() {
        if has_said_nothing && start.elapsed() > limit.mul_f64(0.9) {
            has_said_nothing = empty.peer.try_send(b"\n").is_err();
            answering.send("alice");
        }
        if slow.peer.try_send(&[byte]).is_err() || start.elapsed() > late {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    require_in_time(start.elapsed() < late, format!("the end within {limit:?}"), "an open connection");
    slow.peer.sees_the_end();
    is_turned_away(&empty);
    is_turned_away(&answering);
    let within = limit.mul_f64(1.7);
    require_in_time(start.elapsed() < within, format!("the end within {limit:?}"), format!("{:?}", start.elapsed()));
}
}
