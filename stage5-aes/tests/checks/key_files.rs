//! Key files that the client must not use, and what it says about them.

use super::wire::{Key, write_private};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use testkit::{Case, checks, require};

/// Our client must end with code 1 and one line on standard error with all of
/// `parts` in it, before it has connected anywhere.
#[track_caller]
fn refuses(case: &Case, parts: &[&str]) {
    let server = case.scripted_server();
    let client = case.run_client(&["--connect", &server.address().to_string()]);
    client.exits(1);
    let said = client.errors();
    require(said.starts_with("error: ") && said.lines().count() == 1, "one line `error: …`", &said);
    for part in parts {
        require(said.contains(part), format!("{part:?} in the error"), &said);
    }
    require(client.output().is_empty(), "nothing on standard output", client.output());
}

checks! {
/// What the client says about a wrong key file: which, where, and what to do.
pub key_files:

/// Without a key file there is nothing to begin with: say which one is missing
/// and what makes it.
ours(client) fn a_missing_key_file_is_named(case) {
    refuses(case, &["chat.key", "stage5-keygen"]);
}

/// One digit too few or too many, a wrong one, lines in the wrong order, a line
/// too many: each is named with its line, and no guess is made.
ours(client) fn a_wrong_line_is_named(case) {
    let (key, iv) = ("0123456789abcdef".repeat(4), "0123456789abcdef".repeat(2));
    let table = [
        (String::new(), "line 1"),
        (format!("key={}\niv={iv}\n", &key[1..]), "line 1"),
        (format!("key={key}0\niv={iv}\n"), "line 1"),
        (format!("key={}g\niv={iv}\n", &key[1..]), "line 1"),
        (format!("iv={iv}\nkey={key}\n"), "line 1"),
        (format!("key={key}\n"), "line 2"),
        (format!("key={key}\niv={}\n", &iv[1..]), "line 2"),
        (format!("key={key}\niv={iv}\nkey={key}\n"), "line 3"),
    ];
    for (text, line) in table {
        case.note(format!("a key file that is wrong in {line}"));
        write_private(&case.folder().join("chat.key"), &text);
        refuses(case, &["chat.key", line, "stage5-keygen"]);
    }
}

/// A key that is one digit short is still a key: an error must not print it.
ours(client) fn no_error_shows_a_key(case) {
    let digits = "0123456789abcdef".repeat(4);
    write_private(&case.folder().join("chat.key"), &format!("key={}\niv=\n", &digits[1..]));
    let client = case.run_client(&["--connect", "127.0.0.1:1"]);
    client.exits(1);
    require(!client.errors().contains("789abc"), "an error without the key's digits", client.errors());
}

/// Every program that can read the file can read the chat: refuse it, and say which
/// chmod mends it. The same file with mode 0600 is taken.
ours(client) fn a_key_file_that_others_can_read_is_refused(case) {
    let path = case.folder().join("chat.key");
    Key::random().write(&path);
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the file is ours");
        refuses(case, &["chat.key", "chmod 600"]);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    let server = case.scripted_server();
    let _client = case.client(server.address());
    server.accept();
}

/// A folder in the place of the file can be opened and not read.
ours(client) fn a_key_file_that_cannot_be_read_is_named(case) {
    fs::create_dir(case.folder().join("chat.key")).expect("the case's folder is empty");
    fs::set_permissions(case.folder().join("chat.key"), fs::Permissions::from_mode(0o700)).expect("it is ours");
    refuses(case, &["chat.key", "cannot be read"]);
}

/// `\r\n` and a missing last line end are what editors do to a file on its way.
ours(client) fn a_key_file_with_other_line_ends_is_taken(case) {
    let key = Key::random();
    let text = format!("key={}\r\niv={}", hex::encode_upper(key.key), hex::encode(key.iv));
    write_private(&case.folder().join("chat.key"), &text);
    let server = case.scripted_server();
    let mut client = case.client(server.address());
    let us = server.accept();
    client.type_line("hello");
    require(key.decrypt(&us.receives_a_line()).1 == "hello", "hello under that key", "another text");
}
}
