//! The users with whom a client of stage 8 talks, and what it knows of them.

use super::rules;
use super::session::Seal;
use crate::hpke::Identity;
use testkit::sessions::Rule;

/// The most bytes of a private text.
pub(super) const LONGEST_PRIVATE: usize = 2994;
/// As registered; the last one is of the longest kind.
pub(super) const NAMES: [&str; 3] = ["bob", "Carol", "x2345678901234567890123456789012"];

/// Stands in the private text with this number, and nowhere else.
pub(super) fn mark(number: usize) -> String {
    format!("text{number:03}end")
}

/// A user.
pub(super) struct Contact {
    pub name: &'static str,
    /// The key pair that is the right one.
    pub identity: Identity,
    /// What the server gives out in its place, when it plays tricks.
    pub other: Identity,
    /// The client has been given the right key, as the answer to a question.
    pub is_known: bool,
    /// It has been given the right key, asked for or not, and may remember it.
    pub may_be_known: bool,
    /// It has been given the other one, after it was known.
    pub has_changed: bool,
    /// It has said something since then.
    pub is_warned: bool,
}

/// All of them.
pub(super) struct Contacts {
    pub all: Vec<Contact>,
    /// The client's own key, as it was published.
    pub key: String,
    /// What was opened last of whom, sealed, and its text.
    pub last: [Option<String>; NAMES.len()],
    /// What must not be shown, or not any more, and the rule about it.
    pub hidden: Vec<(String, Rule)>,
}

impl Contacts {
    pub fn new() -> Self {
        let contact = |name| {
            let (identity, other) = (Identity::new(name), Identity::new(name));
            let (is_known, may_be_known, has_changed, is_warned) = Default::default();
            Contact { name, identity, other, is_known, may_be_known, has_changed, is_warned }
        };
        let (key, last, hidden) = Default::default();
        Self { all: NAMES.map(contact).into(), key, last, hidden }
    }

    /// Who is called so, in whatever case.
    pub fn called(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|contact| contact.name.eq_ignore_ascii_case(name))
    }

    /// What stands behind `[DM] NAME`: something of this user that does not open.
    pub fn badly_sealed(&self, from: usize, me: &str, kind: Seal) -> String {
        let (identity, other) = (&self.all[from].identity, &self.all[from].other);
        let good = identity.seal(me, &self.key, "forged");
        match kind {
            Seal::ByAnotherKey => other.seal(me, &self.key, "forged"),
            Seal::ForAnotherUser => identity.seal("dave", &self.key, "forged"),
            Seal::ForAnotherKey => identity.seal(me, &other.public(), "forged"),
            Seal::Changed => {
                let letter = if good.as_bytes()[60] == b'A' { "B" } else { "A" };
                format!("{}{letter}{}", &good[..60], &good[61..])
            }
            Seal::Cut => good[..good.len() - 8].to_owned(),
            Seal::Short => "AAAA".to_owned(),
            Seal::NoBase64 => "forged, not sealed".to_owned(),
            Seal::NoPadding => {
                let sealed = identity.seal(me, &self.key, "forged!");
                sealed.trim_end_matches('=').to_owned()
            }
            Seal::SpareBits => with_spare_bits(&identity.seal(me, &self.key, "forged!")),
        }
    }

    /// The rule that this line breaks, since it has something in it that is not to be shown.
    pub fn rule_about(&self, line: &str) -> Option<Rule> {
        let forged = line.contains("forged").then_some(rules::NOT_OPENED);
        let hidden = self.hidden.iter().find(|(mark, _)| line.contains(mark));
        hidden.map(|(_, rule)| *rule).or(forged)
    }
}

/// The same bytes for a lenient reader: bits that belong to no byte, before the padding.
fn with_spare_bits(sealed: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = sealed.trim_end_matches('=');
    let (start, last) = text.split_at(text.len() - 1);
    let value = ALPHABET.iter().position(|letter| last.as_bytes() == [*letter]).unwrap_or_default();
    format!("{start}{}{}", char::from(ALPHABET[value + 1]), &sealed[text.len()..])
}
