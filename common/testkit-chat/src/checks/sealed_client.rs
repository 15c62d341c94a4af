//! A client whose lines are sealed.

use crate::envelope::Envelope;
use crate::mock_server::MockServer;
use crate::wire::Key;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::time::Duration;
use testkit::{checks, ivs, require};

const SOON: Duration = Duration::from_secs(5);

checks! {
/// Stages 6 and 7.
pub sealed_client:

/// All that it sends is sealed, each line with a random IV of its own. A text that does not fit
/// into a line is not sent, and ends the client with exit code 1.
wire(client) fn what_is_typed_is_sent_sealed(case) {
    let server = MockServer::open(case);
    let (mut client, us) = server.logged_in();
    for text in ["x", "exactly 16 bytes", "same", "same", &"z".repeat(us.longest_text())] {
        client.type_line(text);
        us.receives(text);
    }
    for _ in 0..ivs::MESSAGES {
        client.type_line("the same text");
        us.receives("the same text");
    }
    ivs::require_random(&us.received_messages());
    client.type_line(&"z".repeat(us.longest_text() + 1));
    client.exits(1);
    let sent = us.lines_to_the_end();
    require(sent.is_empty(), "nothing of a text that is too long", format!("{sent:?}"));
}

/// A line end inside a sealed text must not begin a line that looks like a line of
/// another user.
wire(client) fn a_line_end_inside_a_text_begins_no_line(case) {
    let server = MockServer::open(case);
    let (client, us) = server.logged_in();
    us.send("bob: a\n[SERVER] b\r\0\x7fc\u{9b}m");
    let line = client.prints_some("the rest of it", |line| line.starts_with("bob: a"));
    require(line.starts_with("bob: a\\x0a[SERVER] b\\x0d\\x00"), "line ends escaped", &line);
    require(!line.chars().any(char::is_control), "no control character", line);
}

/// A line that was not sealed with the key is not shown: the client ends, since the
/// connection is not to the right server.
wire(client) fn a_line_that_is_not_sealed_well_is_not_shown(case) {
    let server = MockServer::open(case);
    let other = Envelope::new(&Key::random());
    let forgeries = ["bob: forged".to_owned(), other.seal("bob: forged"), String::new(), "====".into()];
    for line in forgeries {
        let (client, us) = server.logged_in();
        let mut changed = us.envelope().sealed_bytes("bob: forged");
        // In the IV: the text is the same but for one letter.
        changed[0] ^= 1;
        us.peer.send(if line.is_empty() { STANDARD.encode(changed) } else { line }.as_str());
        client.ends(SOON);
        require(!client.output().contains("forged"), "nothing forged on its output", client.output());
    }
    // Nor is one with characters in it that base64 does not have.
    for odd in ['*', ' ', '-'] {
        let (client, us) = server.logged_in();
        let mut line = us.envelope().seal("bob: not in base64");
        line.insert(8, odd);
        us.peer.send(&line);
        client.ends(SOON);
        require(!client.output().contains("not in base64"), "no such line shown", client.output());
    }
}
}
