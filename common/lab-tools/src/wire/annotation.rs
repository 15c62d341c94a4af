//! What is known about the bytes of one read, and helpers to put it into words.

use common::escape::escape;

/// Who can see a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// It passed just like this.
    Wire,
    /// Anyone can work it out of what passed.
    Inside,
    /// The owner of the key can.
    Key,
}

/// Some bytes and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Who can see it.
    pub layer: Layer,
    /// One or two words.
    pub label: String,
    /// The bytes. Those of all parts on the wire, put together, are what passed.
    pub bytes: Vec<u8>,
    /// A sentence on it, or nothing.
    pub note: String,
}

/// What these bytes say, in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// As anyone on the network sees it.
    pub open: String,
    /// As the owner of a key sees it.
    pub secret: Option<String>,
}

/// All that is known about the bytes of one read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotated {
    /// Byte by byte.
    pub parts: Vec<Part>,
    /// What was completed by them.
    pub summaries: Vec<Summary>,
}

impl Annotated {
    /// Adds a part.
    pub fn part(&mut self, layer: Layer, label: &str, bytes: &[u8], note: impl Into<String>) {
        self.parts.push(Part { layer, label: label.to_owned(), bytes: bytes.to_vec(), note: note.into() });
    }

    /// Notes something on the text before the last line end, where some of it is
    /// among these parts.
    pub fn note_text(&mut self, note: String) {
        if let [.., text, _line_end] = &mut self.parts[..]
            && text.label.starts_with("text")
        {
            text.note = note;
        }
    }
}

/// `1 byte`, `2 bytes`.
pub fn count(bytes: usize) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

/// Bytes from the wire as text that cannot drive a terminal.
pub fn shown(bytes: &[u8]) -> String {
    escape(&String::from_utf8_lossy(bytes)).into_owned()
}
