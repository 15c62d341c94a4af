//! What the bytes on the wire are: the lines of stages 2 to 7, written against
//! the contract. The records of stage 8 are in [`tls`].
//!
//! TCP has no messages. What is read at once may be half a line or twenty of
//! them, so this keeps what of a line has come so far; but it shows every byte
//! when it passes, and what they mean together when the line is complete.

use crate::sealed::{Keys, Message, TAG};
use crate::wire::annotation::{Annotated, Layer, Summary, shown};
use crate::wire::tap::Side;
use crate::wire::tls;
use lab::registry::WireFormat;

/// A line that is longer than this has no line end any more: it is shown, but
/// nothing is looked for in it. (A line has at most 4096 bytes.)
const LONGEST: usize = 8192;

/// Decodes one connection: what both sides say.
pub struct Decoder {
    format: WireFormat,
    directions: [Direction; 2],
    tls: tls::Negotiated,
}

#[derive(Default)]
struct Direction {
    /// Known from the first byte on.
    kind: Option<Kind>,
    /// What has come of the line so far.
    line: Vec<u8>,
    records: tls::Records,
}

#[derive(Clone, Copy)]
enum Kind {
    Lines,
    Records,
}

impl Decoder {
    /// A connection of a stage that has lines of this format.
    pub fn new(format: WireFormat) -> Decoder {
        Decoder { format, directions: Default::default(), tls: tls::Negotiated::default() }
    }

    /// What the next bytes of one side are.
    pub fn next(&mut self, from: Side, bytes: &[u8], keys: Option<&Keys>) -> Annotated {
        let direction = &mut self.directions[from as usize];
        // Who speaks TLS on a plain port or plain text on a TLS port is to see
        // what he does; the stage's own format decides where a byte is too little.
        let kind = *direction.kind.get_or_insert_with(|| match tls::looks_like_it(bytes) {
            Some(true) => Kind::Records,
            Some(false) => Kind::Lines,
            None if self.format == WireFormat::Tls => Kind::Records,
            None => Kind::Lines,
        });
        match kind {
            Kind::Records => direction.records.next(bytes, &mut self.tls),
            Kind::Lines => direction.lines(from, bytes, self.format, keys),
        }
    }
}

impl Direction {
    fn lines(&mut self, from: Side, bytes: &[u8], format: WireFormat, keys: Option<&Keys>) -> Annotated {
        let mut found = Annotated::default();
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (text, end) = split_line_end(piece);
            if !text.is_empty() {
                let label = match (self.line.is_empty(), end.is_empty()) {
                    (true, false) => "text",
                    (true, true) => "text begins",
                    (false, true) => "text goes on",
                    (false, false) => "text ends",
                };
                found.part(Layer::Wire, label, text, "");
            }
            if self.line.len() <= LONGEST {
                self.line.extend_from_slice(text);
            }
            if end.is_empty() {
                continue;
            }
            found.part(Layer::Wire, "line end", end, "");
            let line = std::mem::take(&mut self.line);
            if line.len() > LONGEST {
                found
                    .summaries
                    .push(Summary { open: format!("more than {LONGEST} bytes of text"), secret: None });
            } else {
                // The CR of a line end may have come with the read before.
                describe(line.strip_suffix(b"\r").unwrap_or(&line), from, format, keys, &mut found);
            }
        }
        found
    }
}

fn split_line_end(piece: &[u8]) -> (&[u8], &[u8]) {
    let end = match piece {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    };
    piece.split_at(piece.len() - end)
}

/// What a whole line is.
fn describe(line: &[u8], from: Side, format: WireFormat, keys: Option<&Keys>, found: &mut Annotated) {
    let (who, body) = match format {
        WireFormat::Encrypted if from == Side::Server => split_sender(line),
        _ => (&b""[..], line),
    };
    let tag = if format == WireFormat::Sealed { TAG } else { 0 };
    let message = match format {
        WireFormat::Encrypted | WireFormat::Sealed => Message::parse(body, tag),
        WireFormat::Lines | WireFormat::Tls => None,
    };
    let Some(message) = message else {
        if !line.is_ascii() {
            found.note_text(shown(line));
        }
        found.summaries.push(Summary { open: shown(line), secret: None });
        return;
    };
    let what = if who.is_empty() { "base64" } else { "the sender, as the server wrote it, and base64" };
    let length = message.iv.len() + message.ciphertext.len() + message.tag.len();
    found.note_text(format!("{what} of {length} bytes, which are:"));
    found.part(Layer::Inside, "iv", &message.iv, "");
    found.part(Layer::Inside, "ciphertext", &message.ciphertext, blocks(message.ciphertext.len()));
    if tag > 0 {
        found.part(Layer::Inside, "tag", &message.tag, "HMAC-SHA-256 over iv and ciphertext");
    }
    let secret = keys.map(|keys| match keys.open(&message) {
        Some(text) => {
            // The rows of bytes cut a long text, and show no letter beyond ASCII.
            let note = if text.len() > 16 || !text.is_ascii() { shown(&text) } else { String::new() };
            found.part(Layer::Key, "text", &text, note);
            shown(&text)
        }
        None => {
            let note = "it does not open: another key made it, or it was changed on the way";
            found.part(Layer::Key, "nothing", b"", note);
            "does not open".to_owned()
        }
    });
    let who = if who.is_empty() { String::new() } else { shown(who) };
    let open = format!(
        "{who}IV + {} bytes ciphertext{}",
        message.ciphertext.len(),
        if tag > 0 { " + tag" } else { "" }
    );
    found.summaries.push(Summary { open, secret });
}

/// `[IP:PORT] ` and the rest.
fn split_sender(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.windows(2).position(|pair| pair == b"] ").map_or(0, |at| at + 2);
    if line.starts_with(b"[") { line.split_at(end) } else { line.split_at(0) }
}

fn blocks(bytes: usize) -> String {
    match bytes / crate::sealed::BLOCK {
        1 => "1 block of AES-256-CBC".to_owned(),
        n => format!("{n} blocks of AES-256-CBC"),
    }
}

#[cfg(test)]
mod tests;
