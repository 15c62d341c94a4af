//! Diagrams are read by an XML parser: one wrong character, and no browser shows
//! anything.

use super::*;
use crate::wire::annotation::Summary;
use proptest::prelude::*;

fn connection(name: &str) -> Connection {
    let [client, server] = ["127.0.0.1:40000", "127.0.0.1:9004"].map(|a| a.parse().unwrap());
    Connection { name: name.to_owned(), port: 1, client, server }
}

fn said(open: &str, secret: Option<&str>) -> Annotated {
    let said = Summary { open: open.to_owned(), secret: secret.map(str::to_owned) };
    Annotated { parts: Vec::new(), summaries: vec![said] }
}

/// A diagram of `count` lines, each the same, of `clients` clients in turn.
fn drawn(clients: usize, count: usize, text: &str) -> String {
    let mut diagram = Diagram::new(text);
    let none = Annotated::default();
    for id in 0..clients {
        diagram.event(Duration::ZERO, id, &connection(&format!("client {id}")), &Event::Opened, &none);
    }
    for n in 0..count {
        let (at, of) = (Duration::from_millis(n as u64), connection(text));
        diagram.event(at, n % clients, &of, &Event::Sent(Side::Client, b""), &said(text, Some(text)));
    }
    diagram.render()
}

fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap_or_else(|e| panic!("{e}:\n{svg}"));
    let texts = document.descendants().filter(|n| n.has_tag_name("text") || n.has_tag_name("title"));
    texts.map(|n| n.text().unwrap_or_default().to_owned()).collect()
}

#[test]
fn lines_and_what_they_say_to_those_with_the_key_are_in_the_picture() {
    let mut diagram = Diagram::new("Stage 6");
    let alice = connection("alice");
    diagram.event(Duration::ZERO, 0, &alice, &Event::Opened, &Annotated::default());
    let sealed = said("IV + 16 bytes ciphertext + tag", Some("<LOGIN> & \"co\""));
    diagram.event(Duration::from_millis(12), 0, &alice, &Event::Sent(Side::Client, b""), &sealed);
    diagram.event(Duration::from_millis(13), 0, &alice, &Event::Reset(Side::Server), &Annotated::default());
    let svg = diagram.render();
    let texts = texts(&svg);
    for expected in [
        "alice",
        "server",
        "127.0.0.1:9004",
        "connects (SYN, SYN-ACK, ACK)",
        "IV + 16 bytes ciphertext + tag",
        "with the key: <LOGIN> & \"co\"",
        "breaks off (RST)",
        "0.0120 s",
    ] {
        assert!(texts.iter().any(|text| text == expected), "{expected} is not in {texts:?}");
    }
    // XML has no way to write these, not even as a number.
    assert!(!drawn(1, 1, "\0\u{b}\u{fffe}\u{ffff}").contains(['\0', '\u{b}', '\u{fffe}', '\u{ffff}']));
    // Nothing is fetched from elsewhere, nothing runs.
    let tags = ["<script", "href", "url(", "@import", "<image"];
    assert!(tags.iter().all(|tag| !svg.contains(tag)));
}

#[test]
fn there_is_an_end_to_arrows_lifelines_and_labels() {
    let svg = drawn(2, 1000, "hello");
    assert_eq!(svg.matches("<polygon").count(), ARROWS);
    assert!(
        texts(&svg).iter().any(|t| t.starts_with("... and 802 more arrows that are not drawn")),
        "{:?}",
        texts(&svg).last()
    );
    let svg = drawn(40, 80, &"x".repeat(5000));
    assert_eq!(svg.matches("class=\"life\"").count(), CLIENTS + 1);
    assert!(texts(&svg).iter().any(|t| t.contains("28 more connections")));
    assert!(svg.len() < 200_000, "{}", svg.len());
}

#[test]
fn nothing_sticks_out() {
    for clients in 1..=CLIENTS {
        for text in ["x", &"x".repeat(500)] {
            let svg = drawn(clients, 3, text);
            let document = roxmltree::Document::parse(&svg).unwrap();
            let number = |node: &roxmltree::Node<'_, '_>, name| {
                node.attribute(name).unwrap_or("0").parse::<f64>().unwrap()
            };
            let width = number(&document.root_element(), "width");
            for node in document.descendants().filter(|node| node.has_tag_name("rect")) {
                assert!(number(&node, "x") >= 0.0 && number(&node, "x") + number(&node, "width") <= width);
            }
            // Text is as wide as its letters, half on each side of its place.
            for node in document.descendants().filter(|n| n.attribute("text-anchor").is_some()) {
                let half = node.text().unwrap().chars().count() as f64 * LETTER / 2.0;
                assert!(number(&node, "x") - half >= 0.0 && number(&node, "x") + half <= width, "{node:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_said_it_is_a_picture(text in any::<String>(), clients in 1..5usize) {
        texts(&drawn(clients, 6, &text));
    }
}
