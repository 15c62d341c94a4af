//! `stage8-certs`, held against OpenSSL.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use testkit::{Case, Program, checks, require};

/// Runs `stage8-certs` in the case's folder.
#[track_caller]
fn make(case: &Case, arguments: &[&str]) -> Program {
    let mut command = Command::new(case.our_tool("certs"));
    command.args(arguments);
    case.run("certs", command)
}

/// What `openssl` says to these words in the case's folder.
#[track_caller]
fn openssl(case: &Case, line: &str) -> (bool, String) {
    let output = Command::new("openssl").args(line.split(' ')).current_dir(case.folder()).output();
    let output = output.unwrap_or_else(|e| testkit::fail("openssl to start", e.to_string()));
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

checks! { pub certs:

/// A certificate for every name that was given, and for no other, issued by the
/// authority beside it; the key for its owner only.
ours(tool) fn certificates_are_for_all_names_given(case) {
    make(case, &["--name", "chat.example", "--name", "127.0.0.1", "--name", "::1"]).exits(0);
    for (names, holds) in [
        ("-verify_hostname chat.example", true),
        ("-verify_ip 127.0.0.1", true),
        ("-verify_ip ::1", true),
        ("-verify_hostname localhost", false),
        ("-verify_hostname a.chat.example", false),
        ("-verify_ip 127.0.0.2", false),
    ] {
        let (verified, said) = openssl(case, &format!("verify -x509_strict -purpose sslserver -CAfile certs/ca.pem {names} certs/server.pem"));
        require(verified == holds, format!("{names}: {holds}"), said);
    }
    let mode = fs::metadata(case.folder().join("certs/server.key")).map_or(0, |data| data.permissions().mode() & 0o777);
    require(mode == 0o600, "server.key with mode 600", format!("{mode:o}"));
    let certificate = openssl(case, "x509 -in certs/server.pem -noout -pubkey").1;
    let key = openssl(case, "pkey -in certs/server.key -pubout").1;
    require(certificate == key, "the key of that certificate", key);
}

/// `--days N` is how long it is valid, `--out DIR` where it is put.
ours(tool) fn validity_and_place_can_be_chosen(case) {
    make(case, &["--name", "localhost", "--days", "3", "--out", "elsewhere"]).exits(0);
    for (seconds, valid) in [(2 * 86400, true), (4 * 86400, false)] {
        let (held, said) = openssl(case, &format!("x509 -in elsewhere/server.pem -noout -checkend {seconds}"));
        require(held == valid, format!("valid in {seconds} s: {valid}"), said);
    }
    make(case, &["--name", "two words", "--out", "x"]).exits(2);
}

/// Existing files are not overwritten: otherwise every user's `ca.pem` would be
/// worthless.
ours(tool) fn nothing_is_overwritten(case) {
    make(case, &["--name", "localhost"]).exits(0);
    let files = || ["ca.pem", "server.pem", "server.key"].map(|name| fs::read(case.folder().join("certs").join(name)).unwrap_or_default());
    let before = files();
    let again = make(case, &["--name", "chat.example"]);
    again.exits(1);
    let said = again.errors();
    require(said.lines().any(|l| l.starts_with("error: ") && l.contains("certs")), "error: … certs", &said);
    require(files() == before, "the files as they were", "others");
}

/// `stage8-certs show` tells what is in a certificate: its names and its time.
ours(tool) fn a_certificate_can_be_looked_at(case) {
    make(case, &["--name", "chat.example", "--name", "127.0.0.1", "--days", "30"]).exits(0);
    let show = make(case, &["show", "certs/server.pem"]);
    show.exits(0);
    let said = show.output();
    let year = openssl(case, "x509 -in certs/server.pem -noout -enddate").1;
    let year = year.split_whitespace().find(|word| word.len() == 4 && word.starts_with("20")).unwrap_or("20").to_owned();
    for part in ["chat.example", "127.0.0.1", &year] {
        require(said.contains(part), part, &said);
    }
    make(case, &["show", "certs/none.pem"]).exits(1);
}
}
