//! What our client has beyond the contract of the wire: options, limits, a
//! terminal.

use super::wire::Key;
use std::time::Duration;
use testkit::{checks, require};

checks! {
/// The options of our client.
pub client_options:

/// With `--fixed-iv` every message has the IV of the key file, and so equal
/// texts are equal lines, and equal beginnings equal first blocks.
ours(client) fn with_a_fixed_iv_equal_texts_are_equal_lines(case) {
    let key = Key::for_client(case);
    let server = case.scripted_server();
    let mut client = case.run_client(&["--connect", &server.address().to_string(), "--fixed-iv"]);
    let us = server.accept();
    let mut line = |text: &str| {
        client.type_line(text);
        let line = us.receives_a_line();
        let (iv, decrypted) = key.decrypt(&line);
        require(iv == key.iv, "the IV of the key file", hex::encode(iv));
        require(decrypted == text, format!("{text:?}"), format!("{decrypted:?}"));
        line
    };
    let (one, two) = (line("PAY ALICE 00100 EUR, please"), line("PAY ALICE 00100 USD, please"));
    // 42 digits of base64 are 31 bytes: the IV and most of the first block.
    require(one[..42] == two[..42] && one != two, "lines that begin alike", format!("{one} and {two}"));
    require(line("again") == line("again"), "equal lines for equal texts", "different lines");
}

/// `--key FILE` names another key file than `chat.key`.
ours(client) fn key_names_the_key_file(case) {
    let key = Key::random();
    key.write(&case.folder().join("other.key"));
    let server = case.scripted_server();
    let mut client =
        case.run_client(&["--connect", &server.address().to_string(), "--key", "other.key"]);
    let us = server.accept();
    client.type_line("hello");
    require(key.decrypt(&us.receives_a_line()).1 == "hello", "hello under other.key", "another text");
}

/// Base64 makes 4 bytes of 3, the IV takes 16, the padding at least one: a line
/// of 4096 bytes carries 3055. The client refuses what is longer before the
/// server ends the connection for it.
ours(client) fn the_longest_text_is_sent_and_a_longer_one_refused(case) {
    let key = Key::for_client(case);
    let server = case.scripted_server();
    let mut client = case.client(server.address());
    let us = server.accept();
    client.type_line(&"x".repeat(3055));
    let line = us.receives_a_line();
    require(line.len() == 4096, "a line of 4096 bytes", format!("one of {}", line.len()));
    key.decrypt(&line);
    client.type_line(&"é".repeat(1528));
    client.says("error: …3055", |line| line.starts_with("error: ") && line.contains("3055"));
    client.exits(1);
    us.sees_the_end();
}

/// An empty line is nothing to say; encrypted it would be a line like any other.
ours(client) fn an_empty_line_is_not_sent(case) {
    let key = Key::for_client(case);
    let server = case.scripted_server();
    let mut client = case.client(server.address());
    let us = server.accept();
    client.type_line("");
    client.type_line("something");
    require(key.decrypt(&us.receives_a_line()).1 == "something", "no line for the empty one", "a line");
    client.end_input();
    us.sees_the_end();
    us.close();
    require(client.ends(Duration::from_secs(5)) == testkit::Exit::Code(0), "exit code 0", "another end");
}

/// On a terminal a line that comes in stands above the line being typed, which
/// stays whole; decrypting is no reason to print past the prompt.
ours(client) fn a_terminal_client_encrypts_and_decrypts(case) {
    let key = Key::for_client(case);
    let server = case.scripted_server();
    let mut terminal = case.terminal(server.address(), &[]);
    let us = server.accept();
    terminal.shows("a prompt", |rows| rows.last().is_some_and(|row| row.trim_end().ends_with('>')));
    terminal.types("half a sen");
    terminal.shows_typed("half a sen");
    us.send(&format!("[192.0.2.7:40001] {}", key.encrypt("news")));
    us.send("[192.0.2.7:40001] nonsense");
    terminal.shows("the news above what is typed", |rows| {
        let row = |text: &str| rows.iter().any(|row| row == &format!("[192.0.2.7:40001] {text}"));
        row("news") && row("(cannot decrypt)") && rows.last().is_some_and(|row| row.ends_with("half a sen"))
    });
    terminal.types("tence\r");
    require(key.decrypt(&us.receives_a_line()).1 == "half a sentence", "half a sentence", "another text");
    // A person is told what is too long, and can go on.
    terminal.types(&"x".repeat(3056));
    terminal.types("\r");
    terminal.shows("3055, the longest", |rows| rows.iter().any(|row| row.contains("3055")));
    terminal.types("short\r");
    require(key.decrypt(&us.receives_a_line()).1 == "short", "the next text", "another");
    terminal.types("/help\r");
    terminal.shows("/quit in the help", |rows| rows.iter().any(|row| row.contains("/quit")));
}
}
