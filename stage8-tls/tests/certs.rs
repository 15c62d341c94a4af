//! `stage8-certs`, and the server's part of it.

#![allow(clippy::unwrap_used)] // as in every test, here also outside of the functions marked so

use common::log::{Level, Log};
use stage8_tls::certs::{CertificateFolder, Validity, own_names, read_certificates};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

fn certs(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_stage8-certs");
    Command::new(program).args(arguments).current_dir(folder).output().unwrap()
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(if code == 0 { &output.stdout } else { &output.stderr }.clone()).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A folder with certificates for these names, in its folder `certs`.
fn made(arguments: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    said(&certs(folder.path(), arguments), 0);
    folder
}

#[test]
fn a_set_is_made_with_its_names_and_modes() {
    let names = ["--name", "localhost", "--name", "127.0.0.1", "--name", "::1", "--name", "*.Example.org"];
    let folder = made(&names);
    let set = CertificateFolder::new(&folder.path().join("certs"));
    assert_eq!([set.ca(), set.server(), set.key()].map(|path| mode(&path)), [0o644, 0o644, 0o600]);
    assert_eq!(mode(&folder.path().join("certs")), 0o700);

    let [server] = &read_certificates(&set.server()).unwrap()[..] else { panic!("one certificate") };
    let [ca] = &read_certificates(&set.ca()).unwrap()[..] else { panic!("one certificate") };
    assert_eq!(server.names, ["localhost", "127.0.0.1", "::1", "*.example.org"]);
    assert_eq!((&server.issuer, &ca.subject), (&ca.subject, &ca.issuer));
    assert!(ca.is_authority && !server.is_authority);
    let now = OffsetDateTime::now_utc();
    assert!(server.from < now - Duration::minutes(50), "clocks are not all the same");
    assert!(server.until > now + Duration::days(364) && server.until < now + Duration::days(366));
    assert_eq!(fs::read_dir(folder.path().join("certs")).unwrap().count(), 3, "no other key is kept");
}

#[test]
fn nothing_is_replaced_unless_that_is_wanted() {
    let folder = made(&["--name", "localhost"]);
    let set = CertificateFolder::new(&folder.path().join("certs"));
    let read = || [set.ca(), set.server(), set.key()].map(|path| fs::read(path).unwrap());
    let before = read();
    let problem = said(&certs(folder.path(), &["--name", "localhost"]), 1);
    assert!(problem.contains("certs/ca.pem: exists already; --force"), "{problem}");
    assert!(read() == before);
    // One file of three is reason enough.
    fs::remove_file(set.ca()).unwrap();
    fs::remove_file(set.server()).unwrap();
    said(&certs(folder.path(), &["--name", "localhost"]), 1);
    assert!(!set.ca().exists());

    let key = fs::read(set.key()).unwrap();
    said(&certs(folder.path(), &["--name", "localhost", "--days", "30", "--force"]), 0);
    assert!(read().iter().zip(&before).all(|(new, old)| new != old));
    assert_eq!(mode(&set.key()), 0o600);
    // And the old key can be put back.
    let old = folder.path().join("certs/server.key.old");
    assert_eq!((fs::read(&old).unwrap(), mode(&old)), (key, 0o600));
}

#[test]
fn show_tells_what_a_user_wants_to_know() {
    let folder = made(&["--name", "localhost", "--out", "a", "--days", "10"]);
    let shown = said(&certs(folder.path(), &["show", "a/server.pem"]), 0);
    for part in ["CN=localhost", "Chat authority ", "localhost", "(valid now)", "256 bits", "authority:   no"]
    {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
    let fingerprint = shown.split("SHA-256 ").nth(1).unwrap().trim();
    assert_eq!(fingerprint.split(':').filter(|byte| byte.len() == 2).count(), 32);
    said(&certs(folder.path(), &["--name", "localhost", "--out", "b", "--days", "-2"]), 0);
    let shown = said(&certs(folder.path(), &["show", "b/ca.pem"]), 0);
    assert!(shown.contains("(expired)") && shown.contains("authority:   yes"), "{shown}");
}

#[test]
fn what_is_wrong_is_said() {
    let folder = made(&["--name", "localhost"]);
    fs::write(folder.path().join("text"), "hello").unwrap();
    let problem = |arguments: &[&str], code| said(&certs(folder.path(), arguments), code);
    assert!(problem(&["show", "nothing"], 1).contains("nothing: no such file"));
    assert!(problem(&["show", "text"], 1).contains("text: holds no certificate"));
    assert!(problem(&["show", "certs/server.key"], 1).contains("holds no certificate"));
    assert!(problem(&[], 2).contains("--name <NAME>"));
    assert!(problem(&["--name", "no name"], 2).contains("neither a host name"));
    assert!(problem(&["--name", "a", "--days", "x"], 2).contains("--days"));
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(problem(&["--name", "a", "--out", "file/certs"], 1).contains("cannot be made"));
}

#[test]
fn openssl_agrees() {
    let folder = made(&["--name", "localhost"]);
    let verify =
        ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "certs/ca.pem", "certs/server.pem"];
    let Ok(output) = Command::new("openssl").args(verify).current_dir(folder.path()).output() else {
        return println!("no openssl here");
    };
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_server_makes_what_it_needs_once_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let set = CertificateFolder::new(&folder.path().join("certs"));
    let log = |names: &[String]| {
        let file = folder.path().join("log");
        let (log, guard) = Log::start(Level::Info, Some(&file)).unwrap();
        set.open(names, &log).unwrap();
        drop((log, guard));
        let text = fs::read_to_string(&file).unwrap();
        fs::remove_file(file).unwrap();
        text
    };
    let said = log(&own_names("192.0.2.1"));
    assert!(said.contains("made certificates for localhost, 127.0.0.1, ::1, 192.0.2.1"), "{said}");
    assert!(said.contains("valid until "), "{said}");
    let key = fs::read(set.key()).unwrap();
    assert!(!log(&own_names("localhost")).contains("made"));
    assert_eq!(fs::read(set.key()).unwrap(), key);

    for (days, warning) in [(-1, "expired on"), (13, "expires on"), (15, "")] {
        set.make(&own_names("localhost"), Validity::days(days), true).unwrap();
        let said = log(&[]);
        assert_eq!(said.contains("WARN"), !warning.is_empty(), "{days}: {said}");
        assert!(said.contains(warning), "{days}: {said}");
    }
}

#[test]
fn the_address_for_all_addresses_is_no_name() {
    for (host, own) in [("0.0.0.0", 3), ("::", 3), ("localhost", 3), ("chat.example.org", 4)] {
        assert_eq!(own_names(host).len(), own, "{host}");
    }
}

#[test]
fn half_a_set_or_a_damaged_one_is_refused_with_what_to_do() {
    let (log, _guard) = Log::start(Level::Error, None).unwrap();
    let refusal = |spoil: &dyn Fn(&CertificateFolder)| {
        let folder = made(&["--name", "localhost"]);
        let set = CertificateFolder::new(&folder.path().join("certs"));
        spoil(&set);
        let words = set.open(&[], &log).err().expect("it must be refused").to_string();
        assert!(!words.contains("--force"), "the files may be somebody's own: {words}");
        words
    };
    for file in [CertificateFolder::ca, CertificateFolder::server, CertificateFolder::key] {
        let words = refusal(&|set| fs::remove_file(file(set)).unwrap());
        assert!(words.contains("is missing") && words.contains("put it back"), "{words}");
    }
    let other = made(&["--name", "localhost"]);
    let other = CertificateFolder::new(&other.path().join("certs")).key();
    let words = refusal(&|set| {
        fs::write(set.key(), fs::read(&other).unwrap()).unwrap();
    });
    assert!(words.contains("does not fit server.pem"), "{words}");
    let words = refusal(&|set| fs::write(set.server(), "hello").unwrap());
    assert!(words.contains("server.pem: holds no certificate"), "{words}");
    let words = refusal(&|set| fs::set_permissions(set.key(), fs::Permissions::from_mode(0o644)).unwrap());
    assert!(words.contains("chmod 600"), "{words}");
}

#[test]
fn the_folder_and_the_files_do_not_depend_on_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    for umask in ["000", "022", "077", "777"] {
        let program = env!("CARGO_BIN_EXE_stage8-certs");
        let command = format!("umask {umask}; exec {program} --name localhost --out {umask}");
        said(&Command::new("sh").args(["-c", &command]).current_dir(folder.path()).output().unwrap(), 0);
        let set = folder.path().join(umask);
        let modes = ["ca.pem", "server.pem", "server.key"].map(|name| mode(&set.join(name)));
        assert_eq!((mode(&set), modes), (0o700, [0o644, 0o644, 0o600]), "umask {umask}");
    }
}

#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    let (log, _guard) = Log::start(Level::Error, None).unwrap();
    let folder = made(&["--name", "localhost"]);
    let certs_folder = folder.path().join("certs");
    for others in [0o770, 0o707, 0o777, 0o1777] {
        fs::set_permissions(&certs_folder, fs::Permissions::from_mode(others)).unwrap();
        let error = CertificateFolder::new(&certs_folder).open(&[], &log).err().expect("it must be refused");
        assert!(error.to_string().contains("chmod go-w"), "{error}");
        let problem = said(&certs(folder.path(), &["--name", "localhost", "--force"]), 1);
        assert!(problem.contains("chmod go-w"), "{problem}");
    }
    fs::set_permissions(&certs_folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(CertificateFolder::new(&certs_folder).open(&[], &log).is_ok());
}

#[test]
fn no_file_is_written_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let certs_folder = folder.path().join("certs");
    fs::create_dir(&certs_folder).unwrap();
    fs::set_permissions(&certs_folder, fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["ca.pem", "server.pem", "server.key"] {
        std::os::unix::fs::symlink(&victim, certs_folder.join(name)).unwrap();
    }
    said(&certs(folder.path(), &["--name", "localhost"]), 1);
    said(&certs(folder.path(), &["--name", "localhost", "--force"]), 0);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(!certs_folder.join("server.key").is_symlink());
}
