//! Lines of all formats, and the one thing that must hold for any bytes: what is
//! said to have passed is what has passed.

use super::*;
use crate::sealed::tests::{ENCRYPTED, SEALED, example_keys};
use crate::wire::tap::Side::{Client, Server};
use proptest::prelude::*;

fn parts(found: &Annotated) -> Vec<(Layer, &str, &[u8])> {
    found.parts.iter().map(|p| (p.layer, p.label.as_str(), &p.bytes[..])).collect()
}

fn said(found: &Annotated) -> Vec<(&str, Option<&str>)> {
    found.summaries.iter().map(|s| (s.open.as_str(), s.secret.as_deref())).collect()
}

/// What all wire parts have, one behind the other.
fn on_the_wire(found: &Annotated) -> Vec<u8> {
    found.parts.iter().filter(|p| p.layer == Layer::Wire).flat_map(|p| p.bytes.clone()).collect()
}

#[test]
fn lines_end_where_they_end_and_not_where_a_read_does() {
    let mut decoder = Decoder::new(WireFormat::Lines);
    let found = decoder.next(Client, b"one\r\ntwo\nthr", None);
    let (wire, begins) = (Layer::Wire, b"thr".as_slice());
    assert_eq!(
        parts(&found),
        [
            (wire, "text", b"one".as_slice()),
            (wire, "line end", b"\r\n"),
            (wire, "text", b"two"),
            (wire, "line end", b"\n"),
            (wire, "text begins", begins)
        ]
    );
    assert_eq!(said(&found), [("one", None), ("two", None)]);
    // The other direction has nothing to do with it.
    assert_eq!(said(&decoder.next(Server, b"x\n", None)), [("x", None)]);
    let found = decoder.next(Client, b"e\x1be\r", None);
    assert_eq!(parts(&found), [(wire, "text goes on", b"e\x1be\r".as_slice())]);
    let found = decoder.next(Client, b"\n", None);
    assert_eq!(parts(&found), [(wire, "line end", b"\n".as_slice())]);
    assert_eq!(said(&found), [("thre\\x1be", None)]);
}

#[test]
fn an_encrypted_line_is_taken_apart_and_read_by_those_with_the_key_only() {
    let keys = example_keys();
    let line = format!("{ENCRYPTED}\n");
    let found = Decoder::new(WireFormat::Encrypted).next(Client, line.as_bytes(), Some(&keys));
    let labels: Vec<_> =
        parts(&found).iter().map(|(layer, label, bytes)| (*layer, *label, bytes.len())).collect();
    assert_eq!(
        labels,
        [
            (Layer::Wire, "text", 44),
            (Layer::Wire, "line end", 1),
            (Layer::Inside, "iv", 16),
            (Layer::Inside, "ciphertext", 16),
            (Layer::Key, "text", 14)
        ]
    );
    assert_eq!(found.parts[0].note, "base64 of 32 bytes, which are:");
    assert_eq!(found.parts[2].bytes, b"defghijklmnopqrs");
    assert_eq!(said(&found), [("IV + 16 bytes ciphertext", Some("Grüße, alice"))]);
    let found = Decoder::new(WireFormat::Encrypted).next(Client, line.as_bytes(), None);
    assert_eq!(said(&found), [("IV + 16 bytes ciphertext", None)]);
    assert!(found.parts.iter().all(|p| p.layer != Layer::Key));
}

#[test]
fn the_server_puts_the_sender_before_what_it_cannot_read_and_speaks_plainly() {
    let keys = example_keys();
    let mut decoder = Decoder::new(WireFormat::Encrypted);
    let line = format!("[[::1]:9004] {ENCRYPTED}\n[SERVER] [::1]:5 joined (2 online)\n");
    let found = decoder.next(Server, line.as_bytes(), Some(&keys));
    assert_eq!(
        said(&found),
        [
            ("[[::1]:9004] IV + 16 bytes ciphertext", Some("Grüße, alice")),
            ("[SERVER] [::1]:5 joined (2 online)", None)
        ]
    );
    assert_eq!(found.parts[0].note, "the sender, as the server wrote it, and base64 of 32 bytes, which are:");
}

#[test]
fn a_sealed_line_has_its_tag_and_one_that_was_changed_does_not_open() {
    let keys = example_keys();
    let mut decoder = Decoder::new(WireFormat::Sealed);
    let found = decoder.next(Server, format!("{SEALED}\n").as_bytes(), Some(&keys));
    assert_eq!(said(&found), [("IV + 16 bytes ciphertext + tag", Some("Grüße, alice"))]);
    assert!(parts(&found).iter().any(|(_, label, bytes)| *label == "tag" && bytes.len() == 32));
    let changed = SEALED.replacen('Z', "Y", 1);
    let found = decoder.next(Server, format!("{changed}\n").as_bytes(), Some(&keys));
    assert_eq!(said(&found), [("IV + 16 bytes ciphertext + tag", Some("does not open"))]);
    // And what is no sealed line at all is shown as what it is.
    assert_eq!(said(&decoder.next(Client, b"hello\n", Some(&keys))), [("hello", None)]);
}

#[test]
fn plain_text_on_a_tls_port_and_tls_on_a_plain_port_are_told_apart() {
    let mut decoder = Decoder::new(WireFormat::Tls);
    assert_eq!(said(&decoder.next(Client, b"hello\n", None)), [("hello", None)]);
    let alert = [21, 3, 3, 0, 2, 2, 10];
    let found = Decoder::new(WireFormat::Lines).next(Client, &alert, None);
    assert_eq!(said(&found), [("TLS Alert fatal unexpected_message", None)]);
}

fn formats() -> impl Strategy<Value = WireFormat> {
    prop_oneof![
        Just(WireFormat::Lines),
        Just(WireFormat::Encrypted),
        Just(WireFormat::Sealed),
        Just(WireFormat::Tls)
    ]
}

/// Bytes of which something may come: lines, records, and neither.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let record = (20..=23u8, prop::collection::vec(any::<u8>(), 0..80))
        .prop_map(|(kind, body)| [&[kind, 3, 3, 0, body.len() as u8][..], &body].concat());
    let message = (0..=24u8, prop::collection::vec(any::<u8>(), 0..80)).prop_map(|(kind, body)| {
        let length = body.len() as u8;
        [&[22, 3, 3, 0, 4 + length, kind, 0, 0, length][..], &body].concat()
    });
    let line = prop_oneof![
        Just(format!("{SEALED}\n").into_bytes()),
        Just(format!("[a] {ENCRYPTED}\r\n").into_bytes()),
        "\\PC{0,40}\n".prop_map(String::into_bytes)
    ];
    let one = prop_oneof![record, message, line, prop::collection::vec(any::<u8>(), 0..80)];
    prop::collection::vec(one, 0..8).prop_map(|all| all.concat())
}

proptest! {
    #[test]
    fn what_is_shown_as_passed_has_passed_however_it_is_cut(
        format in formats(),
        bytes in bytes(),
        cuts in prop::collection::vec(1..60usize, 0..30),
        client: bool,
    ) {
        let side = if client { Client } else { Server };
        let keys = example_keys();
        let mut decoder = Decoder::new(format);
        let (mut rest, mut cuts) = (&bytes[..], cuts.into_iter());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(cuts.next().unwrap_or(rest.len()).min(rest.len()));
            let found = decoder.next(side, piece, Some(&keys));
            prop_assert_eq!(on_the_wire(&found), piece);
            rest = after;
        }
    }

    #[test]
    fn lines_say_the_same_however_they_are_cut(texts in prop::collection::vec("\\PC{0,20}", 1..6), cut in 1..20usize) {
        let bytes = texts.concat().into_bytes();
        let text: Vec<u8> = texts.iter().flat_map(|t| format!("{t}\n").into_bytes()).collect();
        prop_assume!(!matches!(bytes.first(), Some(20..=23)));
        let mut decoder = Decoder::new(WireFormat::Lines);
        let whole = decoder.next(Client, &text, None).summaries;
        let mut decoder = Decoder::new(WireFormat::Lines);
        let pieces: Vec<_> = text.chunks(cut).flat_map(|piece| decoder.next(Client, piece, None).summaries).collect();
        prop_assert_eq!(&whole, &pieces);
        prop_assert_eq!(whole.len(), texts.len());
    }
}
