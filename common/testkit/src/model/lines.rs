//! What a server makes of one client's bytes ("Lines" and "How a connection ends"
//! in the contract).

/// The most that a line holds before its line end.
pub(crate) const LONGEST: usize = 4096;
pub(crate) const TOO_LONG: &str = "[SERVER] error: line longer than 4096 bytes";
pub(crate) const NOT_UTF8: &str = "[SERVER] error: line is not valid UTF-8";
/// The last stage whose server answers the sender itself.
const LAST_ECHO: u8 = 3;

/// What a line makes the server do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// The text is delivered: to the others, or back to the sender in stages 2 and 3.
    Deliver(String),
    /// The sender gets this error.
    Error(&'static str),
    /// The connection is ended in good order; what comes after is thrown away.
    End,
}

/// Reads one client's stream, in whatever pieces it comes.
#[derive(Clone)]
pub(crate) struct LineReader {
    stage: u8,
    pending: Vec<u8>,
    ended: bool,
}

impl LineReader {
    pub fn new(stage: u8) -> Self {
        Self { stage, pending: Vec::new(), ended: false }
    }

    /// Returns `true` if part of a line has come.
    pub fn is_inside_a_line(&self) -> bool {
        !self.pending.is_empty() && !self.ended
    }

    /// Returns `true` if a CR has come last. At the end of the stream it may belong to
    /// the text or not: the contract leaves that open.
    pub fn is_behind_a_cr(&self) -> bool {
        self.pending.ends_with(b"\r")
    }

    /// Returns `true` if a line end would end the connection now.
    pub fn is_before_the_end(&self) -> bool {
        self.clone().take(b"\n").contains(&Reaction::End)
    }

    /// What the server does about `bytes`, which come behind those before.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Reaction> {
        let mut reactions = Vec::new();
        for &byte in bytes {
            if self.ended {
                break;
            }
            if byte == b'\n' {
                let line = std::mem::take(&mut self.pending);
                self.line(&line, &mut reactions);
            } else {
                self.pending.push(byte);
                // The limit holds before a line end has come. A CR may be the
                // first half of the line end.
                if without_cr(&self.pending).len() > LONGEST {
                    self.too_long(&mut reactions);
                }
            }
        }
        reactions
    }

    /// The client sends nothing more: what stands there is a last line.
    pub fn end(&mut self) -> Vec<Reaction> {
        let mut reactions = Vec::new();
        if self.is_inside_a_line() {
            let line = std::mem::take(&mut self.pending);
            self.line(&line, &mut reactions);
        }
        if !self.ended {
            reactions.push(Reaction::End);
            self.ended = true;
        }
        reactions
    }

    fn line(&mut self, line: &[u8], reactions: &mut Vec<Reaction>) {
        let line = without_cr(line);
        match str::from_utf8(line) {
            Err(_) => reactions.push(Reaction::Error(NOT_UTF8)),
            Ok(text) if self.ends_with(text) => {
                reactions.push(Reaction::End);
                self.ended = true;
            }
            Ok("") if self.stage > LAST_ECHO => {}
            Ok(text) => reactions.push(Reaction::Deliver(text.to_owned())),
        }
    }

    /// Only the word itself: not with a blank, nor in other letters.
    fn ends_with(&self, text: &str) -> bool {
        text == "!DISCONNECT" || (text == "/quit" && self.stage > LAST_ECHO)
    }

    fn too_long(&mut self, reactions: &mut Vec<Reaction>) {
        reactions.extend([Reaction::Error(TOO_LONG), Reaction::End]);
        self.ended = true;
    }
}

/// One `\r` directly before the line end belongs to it.
fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stage: u8, bytes: &[u8]) -> Vec<Reaction> {
        let mut reader = LineReader::new(stage);
        let mut reactions = reader.take(bytes);
        reactions.extend(reader.end());
        reactions
    }

    #[test]
    fn the_examples_of_the_contract() {
        let deliver = |text: &str| Reaction::Deliver(text.to_owned());
        let longest = "x".repeat(LONGEST);
        for (stage, bytes, expected) in [
            (4, b"a\r\n\r\nb\rc\r\r\n".to_vec(), vec![deliver("a"), deliver("b\rc\r"), Reaction::End]),
            (2, b"a\n\n/quit\n".to_vec(), vec![deliver("a"), deliver(""), deliver("/quit"), Reaction::End]),
            (4, b"bye\n/quit\nlost".to_vec(), vec![deliver("bye"), Reaction::End]),
            (4, b"/quit ".to_vec(), vec![deliver("/quit "), Reaction::End]),
            (4, b"caf\xe9\nstill".to_vec(), vec![Reaction::Error(NOT_UTF8), deliver("still"), Reaction::End]),
            (4, [longest.as_bytes(), b"\r\n"].concat(), vec![deliver(&longest), Reaction::End]),
            (4, [longest.as_bytes(), b"\ry\n"].concat(), vec![Reaction::Error(TOO_LONG), Reaction::End]),
        ] {
            assert_eq!(all(stage, &bytes), expected, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn pieces_change_nothing() {
        let bytes = "one\r\ntwo 🦀\n!DISCONNECT\nthree".as_bytes();
        let whole = all(4, bytes);
        let mut reader = LineReader::new(4);
        let mut pieces: Vec<_> = bytes.iter().flat_map(|byte| reader.take(&[*byte])).collect();
        pieces.extend(reader.end());
        assert_eq!(pieces, whole);
    }
}
