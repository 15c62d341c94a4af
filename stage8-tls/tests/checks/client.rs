//! Whom a client talks to: only to a server whose certificate verifies.

use std::fs;
use std::io::Write;
use std::time::Duration;
use testkit::{Case, Next, Program, ScriptedServer, checks, require, shown};
use testkit_chat::connection::Connection;
use testkit_chat::test_ca::{Identity, TestCa};
use time::OffsetDateTime;

const SOON: Duration = Duration::from_secs(10);
const LOCAL: [&str; 2] = ["localhost", "127.0.0.1"];

/// A server whose certificate a client must not accept, and what is wrong with it.
fn not_to_be_trusted(ours: &TestCa) -> [(&'static str, &'static [&'static str], Identity); 4] {
    let day = time::Duration::days(1);
    let (yesterday, tomorrow) = (OffsetDateTime::now_utc() - day, OffsetDateTime::now_utc() + day);
    [
        (
            "somebody else's authority",
            &["trust", "issue", "authority", "ca.pem"],
            TestCa::new().issue(&LOCAL),
        ),
        ("another name", &["elsewhere.example"], ours.issue(&["elsewhere.example"])),
        ("a certificate that has expired", &["expired", "no longer"], ours.issue_until(&LOCAL, yesterday)),
        (
            "a certificate that is not valid yet",
            &["not valid before", "not yet"],
            ours.issue_between(&LOCAL, tomorrow, tomorrow + day),
        ),
    ]
}

/// What the client, which has something to say, sends to this server after a
/// handshake, if it goes so far.
#[track_caller]
fn sent_to(case: &Case, server: &ScriptedServer, identity: &Identity) -> Vec<u8> {
    let stream = server.accept_stream();
    let Ok(carried) = identity.try_accept(stream) else { return Vec::new() };
    // In TLS 1.3 the server is done before the client has looked at the certificate.
    let mut us = case.carry("us", carried);
    us.read_on();
    let _ = us.try_send(b"AUTH_REQUIRED\n");
    while !matches!(us.next(), Next::End(..) | Next::Nothing) {}
    us.everything()
}

#[track_caller]
fn says(client: &Program, parts: &[&str]) {
    client.exits(1);
    let said = client.errors();
    let error = said.lines().find(|l| l.starts_with("error: ")).unwrap_or_default().to_lowercase();
    let fits = parts.iter().any(|part| error.contains(&part.to_lowercase()));
    require(fits, format!("error: … {}", parts.join(" or ")), &said);
}

checks! {
/// Owed by a client in any language.
pub verification:

/// A server that cannot be verified gets neither name nor password, nor anything
/// else: another authority, another name, a certificate that is not valid now.
wire(client) fn a_server_that_cannot_be_verified_gets_nothing(case) {
    let ours = TestCa::new();
    ours.put(case);
    for (what, _, identity) in not_to_be_trusted(&ours) {
        case.note(what);
        let server = case.scripted_server();
        let mut client = case.client(server.address());
        client.try_type(b"LOGIN alice correct horse\nhello\n");
        let sent = sent_to(case, &server, &identity);
        require(sent.is_empty(), format!("nothing for a server with {what}"), shown(sent));
        client.end_input();
        client.ends(SOON);
    }
}

/// Only the authority that the client was given counts: none beside it, such as those that
/// the system trusts, which `SSL_CERT_FILE` names here.
wire(client) fn no_authority_counts_but_the_one_given(case) {
    TestCa::new().put(case);
    let (other, system) = (TestCa::new(), case.folder().join("system.pem"));
    other.put_in(&system);
    let server = case.scripted_server();
    let mut client = case.client_with(server.address(), &[("SSL_CERT_FILE", &system.to_string_lossy())]);
    client.try_type(b"LOGIN alice correct horse\n");
    let sent = sent_to(case, &server, &other.issue(&LOCAL));
    require(sent.is_empty(), "nothing for a server that the system trusts", shown(sent));
    client.end_input();
    client.ends(SOON);
}

/// An address is no name: a certificate has to be for the one to which the client connects.
wire(client) fn a_certificate_for_localhost_is_not_for_its_address(case) {
    // The command of another client may name localhost itself.
    let command = std::env::var("STAGE8_CLIENT").unwrap_or_default();
    if case.foreign_client() && !command.contains("{host}") && !command.contains("HOST") {
        return;
    }
    let ours = TestCa::new();
    ours.put(case);
    let server = case.scripted_server();
    let mut client = case.client(server.address());
    client.try_type(b"LOGIN alice correct horse\n");
    let sent = sent_to(case, &server, &ours.issue(&["localhost"]));
    require(sent.is_empty(), "nothing for a server whose certificate is not for 127.0.0.1", shown(sent));
    client.end_input();
    client.ends(SOON);
}

/// A server is verified each time, also when the client comes back from a lost connection:
/// another one on the same address gets no token.
wire(client) fn a_server_is_verified_each_time(case) {
    let ours = TestCa::new();
    ours.put(case);
    let server = case.scripted_server();
    let mut client = case.client(server.address());
    client.try_type(b"LOGIN alice correct horse\n");
    let peer = ours.issue(&LOCAL).accept(case, server.accept_stream());
    let us = Connection { case, peer, envelope: None, from_a_client: true };
    us.send("AUTH_REQUIRED");
    us.receives_login();
    us.lets_in("alice", "token-1");
    client.prints_some("[USERS_LIST]", |line| line.starts_with("[USERS_LIST]"));
    us.peer.truncate();
    let sent = sent_to(case, &server, &TestCa::new().issue(&LOCAL));
    require(sent.is_empty(), "nothing for another authority's server", shown(sent));
}

/// Nor does a server that speaks no TLS.
wire(client) fn a_plain_text_server_gets_nothing(case) {
    TestCa::new().put(case);
    let server = case.scripted_server();
    let mut client = case.client(server.address());
    client.try_type(b"LOGIN alice correct horse\n");
    let us = server.accept();
    us.send("AUTH_REQUIRED");
    us.half_close();
    client.end_input();
    client.ends(SOON);
    us.sees_the_end();
    let sent = us.everything();
    let secret = String::from_utf8_lossy(&sent).contains("horse");
    require(!secret && sent.first().is_none_or(|first| *first == 22 || *first == 21), "TLS, and nothing in the clear", shown(sent));
}
}

checks! {
/// What our client says, and what it cannot be told.
pub verification_wording:

/// Each failure says what it is, exit code 1, no longer after the fact than it takes.
ours(client) fn an_error_says_why_a_server_was_not_accepted(case) {
    let ours = TestCa::new();
    ours.put(case);
    for (what, words, identity) in not_to_be_trusted(&ours) {
        case.note(what);
        let server = case.scripted_server();
        let client = case.client(server.address());
        sent_to(case, &server, &identity);
        says(&client, words);
    }
    let server = case.scripted_server();
    let client = case.client(server.address());
    let us = server.accept();
    us.send("AUTH_REQUIRED");
    says(&client, &["no TLS", "not TLS"]);
}

/// No option turns verification off, under none of its usual names.
ours(client) fn no_option_turns_verification_off(case) {
    TestCa::new().put(case);
    let help = case.run_client(&["--help"]);
    help.exits(0);
    let text = help.output().to_lowercase();
    for word in ["insecure", "no-verify", "skip-verify", "--trust-all", "accept-any"] {
        require(!text.contains(word), format!("no {word} in the help"), &text);
    }
    for flag in ["--insecure", "--no-verify", "-k", "--skip-verify"] {
        case.run_client(&["--connect", "127.0.0.1:1", flag]).exits(2);
    }
}

/// `--ca FILE` names the trusted authority, `--server-name NAME` the name that the
/// certificate must have.
ours(client) fn authority_and_name_can_be_given(case) {
    let (elsewhere, folder) = (TestCa::new(), case.folder().join("certs"));
    elsewhere.put(case);
    fs::rename(folder.join("ca.pem"), case.folder().join("other.pem")).expect("it is ours");
    let identity = elsewhere.issue(&["chat.example"]);
    let server = case.scripted_server();
    let address = server.address().to_string();
    let mut client = case.run_client(&["--connect", &address, "--ca", "other.pem", "--server-name", "chat.example"]);
    client.try_type(b"LOGIN alice correct horse\n");
    let us = identity.accept(case, server.accept_stream());
    us.send("AUTH_REQUIRED");
    us.hears_of("LOGIN");
    drop(us);
    let server = case.scripted_server();
    let address = server.address().to_string();
    let client = case.run_client(&["--connect", &address, "--ca", "other.pem"]);
    sent_to(case, &server, &identity);
    says(&client, &["chat.example"]);
}

/// Without the authority's certificate the client cannot trust any server: the error
/// names the file, and says where it comes from.
ours(client) fn a_missing_ca_file_is_named(case) {
    for (flags, file) in [(&[][..], "certs/ca.pem"), (&["--ca", "none.pem"], "none.pem"), (&["--ca", "letter.pem"], "letter.pem")] {
        fs::File::create(case.folder().join("letter.pem")).and_then(|mut f| f.write_all(b"Dear authority,\n")).expect("it is ours");
        let client = case.run_client(&[&["--connect", "127.0.0.1:1"], flags].concat());
        says(&client, &[file]);
    }
}

/// A name is not an address: a client that connects to `localhost` expects that
/// name.
ours(client) fn the_name_that_was_typed_is_the_one_expected(case) {
    let ours = TestCa::new();
    ours.put(case);
    let identity = ours.issue(&["127.0.0.1"]);
    let server = case.scripted_server();
    let port = server.address().port();
    let client = case.run_client(&["--connect", &format!("localhost:{port}")]);
    sent_to(case, &server, &identity);
    says(&client, &["localhost"]);
    let mut client = case.run_client(&["--connect", &format!("127.0.0.1:{port}")]);
    client.try_type(b"LOGIN alice correct horse\n");
    let us = identity.accept(case, server.accept_stream());
    us.send("AUTH_REQUIRED");
    us.hears_of("LOGIN");
}
}
