use super::*;
use proptest::prelude::*;

/// A stream that comes in the given pieces, one per `read`.
struct Pieces(std::vec::IntoIter<Vec<u8>>);

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.0.next() else { return Ok(0) };
        let n = piece.len().min(into.len());
        into[..n].copy_from_slice(&piece[..n]);
        if n < piece.len() {
            let rest = piece[n..].to_vec();
            self.0 = std::iter::once(rest).chain(self.0.by_ref()).collect::<Vec<_>>().into_iter();
        }
        Ok(n)
    }
}

fn reader(pieces: &[&[u8]]) -> LineReader<Pieces> {
    LineReader::new(Pieces(pieces.iter().map(|p| p.to_vec()).collect::<Vec<_>>().into_iter()))
}

/// What the reader says until the end or a line that is too long.
fn all(pieces: &[&[u8]]) -> Vec<String> {
    let mut reader = reader(pieces);
    let mut said = vec![];
    loop {
        match reader.next().unwrap() {
            Received::Line(line) => said.push(format!("line {line}")),
            other => said.push(format!("{other:?}")),
        }
        if matches!(said.last().unwrap().as_str(), "End" | "TooLong") {
            return said;
        }
    }
}

#[test]
fn pieces_and_lines_have_nothing_to_do_with_each_other() {
    let expected = ["line one", "line two", "line ", "line three", "End"];
    assert_eq!(all(&[b"one\ntwo\r\n\nthree\n"]), expected);
    assert_eq!(all(&[b"o", b"ne", b"\ntwo\r", b"\n\nthr", b"ee\n"]), expected);
}

#[test]
fn the_rest_without_a_line_end_is_a_line() {
    assert_eq!(all(&[b"one\ntwo"]), ["line one", "line two", "End"]);
    assert_eq!(all(&[]), ["End"]);
}

#[test]
fn the_bound_is_on_the_line_without_its_end() {
    let longest = vec![b'x'; MAX_LINE];
    for end in [&b"\n"[..], b"\r\n", b""] {
        let said = all(&[&longest, end]);
        assert_eq!(said.len(), 2, "{end:?}");
        assert_eq!(said[0].len(), MAX_LINE + 5);
    }
    for end in [&b"x\n"[..], b"x\r\n", b"x"] {
        assert_eq!(all(&[&longest, end]), ["TooLong"], "{end:?}");
    }
    // It is known before the line end comes, if it ever comes.
    let mut endless = LineReader::new(io::repeat(b'x'));
    assert_eq!(endless.next().unwrap(), Received::TooLong);
    assert!(endless.line.len() <= MAX_LINE + 2);
}

#[test]
fn a_line_that_is_not_utf8_does_not_end_the_stream() {
    assert_eq!(all(&[b"\xff\xfe\nok\n"]), ["NotUtf8", "line ok", "End"]);
    // A character cut in two by the network is whole again.
    assert_eq!(all(&[b"h\xc3", b"\xa9\n"]), ["line h\u{e9}", "End"]);
}

#[test]
fn nothing_is_lost_at_a_time_out() {
    // A piece of its own for each byte, and a time-out after each.
    struct Slow(Pieces, bool);
    impl Read for Slow {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 { self.0.read(into) } else { Err(io::ErrorKind::WouldBlock.into()) }
        }
    }
    let longest = "x".repeat(MAX_LINE);
    let text = format!("h\u{e9}\r\n{longest}\r\nend");
    let pieces: Vec<_> = text.bytes().map(|byte| vec![byte]).collect();
    let mut reader = LineReader::new(Slow(Pieces(pieces.into_iter()), false));
    let mut lines = vec![];
    loop {
        match reader.next() {
            Ok(Received::Line(line)) => lines.push(line.to_owned()),
            Ok(other) => {
                assert_eq!(other, Received::End);
                break;
            }
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
        }
    }
    assert_eq!(lines, ["h\u{e9}", &longest, "end"]);
}

#[test]
fn the_reader_knows_what_it_can_give_without_waiting() {
    let mut reader = reader(&[b"one\ntwo\nthr", b"ee\n"]);
    let mut here = vec![reader.has_buffered_line()];
    while reader.next().unwrap() != Received::End {
        here.push(reader.has_buffered_line());
    }
    // Before the first `read`, and behind each of the lines one, two and three.
    assert_eq!(here, [false, true, false, false]);
    let mut reader = self::reader(&[b"one\ntwelve bytes"]);
    reader.limit = 10;
    assert_eq!(reader.next().unwrap(), Received::Line("one"));
    assert!(reader.has_buffered_line());
    assert_eq!(reader.next().unwrap(), Received::TooLong);
}

#[test]
fn the_end_is_final() {
    // So a socket behaves whose reading side was shut down and whose client goes on.
    let mut reader = reader(&[b"one\ntw", b"", b"late\n"]);
    assert_eq!(reader.next().unwrap(), Received::Line("one"));
    assert_eq!(reader.next().unwrap(), Received::Line("tw"));
    assert_eq!(reader.next().unwrap(), Received::End);
    assert_eq!(reader.next().unwrap(), Received::End);
}

proptest! {
    /// However the network cuts a stream, the lines are the same.
    #[test]
    fn cuts_do_not_matter(
        lines in prop::collection::vec("[a-z\u{e9}]{0,600}", 0..20),
        cuts in prop::collection::vec(1usize..700, 1..40),
    ) {
        let bytes = lines.iter().map(|l| format!("{l}\n")).collect::<String>().into_bytes();
        let mut pieces = vec![];
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (piece, more) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = more;
        }
        let mut expected: Vec<_> = lines.iter().map(|l| format!("line {l}")).collect();
        expected.push("End".into());
        prop_assert_eq!(all(&pieces), expected);
    }

    /// Whatever comes, there is an answer for it, and an end.
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..9_000)) {
        all(&[&bytes]);
    }
}
