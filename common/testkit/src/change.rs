//! A program that is wrong on purpose is a right one with a few words changed.

use std::fmt;

/// The text that was to be changed is another one by now.
#[derive(Debug, PartialEq, Eq)]
pub struct NotOnce {
    count: usize,
    old: String,
}

impl fmt::Display for NotOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what is to change stands {} times in it:\n{}", self.count, self.old)
    }
}

impl std::error::Error for NotOnce {}

/// `text` with `new` in the place of `old`.
///
/// # Errors
/// When `old` does not stand in it exactly once.
pub fn changed(text: &str, old: &str, new: &str) -> Result<String, NotOnce> {
    match text.matches(old).count() {
        1 => Ok(text.replace(old, new)),
        count => Err(NotOnce { count, old: old.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::changed;

    #[test]
    fn what_stands_there_once_is_changed_and_nothing_else() {
        assert_eq!(changed("a b c", "b", "x").unwrap(), "a x c");
        assert!(changed("a b b", "b", "x").unwrap_err().to_string().contains("2 times"));
        assert!(changed("a", "b", "x").unwrap_err().to_string().contains("0 times"));
    }
}
