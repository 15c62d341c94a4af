//! Records by hand; those of real handshakes pass in the tests of the command.

use super::*;
use crate::wire::annotate::Decoder;
use crate::wire::annotation::Part;
use crate::wire::tap::Side::{Client, Server};
use lab::registry::WireFormat;

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(body.len() as u16).to_be_bytes(), body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &(body.len() as u16).to_be_bytes(), body].concat()
}

fn client_hello() -> Vec<u8> {
    let name = b"\x00\x00\x00\x0e\x00\x0c\x00\x00\x09localhost";
    let versions = b"\x00\x2b\x00\x05\x04\x03\x04\x03\x03";
    let extensions = [&name[..], versions].concat();
    let length = (extensions.len() as u16).to_be_bytes();
    message(
        1,
        &[&b"\x03\x03"[..], &[7; 32], b"\x00\x00\x04\x13\x01\x13\x03\x01\x00", &length, &extensions].concat(),
    )
}

fn server_hello(version: Option<&[u8]>) -> Vec<u8> {
    let extensions = version.map(|v| [&b"\x00\x06\x00\x2b\x00\x02"[..], v].concat()).unwrap_or_default();
    message(2, &[&b"\x03\x03"[..], &[7; 32], b"\x00\x13\x03\x00", &extensions].concat())
}

fn said(decoder: &mut Decoder, from: crate::wire::tap::Side, bytes: &[u8]) -> String {
    let said = decoder.next(from, bytes, None).summaries;
    said.into_iter().map(|s| s.open).collect::<Vec<_>>().join(" / ")
}

fn notes(parts: &[Part]) -> Vec<&str> {
    parts.iter().map(|p| p.note.as_str()).collect()
}

#[test]
fn a_handshake_of_tls_1_3_is_readable_up_to_the_servers_hello() {
    let mut decoder = Decoder::new(WireFormat::Tls);
    let found = decoder.next(Client, &record(22, &client_hello()), None);
    assert_eq!(
        notes(&found.parts),
        [
            "TLS record: Handshake, version 3.3, 76 bytes",
            "wants localhost, offers TLS 1.3, TLS 1.2 and 2 cipher suites"
        ]
    );
    let answer = [
        record(22, &server_hello(Some(b"\x03\x04"))),
        record(20, &[1]),
        record(23, &[0; 30]),
        record(23, &[0; 40]),
    ]
    .concat();
    let found = decoder.next(Server, &answer, None);
    assert_eq!(found.summaries[0].open, "TLS ServerHello, ChangeCipherSpec, 2 encrypted records (70 bytes)");
    assert_eq!(found.parts[1].note, "has chosen TLS 1.3 with TLS_CHACHA20_POLY1305_SHA256");
    assert!(found.parts[3].note.starts_with("means nothing in TLS 1.3"), "{:?}", found.parts[3]);
    // The server may ask for another hello, which follows a ChangeCipherSpec.
    let again = [record(20, &[1]), record(22, &client_hello())].concat();
    assert_eq!(said(&mut decoder, Client, &again), "TLS ChangeCipherSpec, ClientHello");
}

#[test]
fn a_handshake_of_tls_1_2_is_readable_up_to_the_change_of_cipher() {
    let mut decoder = Decoder::new(WireFormat::Tls);
    said(&mut decoder, Client, &record(22, &client_hello()));
    // Three messages in one record.
    let flight = [server_hello(None), message(11, &[0; 9]), message(14, &[])].concat();
    assert_eq!(
        said(&mut decoder, Server, &record(22, &flight)),
        "TLS ServerHello, Certificate, ServerHelloDone"
    );
    let rest = [record(22, &message(16, &[0; 33])), record(20, &[1]), record(22, &[9; 40])].concat();
    assert_eq!(
        said(&mut decoder, Client, &rest),
        "TLS ClientKeyExchange, ChangeCipherSpec, encrypted record (40 bytes)"
    );
    // An alert of two bytes after that is no alert that one could read.
    assert_eq!(said(&mut decoder, Client, &record(21, &[1, 0])), "TLS encrypted record (2 bytes)");
    assert_eq!(said(&mut decoder, Server, &record(21, &[1, 0])), "TLS Alert close_notify");
}

#[test]
fn a_message_may_go_over_several_records_and_a_record_over_several_reads() {
    let mut decoder = Decoder::new(WireFormat::Tls);
    let certificate = message(11, &[5; 100]);
    let (one, two) = certificate.split_at(50);
    assert_eq!(said(&mut decoder, Server, &record(22, one)), "TLS Certificate");
    let second = record(22, &[two, &message(14, &[])].concat());
    let (begin, end) = second.split_at(20);
    let found = decoder.next(Server, begin, None);
    assert_eq!(notes(&found.parts), ["20 of the 63 bytes of a record"]);
    assert!(found.summaries.is_empty());
    let found = decoder.next(Server, end, None);
    assert_eq!(found.summaries[0].open, "TLS ServerHelloDone");
    let labels: Vec<_> = found.parts.iter().map(|p| (p.label.as_str(), p.bytes.len())).collect();
    assert_eq!(labels, [("head (its rest)", 0), ("goes on (its rest)", 39), ("ServerHelloDone", 4)]);
}

#[test]
fn retry_and_nonsense_have_no_wrong_names() {
    let mut hello = server_hello(Some(b"\x03\x04"));
    hello[6..14].copy_from_slice(&[0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11]);
    let found = Decoder::new(WireFormat::Tls).next(Server, &record(22, &hello), None);
    assert!(
        found.parts[1].note.starts_with("asks for another hello, has chosen TLS 1.3"),
        "{:?}",
        found.parts[1]
    );
    // A hello that is cut off within its lengths gets its name and no more.
    let cut = &client_hello()[4..60];
    let found = Decoder::new(WireFormat::Tls).next(Client, &record(22, &message(1, cut)), None);
    assert_eq!((found.parts[1].label.as_str(), found.parts[1].note.as_str()), ("ClientHello", ""));
}

proptest::proptest! {
    #[test]
    fn no_hello_is_a_reason_to_panic(at in 0..80usize, byte: u8, cut in 0..80usize) {
        for hello in [client_hello(), server_hello(Some(b"\x03\x04"))] {
            let mut body = hello[4..].to_vec();
            let length = body.len();
            body[at % length] = byte;
            body.truncate(cut);
            ClientHello::parse(&body).map(|hello| hello.describe());
            ServerHello::parse(&body).map(|hello| hello.describe());
        }
    }
}
