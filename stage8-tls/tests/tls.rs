//! Client and server against peers that make mistakes, that are another implementation
//! (OpenSSL), or that speak no TLS at all.

#![allow(clippy::unwrap_used)] // as in every test, here also outside of the functions marked so

use clap::Parser;
use common::log::{Level, Log};
use stage2_echo::line::lingering_close;
use stage4_multichat::transport::Transport;
use stage6_auth::client::connection::{Reader, finish, send_all};
use stage8_tls::certs::{CertificateFolder, Validity};
use stage8_tls::tls::{HandshakeError, TlsAcceptor, TlsStream, TrustArgs};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

/// A server that accepts once.
struct TestServer {
    folder: TempDir,
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl TestServer {
    fn new(names: &[&str], validity: Validity) -> TestServer {
        let folder = tempfile::tempdir().unwrap();
        let certs = CertificateFolder::new(folder.path());
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        certs.make(&names, validity, false).unwrap();
        let (log, _guard) = Log::start(Level::Error, None).unwrap();
        let acceptor = TlsAcceptor::new(&certs.open(&[], &log).unwrap());
        TestServer { folder, listener: TcpListener::bind("127.0.0.1:0").unwrap(), acceptor }
    }

    fn usual() -> TestServer {
        Self::new(&["localhost", "127.0.0.1"], Validity::days(1))
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    fn ca(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    fn accept(&self) -> Result<TlsStream, HandshakeError> {
        let stream = Arc::new(self.listener.accept().unwrap().0);
        self.acceptor.accept(&stream).inspect_err(|_| lingering_close(&stream))
    }

    /// What becomes of a client of ours with these arguments, and of the server.
    fn meet(&self, arguments: &[&str]) -> (Result<TlsStream, String>, Result<TlsStream, HandshakeError>) {
        thread::scope(|scope| {
            let server = scope.spawn(|| self.accept());
            let client = connect(self.address(), arguments);
            // In TLS 1.3 a server learns only when it reads whether the client trusts it.
            (client, server.join().unwrap())
        })
    }
}

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    trust: TrustArgs,
}

fn connect(to: SocketAddr, arguments: &[&str]) -> Result<TlsStream, String> {
    let args = Args::try_parse_from([&["client"], arguments].concat()).unwrap();
    let connector = args.trust.load(&to.to_string().parse().unwrap()).map_err(|e| e.to_string())?;
    connector.connect().map_err(|e| e.to_string())
}

#[track_caller]
fn says(error: Result<TlsStream, String>, words: &[&str]) {
    let error = error.err().expect("there must be no connection");
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}

#[test]
fn the_name_typed_is_the_one_expected_unless_there_is_another() {
    let test = TestServer::usual();
    let (client, server) = test.meet(&["--ca", &test.ca()]);
    assert!(client.is_ok() && server.is_ok());
    let (client, server) = test.meet(&["--ca", &test.ca(), "--server-name", "localhost"]);
    assert!(client.is_ok() && server.is_ok());
}

#[test]
fn an_authority_that_the_client_does_not_know() {
    let (test, other) = (TestServer::usual(), TestServer::usual());
    let (client, server) = test.meet(&["--ca", &other.ca()]);
    says(client, &["is not from the authority in", &other.ca(), "--ca FILE"]);
    let words = server.err().unwrap().to_string();
    assert!(words.contains("does not trust our certificate (alert unknown_ca)"), "{words}");
}

#[test]
fn a_certificate_for_other_names() {
    let test = TestServer::new(&["chat.example.org", "192.0.2.7"], Validity::days(1));
    let (client, server) = test.meet(&["--ca", &test.ca()]);
    says(client, &["is not for 127.0.0.1 but for chat.example.org, 192.0.2.7", "--server-name NAME"]);
    let words = server.err().unwrap().to_string();
    assert!(words.contains("expected another name"), "{words}");
}

#[test]
fn a_certificate_that_has_expired() {
    let test = TestServer::new(&["127.0.0.1"], Validity::days(-3));
    let (client, server) = test.meet(&["--ca", &test.ca()]);
    let day = (OffsetDateTime::now_utc() - Duration::days(3)).date().to_string();
    says(client, &["expired on", &day, "stage8-certs --force"]);
    let words = server.err().unwrap().to_string();
    assert!(words.contains("not valid now"), "{words}");
}

#[test]
fn a_certificate_for_no_days_has_expired_at_once() {
    let test = TestServer::new(&["127.0.0.1"], Validity::days(0));
    let (client, _) = test.meet(&["--ca", &test.ca()]);
    says(client, &["expired on", "stage8-certs --force"]);
}

#[test]
fn a_certificate_that_is_not_valid_yet() {
    let from = OffsetDateTime::now_utc() + Duration::days(2);
    let test = TestServer::new(&["127.0.0.1"], Validity { from, until: from + Duration::days(1) });
    let (client, _) = test.meet(&["--ca", &test.ca()]);
    says(client, &["not valid before", &from.date().to_string(), "clock"]);
}

#[test]
fn a_server_that_speaks_no_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let test = TestServer::usual();
    for greeting in ["[SERVER] error: server is full\n", "bm90IFRMUw==\n", "220 mail.example.org\r\n"] {
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(greeting.as_bytes()).unwrap();
                lingering_close(&stream);
            });
            let client = connect(listener.local_addr().unwrap(), &["--ca", &test.ca()]);
            says(client, &["speaks no TLS", "earlier stage", "9008"]);
        });
    }
}

#[test]
fn a_server_that_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let test = TestServer::usual();
    thread::scope(|scope| {
        scope.spawn(|| lingering_close(&listener.accept().unwrap().0));
        let client = connect(listener.local_addr().unwrap(), &["--ca", &test.ca()]);
        says(client, &["closed the connection during the handshake"]);
    });
}

#[test]
fn a_ca_file_that_is_none() {
    let test = TestServer::usual();
    let in_folder = |name: &str| test.folder.path().join(name).display().to_string();
    let case = |file: &str, words: &[&str]| says(connect(test.address(), &["--ca", file]), words);
    case(&in_folder("nothing.pem"), &["no such file", "--ca FILE"]);
    case(&in_folder("server.key"), &["holds no certificate", "ca.pem"]);
    std::fs::write(in_folder("text"), "hello").unwrap();
    case(&in_folder("text"), &["holds no certificate"]);
    std::fs::write(in_folder("damaged"), "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n")
        .unwrap();
    case(&in_folder("damaged"), &["is damaged"]);
    case(&in_folder(""), &["cannot be read"]);
}

/// `openssl s_client`, and our end of its connection.
struct OpenSsl {
    client: Child,
    server: Result<TlsStream, HandshakeError>,
}

impl OpenSsl {
    /// `None` where there is no OpenSSL; CI has it.
    fn connect(test: &TestServer, options: &[&str]) -> Option<OpenSsl> {
        let client = Command::new("openssl")
            .args(["s_client", "-connect", &test.address().to_string(), "-verify_return_error"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .inspect_err(|e| println!("no openssl here: {e}"))
            .ok()?;
        Some(OpenSsl { client, server: test.accept() })
    }

    fn types(&mut self, line: &str) {
        self.client.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    /// What is typed arrives, and so does the answer.
    fn talks(&mut self, line: &str) {
        self.types(line);
        let wire = self.server.as_ref().unwrap();
        let mut got = vec![0; line.len()];
        Reader(wire).read_exact(&mut got).unwrap();
        assert_eq!(got, line.as_bytes());
        send_all(wire, &got).unwrap();
    }

    /// A letter at the beginning of a line is a command. It is done when it says so.
    fn renews(&mut self, command: &str) {
        self.types(command);
        let mut lines = BufReader::new(self.client.stderr.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "KEYUPDATE"));
    }

    /// What it has shown when both are done.
    fn shows(mut self) -> String {
        finish(self.server.as_ref().unwrap());
        drop(self.client.stdin.take());
        let output = self.client.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The client turns back; with TLS 1.3 our side may be done before it has looked.
    fn turns_back(mut self) {
        drop(self.client.stdin.take());
        assert!(!self.client.wait().unwrap().success());
        if let Ok(wire) = self.server {
            assert!(wire.read(&mut [0; 1], None).is_err());
        }
    }
}

#[test]
fn openssl_speaks_both_versions_and_none_older() {
    let test = TestServer::usual();
    let ca = test.ca();
    for (option, version) in [("-tls1_3", "TLS 1.3 with"), ("-tls1_2", "TLS 1.2 with")] {
        let options = [option, "-CAfile", &ca, "-verify_ip", "127.0.0.1", "-quiet"];
        let Some(mut openssl) = OpenSsl::connect(&test, &options) else { return };
        let agreement = openssl.server.as_ref().unwrap().negotiated();
        assert!(agreement.starts_with(version) && agreement.contains("AES_128_GCM"), "{agreement}");
        openssl.talks("hello\n");
        openssl.talks("again\n");
        assert_eq!(openssl.shows(), "hello\nagain\n");
    }
    let Some(openssl) = OpenSsl::connect(&test, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]) else { return };
    let words = openssl.server.as_ref().err().unwrap().to_string();
    assert!(words.contains("less than TLS 1.2"), "{words}");
    openssl.turns_back();
}

#[test]
fn openssl_refuses_another_name_and_another_authority() {
    let (test, other) = (TestServer::usual(), TestServer::usual());
    for version in ["-tls1_2", "-tls1_3"] {
        let options = [version, "-CAfile", &test.ca(), "-verify_hostname", "example.org"];
        let Some(openssl) = OpenSsl::connect(&test, &options) else { return };
        openssl.turns_back();
        let options = [version, "-CAfile", &other.ca()];
        let Some(openssl) = OpenSsl::connect(&test, &options) else { return };
        openssl.turns_back();
    }
}

#[test]
fn openssl_renews_its_key_and_asks_for_ours() {
    let test = TestServer::usual();
    let options = ["-tls1_3", "-CAfile", &test.ca(), "-verify_ip", "127.0.0.1"];
    let Some(mut openssl) = OpenSsl::connect(&test, &options) else { return };
    openssl.talks("one\n");
    for (command, line) in [("K\n", "two\n"), ("k\n", "three\n"), ("K\n", "four\n")] {
        openssl.renews(command);
        openssl.talks(line);
    }
    let shown = openssl.shows();
    for line in ["one\n", "two\n", "three\n", "four\n"] {
        assert!(shown.contains(line), "{line:?} is not in: {shown}");
    }
}

#[test]
fn openssl_is_refused_a_renegotiation_at_once() {
    let test = TestServer::usual();
    let options = ["-tls1_2", "-CAfile", &test.ca(), "-verify_ip", "127.0.0.1"];
    let Some(mut openssl) = OpenSsl::connect(&test, &options) else { return };
    openssl.talks("one\n");
    openssl.types("R\n");
    let wire = openssl.server.as_ref().unwrap();
    // The server has no line to send. The refusal goes out all the same, and OpenSSL,
    // which does not go on without a new handshake, says so and ends.
    let error =
        wire.read(&mut [0; 10], Some(Instant::now() + std::time::Duration::from_secs(20))).unwrap_err();
    assert_ne!(error.kind(), std::io::ErrorKind::TimedOut, "nothing came");
    assert!(!openssl.client.wait().unwrap().success());
}
