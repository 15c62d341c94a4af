//! Lines that a server must refuse ("The sealed line" in the contract).

use crate::connection::LONGEST_LINE;
use crate::envelope::{Envelope, LONGEST_TEXT};

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bad {
    Plain,
    /// 4096 bytes and CR LF: not too long.
    PlainOfTheLongest,
    TamperedIv,
    TamperedTag,
    LineEnd,
    LineEndAtTheEnd,
    NotUtf8,
    Cut,
    NoPadding,
    Blank,
    TwoCrs,
    TooLong,
    /// Nor does it end.
    TooLongSoFar,
    /// Nothing is wrong with it but its length.
    TooLongSealed,
}

impl Bad {
    #[rustfmt::skip]
    pub const ALL: [Bad; 14] = [
        Bad::Plain, Bad::PlainOfTheLongest, Bad::TamperedIv, Bad::TamperedTag, Bad::LineEnd, Bad::LineEndAtTheEnd,
        Bad::NotUtf8, Bad::Cut, Bad::NoPadding, Bad::Blank, Bad::TwoCrs, Bad::TooLong, Bad::TooLongSoFar,
        Bad::TooLongSealed,
    ];

    /// Those after which a server ends the connection also where lines are not sealed.
    pub const TOO_LONG: [Bad; 2] = [Bad::TooLong, Bad::TooLongSoFar];

    pub fn is_too_long(self) -> bool {
        matches!(self, Bad::TooLong | Bad::TooLongSoFar | Bad::TooLongSealed)
    }

    /// The line, with its end.
    pub fn line(self, envelope: Option<&Envelope>) -> Vec<u8> {
        match envelope {
            Some(envelope) => self.sealed(envelope),
            None if self == Bad::NotUtf8 => b"caf\xe9\n".to_vec(),
            None => self.unsealed().into_bytes(),
        }
    }

    /// What is no sealed line, with its end.
    fn unsealed(self) -> String {
        match self {
            Bad::Plain => "hello\n".to_owned(),
            Bad::PlainOfTheLongest => "A".repeat(LONGEST_LINE) + "\r\n",
            Bad::TooLongSoFar => "A".repeat(LONGEST_LINE + 2),
            _ => "A".repeat(LONGEST_LINE + 1) + "\n",
        }
    }

    fn sealed(self, envelope: &Envelope) -> Vec<u8> {
        let sealed = envelope.seal("a message");
        let with_other = |place: usize| {
            let other = if sealed[place..].starts_with('A') { "B" } else { "A" };
            format!("{}{other}{}", &sealed[..place], &sealed[place + 1..])
        };
        let line = match self {
            Bad::Plain | Bad::PlainOfTheLongest | Bad::TooLong | Bad::TooLongSoFar => {
                return self.unsealed().into_bytes();
            }
            Bad::TamperedIv => with_other(0),
            Bad::TamperedTag => with_other(sealed.len() - 8),
            Bad::LineEnd => envelope.seal("one line\nand another"),
            Bad::LineEndAtTheEnd => envelope.seal("one line\n"),
            Bad::NotUtf8 => envelope.seal(b"caf\xe9"),
            Bad::Cut => sealed[..sealed.len() - 4].to_owned(),
            Bad::NoPadding => sealed.trim_end_matches('=').to_owned(),
            Bad::Blank => sealed.clone() + " ",
            Bad::TwoCrs => sealed.clone() + "\r\r",
            Bad::TooLongSealed => envelope.seal("x".repeat(LONGEST_TEXT + 1)),
        };
        (line + "\n").into_bytes()
    }
}
