//! `stage5-keygen`, which makes the key file.

use super::wire::{Key, write_private};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use testkit::{Case, Program, checks, require};

fn run(case: &Case, arguments: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stage5-keygen"));
    command.args(arguments);
    case.run("keygen", command)
}

#[track_caller]
fn is_private(path: &Path) {
    let mode = fs::metadata(path).map_or(0, |file| file.permissions().mode() & 0o777);
    require(mode == 0o600, format!("{} with mode 0600", path.display()), format!("{mode:04o}"));
}

#[track_caller]
fn holds_only(case: &Case, files: usize) {
    let found = fs::read_dir(case.folder()).map_or(0, Iterator::count);
    require(found == files, format!("{files} file(s) in the folder"), format!("{found}"));
}

checks! {
/// Making a key file.
pub keygen:

/// Without arguments it makes `chat.key`, for its owner only, and prints no key.
ours(tool) fn keygen_makes_a_private_key_file(case) {
    let program = run(case, &[]);
    program.exits(0);
    let path = case.folder().join("chat.key");
    is_private(&path);
    let key = Key::read(&path);
    require(!program.output().contains(&hex::encode(key.key)), "no key on standard output", "the key");
    holds_only(case, 1);
}

/// Keys are random: no two runs make the same, and none makes zeros.
ours(tool) fn every_key_is_new(case) {
    let mut keys = std::collections::HashSet::new();
    for name in ["a.key", "b.key", "c.key"] {
        run(case, &["--out", name]).exits(0);
        let Key { key, iv } = Key::read(&case.folder().join(name));
        keys.extend([key[..16].to_vec(), key[16..].to_vec(), iv.to_vec()]);
    }
    require(keys.len() == 9, "nine different halves of keys and IVs", format!("{}", keys.len()));
}

/// A key file that is gone takes everything with it that was encrypted under it:
/// nothing is overwritten without `--force`.
ours(tool) fn keygen_overwrites_nothing(case) {
    let path = case.folder().join("chat.key");
    write_private(&path, "precious");
    let program = run(case, &[]);
    program.exits(1);
    let said = program.errors();
    require(said.starts_with("error: ") && said.contains("chat.key") && said.contains("--force"),
        "an error that names chat.key and --force", &said);
    require(fs::read_to_string(&path).is_ok_and(|text| text == "precious"), "the file as it was", "another");
    holds_only(case, 1);
}

/// `--force` puts a new file in the place of the old one, in one step.
ours(tool) fn force_replaces_the_key_file(case) {
    let path = case.folder().join("chat.key");
    write_private(&path, "old");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("the file is ours");
    run(case, &["--force"]).exits(0);
    is_private(&path);
    Key::read(&path);
    holds_only(case, 1);
}

/// A folder that is not there is named, with exit code 1; a flag that is not
/// there ends with 2.
ours(tool) fn keygen_fails_with_a_reason(case) {
    let program = run(case, &["--out", "nowhere/chat.key"]);
    program.exits(1);
    require(program.errors().contains("nowhere/chat.key"), "an error that names the file", program.errors());
    run(case, &["--nonsense"]).exits(2);
    holds_only(case, 0);
}
}
