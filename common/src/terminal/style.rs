//! What kind of line it is, by colour.

/// A kind of line. Each says by its text too what it is: colour helps on
/// terminals that have it, and no user depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// What a user says.
    Plain,
    /// What the server says.
    Notice,
    /// What went wrong.
    Error,
    /// What is meant for this user alone.
    Private,
    /// What comes from elsewhere, since this user has subscribed to it.
    Published,
    /// What was said before.
    Past,
    /// An answer: a list of users or rooms.
    List,
    /// What the program itself has to say.
    Hint,
    /// What must not be overlooked.
    Alarm,
}

impl Style {
    /// The escape sequence that begins it (ECMA-48, 8.3.117). The eight old
    /// colours are those that every terminal has, and that its owner has chosen
    /// to be legible.
    pub(super) fn begin(self) -> &'static str {
        match self {
            Style::Plain => "",
            Style::Notice => "\x1b[33m",
            Style::Error => "\x1b[31m",
            Style::Private => "\x1b[35m",
            Style::Published => "\x1b[36m",
            Style::List => "\x1b[32m",
            Style::Past | Style::Hint => "\x1b[2m",
            Style::Alarm => "\x1b[1;31m",
        }
    }
}

/// The style of what a server says by itself, in all stages alike.
pub fn notices(line: &str) -> Style {
    if line.starts_with("[SERVER] error: ") {
        Style::Error
    } else if line.starts_with("[SERVER] ") {
        Style::Notice
    } else {
        Style::Plain
    }
}
