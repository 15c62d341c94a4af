//! What the graded checks cannot ask of every client: how ours ends.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// A server that closes without reading makes the client's kernel refuse to
/// send. What it said before is shown all the same, and the lines that were not
/// sent are no success.
#[test]
fn the_last_words_of_a_server_that_resets_are_shown() {
    for _ in 0..20 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Command::new(env!("CARGO_BIN_EXE_stage4-client"))
            .args(["--connect", &listener.local_addr().unwrap().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut typed = client.stdin.take().unwrap();
        let (mut server, _) = listener.accept().unwrap();
        typed.write_all(b"unread\n").unwrap();
        server.peek(&mut [0]).unwrap();
        server.write_all(b"[SERVER] last words\n").unwrap();
        drop(server);
        // More, until the client has had enough: nothing to read, no success.
        while typed.write_all(b"more\n").is_ok() {}
        let mut shown = String::new();
        client.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
        assert_eq!(shown, "[SERVER] last words\n");
        assert_eq!(client.wait().unwrap().code(), Some(1));
    }
}
