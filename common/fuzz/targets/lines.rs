//! Lines out of a byte stream, cut into reads anywhere: the same lines as the rule gives
//! for the whole stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage2_echo::line::{LineReader, MAX_LINE, Received};
use std::io::{self, Read};

/// Gives the bytes in pieces, whose lengths are taken from the front of the input.
struct Pieces<'a> {
    lengths: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    rest: &'a [u8],
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.lengths.next().map_or(1, |length| usize::from(*length) * 16 + 1);
        let length = length.min(buffer.len());
        self.rest.read(&mut buffer[..length])
    }
}

/// The rule, written for a stream that is all there.
fn expected(mut stream: &[u8]) -> Vec<Option<String>> {
    let mut lines = Vec::new();
    while !stream.is_empty() {
        let end = stream.iter().position(|byte| *byte == b'\n');
        // The rest without a line end is a line too, and a CR in it is text.
        let line = end.map_or(stream, |end| stream[..end].strip_suffix(b"\r").unwrap_or(&stream[..end]));
        if line.len() > MAX_LINE {
            lines.push(Some("too long".into()));
            break;
        }
        lines.push(String::from_utf8(line.to_vec()).ok());
        stream = end.map_or(&[], |end| &stream[end + 1..]);
    }
    lines
}

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (lengths, stream) = input;
    let mut reader = LineReader::new(Pieces { lengths: lengths.iter().cycle(), rest: &stream });
    let mut lines = Vec::new();
    loop {
        match reader.next().expect("bytes in memory can be read") {
            Received::Line(line) => lines.push(Some(line.to_owned())),
            Received::NotUtf8 => lines.push(None),
            Received::TooLong => {
                lines.push(Some("too long".into()));
                break;
            }
            Received::End => break,
        }
    }
    assert_eq!(lines, expected(&stream));
});
