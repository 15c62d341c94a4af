//! TLS records and the names of what is in them, as far as it can be read from
//! outside (RFC 8446, sections 4 and 5, and RFC 5246 for TLS 1.2).
//!
//! Only heads are read: five bytes before a record, four before a handshake
//! message, and of the two hellos, which are never encrypted, what both sides
//! agree on. Everything is taken as a stranger's bytes: lengths are checked, and
//! what makes no sense is shown as bytes without a name.

use crate::wire::annotation::{Annotated, Layer, Summary, count};
use crate::wire::hello::{self, ClientHello, ServerHello};

const HEAD: usize = 5;

/// What both sides of a connection have negotiated.
#[derive(Debug, Default)]
pub struct Negotiated {
    /// The version that the server has chosen.
    version: Option<u16>,
}

impl Negotiated {
    /// TLS 1.3 encrypts under the type of application data, and its
    /// `ChangeCipherSpec` means nothing.
    fn is_1_3(&self) -> bool {
        self.version == Some(hello::TLS_1_3)
    }
}

/// One direction's records.
#[derive(Debug, Default)]
pub struct Records {
    /// The record that has not come to its end, and how much of it was shown.
    record: Vec<u8>,
    shown: usize,
    /// TLS 1.2: this side has sent its `ChangeCipherSpec`.
    encrypted: bool,
    /// What is still to come of a handshake message that did not end with its
    /// record.
    unfinished: usize,
}

/// Whether `bytes` begin like a record: one of four types, and a version whose
/// first byte has been 3 since SSL 3. `None` where they are too few.
pub fn looks_like_it(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [] => None,
        [20..=23] => None,
        [20..=23, 3, ..] => Some(true),
        _ => Some(false),
    }
}

impl Records {
    /// What the next bytes of this direction are.
    pub fn next(&mut self, bytes: &[u8], negotiated: &mut Negotiated) -> Annotated {
        let mut found = Annotated::default();
        let mut names = Names::default();
        self.record.extend_from_slice(bytes);
        while let Some(length) = whole_record(&self.record) {
            let rest = self.record.split_off(length);
            let record = std::mem::replace(&mut self.record, rest);
            self.whole(&record, negotiated, &mut found, &mut names);
            self.shown = 0;
        }
        if self.shown < self.record.len() {
            let label = if self.shown == 0 { "begins" } else { "goes on" };
            let note = match self.record.get(3..HEAD) {
                Some(length) => {
                    let length = HEAD + usize::from(u16::from_be_bytes([length[0], length[1]]));
                    format!("{} of the {length} bytes of a record", self.record.len())
                }
                None => "not even the head of a record".to_owned(),
            };
            found.part(Layer::Wire, label, &self.record[self.shown..], note);
            self.shown = self.record.len();
        }
        found.summaries.extend(names.summary());
        found
    }

    /// A record that has come as a whole.
    fn whole(
        &mut self,
        record: &[u8],
        negotiated: &mut Negotiated,
        found: &mut Annotated,
        names: &mut Names,
    ) {
        let (head, body) = record.split_at(HEAD);
        // Where its beginning was shown already, the rest is shown as that.
        let shown = self.shown;
        let before = found.parts.len();
        let kind = match head[0] {
            20 => "ChangeCipherSpec",
            21 => "Alert",
            22 => "Handshake",
            23 => "application data",
            _ => "unknown",
        };
        let note = format!("TLS record: {kind}, version {}.{}, {}", head[1], head[2], count(body.len()));
        found.part(Layer::Wire, "head", head, note);
        match head[0] {
            20 => {
                self.encrypted |= !negotiated.is_1_3() && negotiated.version.is_some();
                let note = match negotiated.is_1_3() {
                    true => "means nothing in TLS 1.3; sent for boxes on the way that know TLS 1.2 only",
                    false => "from here on this side encrypts",
                };
                found.part(Layer::Wire, "body", body, note);
                names.push("ChangeCipherSpec");
            }
            21 if body.len() == 2 && !self.encrypted => {
                let alert = hello::alert(body[0], body[1]);
                names.push(&format!("Alert {alert}"));
                found.part(Layer::Wire, "body", body, alert);
            }
            22 if !self.encrypted => self.messages(body, negotiated, found, names),
            _ => {
                let what = match (head[0], negotiated.is_1_3()) {
                    (23, true) => "whether handshake, data or alert, is encrypted too",
                    (23, false) => "data",
                    (22, _) => "a message of the handshake",
                    (21, _) => "an alert",
                    _ => "unknown",
                };
                found.part(Layer::Wire, "ciphertext", body, format!("encrypted, its tag included; {what}"));
                names.encrypted(body.len());
            }
        }
        if shown > 0 {
            continues(found, before, shown);
        }
    }

    /// The handshake messages of a record that is not encrypted. A message may
    /// go over several records, and a record may have several messages.
    fn messages(
        &mut self,
        body: &[u8],
        negotiated: &mut Negotiated,
        found: &mut Annotated,
        names: &mut Names,
    ) {
        let (end, mut rest) = body.split_at(self.unfinished.min(body.len()));
        self.unfinished -= end.len();
        if !end.is_empty() {
            found.part(Layer::Wire, "goes on", end, "the message of the record before");
        }
        while !rest.is_empty() {
            let [kind, a, b, c, ..] = *rest else {
                found.part(Layer::Wire, "begins", rest, "not even the head of a message");
                return;
            };
            let length = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
            let (message, after) = rest.split_at(length.min(rest.len()));
            self.unfinished = length - message.len();
            let name = hello::message_name(kind);
            let note = about(kind, &message[4..], negotiated);
            names.push(name);
            found.part(Layer::Wire, name, message, note);
            rest = after;
        }
    }
}

/// What a message says beyond its name; of the server's hello, what it decides.
fn about(kind: u8, body: &[u8], negotiated: &mut Negotiated) -> String {
    match kind {
        hello::CLIENT_HELLO => ClientHello::parse(body).map(|hello| hello.describe()),
        hello::SERVER_HELLO => ServerHello::parse(body).map(|hello| {
            negotiated.version = Some(hello.version);
            hello.describe()
        }),
        _ => None,
    }
    .unwrap_or_default()
}

/// The length of the record that `bytes` begin with, if all of it is there.
fn whole_record(bytes: &[u8]) -> Option<usize> {
    let length = HEAD + usize::from(u16::from_be_bytes([*bytes.get(3)?, *bytes.get(4)?]));
    (length <= bytes.len()).then_some(length)
}

/// Takes the first `shown` bytes out of the parts from `before` on, since they
/// were shown when they came.
fn continues(found: &mut Annotated, before: usize, mut shown: usize) {
    for part in &mut found.parts[before..] {
        let cut = shown.min(part.bytes.len());
        part.bytes.drain(..cut);
        shown -= cut;
        if cut > 0 {
            part.label.push_str(" (its rest)");
        }
    }
}

/// The records of one read in a few words: names, and what is encrypted added up.
#[derive(Default)]
struct Names {
    names: Vec<String>,
    records: usize,
    bytes: usize,
}

impl Names {
    fn push(&mut self, name: &str) {
        self.flush_encrypted();
        self.names.push(name.to_owned());
    }

    fn encrypted(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
    }

    fn flush_encrypted(&mut self) {
        let what = match std::mem::take(&mut self.records) {
            0 => return,
            1 => "encrypted record".to_owned(),
            n => format!("{n} encrypted records"),
        };
        self.names.push(format!("{what} ({} bytes)", std::mem::take(&mut self.bytes)));
    }

    fn summary(mut self) -> Option<Summary> {
        self.flush_encrypted();
        let names = self.names.join(", ");
        (!names.is_empty()).then(|| Summary { open: format!("TLS {names}"), secret: None })
    }
}

#[cfg(test)]
mod tests;
