//! What is said to the user about private messages.

use common::terminal::Output;

/// Where it is said: on the terminal, or in a list that a test reads.
pub trait UserOutput: Send + Sync {
    /// Something to know.
    fn hint(&self, line: &str);
    /// Something that must not be overlooked.
    fn alarm(&self, line: &str);
}

impl UserOutput for Output {
    fn hint(&self, line: &str) {
        Output::hint(self, line);
    }

    fn alarm(&self, line: &str) {
        Output::alarm(self, line);
    }
}

/// A private message of which there is nothing to show.
pub(super) fn unreadable(from: &str, why: &str) -> String {
    format!("[private] {from}: (cannot be opened: {why})")
}

/// What the server calls private: it was sent by a program that does not seal.
/// Every line that begins like that is marked, or a server could forge a sealed one.
pub(super) fn readable_by_the_server(line: &str) -> String {
    format!(
        "[private, in the clear, readable by the server]{}",
        line.strip_prefix("[private]").unwrap_or(line)
    )
}

pub(super) fn first_key(name: &str) -> [String; 2] {
    [
        format!("The key of {name} was not known, and is remembered from now on;"),
        format!("compare with /fingerprint {name}."),
    ]
}

pub(super) fn comparison(own_name: &str, name: &str, number: &str) -> [String; 3] {
    [
        format!("Compare with {name}, face to face or on the telephone: if /fingerprint {own_name}"),
        "shows the same there, nobody reads along between you.".to_owned(),
        number.to_owned(),
    ]
}

pub(super) fn changed_key(own_name: &str, name: &str, number: &str) -> [String; 7] {
    [
        format!("WARNING: THE KEY OF {name} HAS CHANGED"),
        format!("Either {name} has a new identity, since the old one is lost,"),
        "or an attacker between you, perhaps the server, wants to read along.".to_owned(),
        format!("Ask {name}, face to face or on the telephone, whether /fingerprint {own_name}"),
        "shows this number there:".to_owned(),
        number.to_owned(),
        format!("If so, accept the new key with /trust {name}. Until then nothing is sent."),
    ]
}
