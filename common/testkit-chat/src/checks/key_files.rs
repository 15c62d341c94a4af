//! Key files that neither program may use, and what is said about them. What else
//! can be wrong with one is checked in stage 5.

use crate::wire::{Key, write_private};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use testkit::{Case, checks, require};

/// Both programs must end with code 1 and one line with all of `parts`, and the
/// server must not have listened.
#[track_caller]
fn both_refuse(case: &Case, parts: &[&str]) {
    let server = case.run_server(&["--listen", "127.0.0.1:0"]);
    let client = case.run_client(&["--connect", "127.0.0.1:1"]);
    for program in [&server, &client] {
        program.exits(1);
        let said = program.errors();
        let error = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        for part in parts {
            require(error.contains(part), format!("error: … {part}"), &said);
        }
        require(!said.contains("789abc"), "no digits of the key", &said);
        require(!program.output().contains("Listening"), "a server that does not listen", program.output());
    }
}

checks! {
/// Key files that none may use: stages 6 and 7.
pub key_files:

/// From this stage on the server needs the key too.
ours(both) fn a_missing_key_file_is_named(case) {
    both_refuse(case, &["chat.key", "stage5-keygen"]);
}

/// A key that is one digit short is still a key: an error must not print it.
ours(both) fn a_wrong_key_file_is_named_and_not_shown(case) {
    let digits = "0123456789abcdef".repeat(4);
    write_private(&case.folder().join("chat.key"), &format!("key={}\niv=\n", &digits[1..]));
    both_refuse(case, &["chat.key", "line 1"]);
}

/// Every program that can read the file can read the chat.
ours(both) fn a_key_file_that_others_can_read_is_refused(case) {
    let path = case.folder().join("chat.key");
    Key::random().write(&path);
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the file is ours");
        both_refuse(case, &["chat.key", "chmod 600"]);
    }
}
}
