//! The server: what is still to be said about lines, by hand, and its files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use testkit::{Case, Program, checks, require};
use testkit_chat::chat::{Chat, PASSWORD};
use testkit_chat::tls::ca_file;

const NOT_UTF8: &str = "[SERVER] error: line is not valid UTF-8";

checks! {
/// Lines that are plain inside TLS.
pub server:

/// Bytes that are no UTF-8 get an error, the connection goes on, during the login too, and
/// they are not delivered.
wire(server) fn invalid_utf8_gets_an_error_and_the_connection_goes_on(case) {
    let chat = Chat::start(case);
    let [alice, bob] = chat.room();
    for bytes in [&b"caf\xe9\n"[..], b"\xc0\xaf\n", b"\xed\xa0\x80\n", b"cut \xf0\x9f\xa6\n"] {
        alice.peer.send_bytes(bytes);
        alice.hears(NOT_UTF8);
    }
    // What stands beside it in the packet counts.
    alice.peer.send_bytes(b"before it\ncaf\xe9\nafter it\n\xff\nand after that\n");
    for text in ["before it", "after it", "and after that"] {
        bob.hears(&format!("{}: {text}", alice.name));
    }
    alice.hears(NOT_UTF8);
    alice.hears(NOT_UTF8);
    let carol = chat.asked("carol");
    let request = format!("REGISTER {} {PASSWORD}\n", chat.name("carol"));
    carol.peer.send_bytes(&[b"caf\xe9\n", request.as_bytes()].concat());
    carol.receives(NOT_UTF8);
    carol.receives_some("AUTH_SUCCESS", |l| l.starts_with("AUTH_SUCCESS "));
    let heard = String::from_utf8_lossy(&bob.peer.everything()).into_owned();
    require(!heard.contains("caf") && !heard.contains("cut "), "nothing that is no UTF-8", heard);
}
}

checks! {
/// With usual tools.
pub by_hand:

/// `openssl s_client` is a client: it verifies the server, and the rest can be typed.
wire(server) fn openssl_can_register_log_in_and_chat(case) {
    let chat = Chat::start(case);
    let bob = chat.register("bob");
    let s_client = |version: &str| {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", version, "-verify_return_error", "-verify_hostname", "localhost"]);
        command.args(["-servername", "localhost", "-connect", &chat.address().to_string()]).arg("-CAfile").arg(ca_file(case));
        case.run("openssl", command)
    };
    let hears = |program: &Program, line: &str| {
        program.prints_some(line, |l| l == line);
    };
    let name = chat.name("alice");
    for (version, verb) in [("-tls1_3", "REGISTER"), ("-tls1_2", "LOGIN")] {
        let mut alice = s_client(version);
        hears(&alice, "AUTH_REQUIRED");
        alice.type_line(verb);
        hears(&alice, "ENTER_USERNAME");
        alice.type_line(&name);
        hears(&alice, "ENTER_PASSWORD");
        alice.type_line(PASSWORD);
        alice.prints_some("AUTH_SUCCESS", |l| l.starts_with(&format!("AUTH_SUCCESS {name} ")));
        alice.type_line("hello from openssl");
        bob.hears(&format!("{name}: hello from openssl"));
        bob.send("hello, openssl");
        hears(&alice, &format!("{}: hello, openssl", bob.name));
        bob.send(&format!("/msg {name} and between us"));
        hears(&alice, &format!("[private] {}: and between us", bob.name));
        alice.type_line("/quit");
        alice.ends(std::time::Duration::from_secs(5));
    }
}
}

/// Mode and content of a file in `certs`.
#[track_caller]
fn file(case: &Case, name: &str) -> (u32, Vec<u8>) {
    let path = case.folder().join("certs").join(name);
    let mode = fs::metadata(&path).map_or(0, |data| data.permissions().mode() & 0o777);
    (mode, fs::read(path).unwrap_or_default())
}

checks! {
/// Certificates of our server.
pub files:

/// It makes them at its first start, the key for its owner only, and keeps to them.
ours(server) fn the_server_makes_its_certificates_once(case) {
    let chat = Chat::start(case);
    let made = ["ca.pem", "server.pem", "server.key"].map(|name| file(case, name));
    require(made.iter().all(|(_, content)| !content.is_empty()), "ca.pem, server.pem and server.key in certs/", "not all of them");
    require(made[2].0 == 0o600, "server.key with mode 600", format!("{:o}", made[2].0));
    let chat = chat.again(&[]);
    chat.register("alice");
    let kept = ["ca.pem", "server.pem", "server.key"].map(|name| file(case, name));
    require(kept == made, "the same certificates at the second start", "others");
    let log = chat.server.program.errors() + &fs::read_to_string(case.folder().join("server_logs.txt")).unwrap_or_default();
    require(!log.contains("PRIVATE KEY"), "no key in the log", "there is one");
}

/// A key that others can read, or one that belongs to another certificate, is refused
/// with its name.
ours(server) fn files_that_do_not_fit_are_refused(case) {
    drop(Chat::start(case));
    let key = case.folder().join("certs/server.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("it is ours");
    for _ in 0..2 {
        let server = case.run_server(&["--listen", "127.0.0.1:0"]);
        server.exits(1);
        let said = server.errors();
        let named = said.lines().any(|l| l.starts_with("error: ") && l.contains("server.key"));
        require(named && !said.contains("PRIVATE"), "error: … server.key", said);
        fs::remove_file(&key).expect("it is ours");
        fs::write(&key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").expect("it is ours");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("it is ours");
    }
}
}
