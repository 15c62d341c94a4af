//! `lab wire N`: every stage's session through the tap, the tap alone, and a
//! person on a terminal. What it writes is read by other programs: tshark, where
//! it is there (the headers are held to the RFCs by the unit tests anyway), and
//! an XML parser.

use assert_cmd::Command;
use lab::registry::{Registry, Stage, WireFormat};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

/// For a build, should it be the first one.
const LIMIT: Duration = Duration::from_secs(300);

fn lab(folder: &Path, args: &[&str]) -> assert_cmd::assert::Assert {
    Command::new(env!("CARGO_BIN_EXE_lab-tools")).args(args).current_dir(folder).timeout(LIMIT).assert()
}

/// What tshark says; `None` where there is none.
fn tshark(capture: &Path, args: &[&str]) -> Option<String> {
    let mut tshark = std::process::Command::new("tshark");
    // Preferences of whoever runs this are not to matter.
    tshark.args(["-n", "-r"]).arg(capture).args(args).env("HOME", capture.parent().unwrap());
    let output = match tshark.output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("not read by tshark: {error}");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Nothing in the capture is wrong in tshark's eyes.
fn flawless(capture: &Path) {
    let wrong = "tcp.checksum.status != 1 || ip.checksum.status == 0 || _ws.malformed || tcp.analysis.lost_segment \
                 || tcp.analysis.duplicate_ack || tcp.analysis.retransmission || tcp.analysis.ack_lost_segment";
    let args = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y"];
    if let Some(found) = tshark(capture, &[&args[..], &[wrong]].concat()) {
        assert_eq!(found, "");
        assert!(tshark(capture, &[]).unwrap().contains("[SYN, ACK]"), "there must be something");
    }
}

fn is_a_picture(svg: &Path) -> String {
    let text = fs::read_to_string(svg).unwrap();
    roxmltree::Document::parse(&text).unwrap_or_else(|e| panic!("{e}:\n{text}"));
    text
}

/// What a session of this form must have shown.
fn expected(stage: &Stage) -> &'static [&'static str] {
    match (stage.number, stage.wire) {
        (1, _) => &["alice connects (SYN, SYN-ACK, ACK)", "(FIN)"],
        (2 | 3, _) => &["alice -> server: 6 bytes\n  | text         68 65 6c 6c 6f  ", "| line end     0a "],
        (_, WireFormat::Lines) => &["hello, I am bob", "server -> alice: "],
        (_, WireFormat::Encrypted) => &[
            "= iv  ",
            "= ciphertext  ",
            "2 blocks of AES-256-CBC",
            "with the key only:\n  * text         61 20 73 65",
        ],
        (_, WireFormat::Sealed) => {
            &["= tag  ", "* text         52 45 47 49 53 54 45 52", "bobs-own-password"]
        }
        (_, WireFormat::Tls) => &[
            "TLS record: Handshake, version 3.",
            "| ClientHello ",
            "has chosen TLS 1.3 with",
            "encrypted, its tag included",
        ],
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn every_stage_plays_its_session_through_the_tap() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name);
    for stage in Registry::load().stages {
        let number = stage.number.to_string();
        let done = lab(folder.path(), &["wire", &number, "--pcap", "a.pcap", "--svg", "a.svg"]).success();
        let shown = String::from_utf8(done.get_output().stdout.clone()).unwrap();
        for text in expected(&stage) {
            assert!(shown.contains(text), "stage {number}, {text:?}:\n{shown}");
        }
        assert!(shown.contains("did all that it should\n"), "{shown}");
        assert!(!shown.contains('\x1b'), "no colour where there is no terminal");
        assert!(is_a_picture(&file("a.svg")).contains(">alice</text>"));
        flawless(&file("a.pcap"));
        for name in ["a.pcap", "a.svg"] {
            let mode = fs::metadata(file(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "passwords are in {name}");
        }
        if stage.wire == WireFormat::Tls {
            // Found without being told which port it is.
            let found = tshark(&file("a.pcap"), &["-Y", "tls.handshake.type == 1"]);
            assert!(found.is_none_or(|found| found.contains("Client Hello")));
            assert!(!shown.contains("* text"), "nobody can look into a record");
        }
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn without_the_key_one_sees_what_an_eavesdropper_sees() {
    let folder = TempDir::new().unwrap();
    let done = lab(folder.path(), &["wire", "5", "--no-key", "--svg", "a.svg"]).success();
    let shown = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(shown.contains("= ciphertext"), "{shown}");
    assert!(!shown.contains("  * "), "{shown}");
    let svg = is_a_picture(&folder.path().join("a.svg"));
    assert!(svg.contains("IV + 32 bytes ciphertext") && !svg.contains("secret for alice"), "{svg}");
}

/// A tap alone before a server of this test.
struct Alone {
    tap: std::process::Child,
    output: BufReader<std::process::ChildStdout>,
    address: String,
    server: TcpListener,
}

fn alone(folder: &Path, stage: &str, args: &[&str]) -> Alone {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lab-tools"));
    command.args(["wire", stage, "--connect", &format!("localhost:{port}")]).args(args).current_dir(folder);
    let mut tap = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(tap.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let address =
        line.strip_prefix("Listening on ").and_then(|rest| rest.split(',').next()).unwrap().to_owned();
    Alone { tap, output, address, server }
}

impl Alone {
    fn connection(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(&self.address).unwrap();
        (client, self.server.accept().unwrap().0)
    }

    /// Ends it as Ctrl-C does; what it showed.
    fn end(mut self) -> String {
        kill_process(Pid::from_child(&self.tap), Signal::INT).unwrap();
        let mut shown = String::new();
        self.output.read_to_string(&mut shown).unwrap();
        assert!(self.tap.wait().unwrap().success());
        shown
    }
}

fn all_of(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn a_tap_alone_serves_any_server_and_several_clients_at_once() {
    let folder = TempDir::new().unwrap();
    let alone = alone(folder.path(), "4", &["--pcap", "a.pcap", "--svg", "a.svg"]);
    let ((mut one, mut server_one), (mut two, mut server_two)) = (alone.connection(), alone.connection());
    let long = vec![b'x'; 50_000];
    two.write_all(b"from two\n").unwrap();
    one.write_all(&long).unwrap();
    for stream in [&one, &two] {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    assert_eq!(all_of(&mut server_two), b"from two\n");
    assert!(all_of(&mut server_one) == long);
    server_one.write_all(b"to one\n").unwrap();
    drop((server_one, server_two));
    assert_eq!(all_of(&mut one), b"to one\n");
    assert_eq!(all_of(&mut two), b"");
    drop((one, two));

    let shown = alone.end();
    assert!(shown.contains("client 2 -> server: 9 bytes"), "{shown}");
    assert!(shown.contains("server -> client: 7 bytes"), "{shown}");
    assert!(shown.contains("bytes more\n") && shown.len() < 20_000, "a long part is cut: {shown}");
    assert!(
        shown.contains("the capture is in a.pcap") && shown.contains("the diagram is in a.svg"),
        "{shown}"
    );
    assert!(is_a_picture(&folder.path().join("a.svg")).contains(">client 2</text>"));
    let capture = folder.path().join("a.pcap");
    flawless(&capture);
    // The capture is not cut, and the streams are what was said.
    if let Some(found) = tshark(&capture, &["-q", "-z", "follow,tcp,raw,0", "-z", "follow,tcp,raw,1"]) {
        let hex: String = found.lines().filter(|l| l.starts_with("78")).collect();
        assert_eq!(hex, "78".repeat(long.len()));
        let two: String = b"from two\n".iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(found.contains(&two), "{found}");
    }
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn a_tap_before_a_server_that_is_not_there_says_so_and_stays() {
    let folder = TempDir::new().unwrap();
    let Alone { tap, output, address, server } = alone(folder.path(), "4", &[]);
    drop(server);
    let mut client = TcpStream::connect(&address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let back = TcpListener::bind("127.0.0.1:0").unwrap();
    let shown = Alone { tap, output, address, server: back }.end();
    assert!(shown.contains("client cannot connect: cannot connect to "), "{shown}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn the_key_of_a_tap_alone_is_the_one_it_is_given() {
    let folder = TempDir::new().unwrap();
    let digits: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
    fs::write(folder.path().join("chat.key"), format!("key={digits}\niv={}\n", &digits[..32])).unwrap();
    let alone = alone(folder.path(), "6", &["--key", "chat.key"]);
    let (mut client, mut server) = alone.connection();
    // `Grüße, alice`, sealed under that key.
    let line = "ZGVmZ2hpamtsbW5vcHFycy7fNDhkOa4IJYgHcuZ64XEm8h+CsxpU9JXsKff7Ri0qDres9yVgYPoKfaIF9eqmvA==\n";
    client.write_all(line.as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(all_of(&mut server), line.as_bytes());
    let shown = alone.end();
    assert!(shown.contains("  *              Grüße, alice\n"), "{shown}");
}

#[test]
#[ignore = "self-test of the course: make test-course"]
fn what_cannot_be_written_or_read_is_said_before_anything_runs() {
    let folder = TempDir::new().unwrap();
    for (args, why) in [
        (&["wire", "4", "--pcap", "no/such/folder"][..], "cannot write no/such/folder"),
        (&["wire", "4", "--svg", "/"], "cannot write /"),
        (&["wire", "6", "--connect", "127.0.0.1:1", "--key", "no.key"], "cannot read the key file no.key"),
    ] {
        let output = lab(folder.path(), args).code(1).get_output().clone();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(&format!("error: {why}")) && error.lines().count() == 1, "{error}");
    }
    lab(folder.path(), &["wire", "4", "--listen", "127.0.0.1:0"]).code(2);
    lab(folder.path(), &["wire", "4", "--connect", "nowhere"]).code(2);
    let error = lab(folder.path(), &["wire", "4", "--net", "loss=5"]).code(2).get_output().stderr.clone();
    assert!(String::from_utf8(error).unwrap().contains("`loss=5` is not understood; write delay=TIME"));
}
