//! Text from the network, made safe to show on a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with every control character written as `\xNN`, so that nobody can
/// drive another's terminal: an ESC would otherwise let a line from the network
/// move the cursor, rewrite what was said before, or change the window's title.
///
/// Also escaped, as `\u{NNNN}`, are the line separators and the marks that turn
/// the writing direction, with which a line can show other words than it has.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        // Writing to a String cannot fail.
        let _ = match c {
            c if !is_unsafe(c) => safe.write_char(c),
            c if (c as u32) < 0x100 => write!(safe, "\\x{:02x}", c as u32),
            c => write!(safe, "\\u{{{:x}}}", c as u32),
        };
    }
    Cow::Owned(safe)
}

fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(escape("\x1b[2J"), "\\x1b[2J");
        assert_eq!(escape("a\tb\r\0\x7f"), "a\\x09b\\x0d\\x00\\x7f");
        // The one-character form of ESC [ in ISO 6429.
        assert_eq!(escape("\u{9b}31m"), "\\x9b31m");
        assert_eq!(escape("\u{202e}txt.exe"), "\\u{202e}txt.exe");
    }

    #[test]
    fn other_text_stays_as_it_is() {
        let text = "héllo, 世界 🙂 \\x1b";
        assert!(matches!(escape(text), Cow::Borrowed(t) if t == text));
    }
}
