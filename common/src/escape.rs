//! Text from strangers, made safe to show.
//!
//! Whatever comes from the network or from a file and is shown goes through
//! [`escape`]: on a terminal, in a log, in an error message. Three things are
//! spelled out there.
//!
//! - **Control characters.** An ESC would let a line from the network move the
//!   cursor, rewrite what was said before, or set the window's title.
//! - **What is not seen.** Unicode has characters that leave no trace on the screen
//!   ([`Default_Ignorable_Code_Point`]) and others that turn the direction of
//!   writing. With them two names look the same that are not, and a line hides a
//!   text or shows other words than it has.
//! - **Piles of marks.** Accents stack up on the letter before them and, in a row
//!   without end, cover the lines above and below.
//!
//! What writing needs stays: joiners between the letters of a script that has them,
//! or between the parts of an emoji, and the selector behind an emoji.
//!
//! [`Default_Ignorable_Code_Point`]: https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point

use std::borrow::Cow;
use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// Marks that one letter may carry. Burmese and Hebrew with its accents need five.
const MAX_MARKS: usize = 6;

/// `text` with every control character written as `\xNN`, and every invisible one,
/// every line separator and every mark too many as `\u{NNNN}`. See the
/// [module](self).
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    let mut previous = None;
    let mut marks = 0;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let is_mark = c.width() == Some(0);
        marks = if is_mark { marks + 1 } else { 0 };
        let shown = if c.is_control() {
            false
        } else if is_invisible(c) {
            is_needed(previous, c, characters.peek().copied())
        } else {
            // A mark with no letter before it would sit on what is shown before.
            !is_mark || (marks <= MAX_MARKS && previous.is_some())
        };
        // Writing to a String cannot fail.
        let _ = match c {
            c if shown => safe.write_char(c),
            c if c.is_control() => write!(safe, "\\x{:02x}", c as u32),
            c => write!(safe, "\\u{{{:04x}}}", c as u32),
        };
        // What was spelled out ends in a bracket or a digit: no joiner is needed behind it.
        previous = Some(if shown { c } else { '}' });
    }
    if safe == text { Cow::Borrowed(text) } else { Cow::Owned(safe) }
}

/// Unicode's Default_Ignorable_Code_Point (version 17), the two separators, and the
/// marks of interlinear annotations.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Returns `true` if the invisible `c` changes how its neighbours look, as it should.
fn is_needed(previous: Option<char>, c: char, next: Option<char>) -> bool {
    let Some(previous) = previous else { return false };
    let next = next.unwrap_or(' ');
    match c {
        // Zero width joiner and non-joiner, as in Persian, Hindi or 👩‍🚀.
        '\u{200c}' | '\u{200d}' if joins(previous) && joins(next) => true,
        '\u{200d}' => (is_pictograph(previous) || previous == '\u{fe0f}') && is_pictograph(next),
        // The selectors of text and of emoji style, as in ❤️ and 1️⃣.
        '\u{fe0e}' | '\u{fe0f}' => {
            is_pictograph(previous) || (matches!(previous, '0'..='9' | '#' | '*') && next == '\u{20e3}')
        }
        _ => false,
    }
}

/// The blocks of scripts whose letters change their shape beside each other: from
/// Arabic to Tibetan, and Myanmar, Khmer and Mongolian.
fn joins(c: char) -> bool {
    !is_invisible(c) && matches!(c, '\u{600}'..='\u{fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{18af}')
}

/// The blocks that have emoji in them.
fn is_pictograph(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2100}'..='\u{2bff}' | '\u{3030}' | '\u{303d}'
        | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
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
        for text in [
            "héllo, 世界 🙂 \\x1b",
            "cafe\u{301}, Vie\u{323}\u{302}t, ไม่เป็นไร, שָׁלוֹם, ကျွန်ုပ်, བསྒྲུབས, 한국어",
            "می\u{200c}خواهم, क्\u{200d}ष, നന്\u{200d}മ",
            "👩\u{200d}🚀 ❤\u{fe0f} 1\u{fe0f}\u{20e3} 👍🏽 🏳\u{fe0f}\u{200d}🌈 🇩🇪 ❤\u{fe0f}",
        ] {
            assert!(matches!(escape(text), Cow::Borrowed(t) if t == text), "{text}: {}", escape(text));
        }
    }

    #[test]
    fn what_is_not_seen_is_spelled_out() {
        for c in [
            '\u{ad}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0001}',
            '\u{e0061}',
            '\u{e007f}',
            '\u{e0100}',
        ] {
            let shown = format!("al\\u{{{:04x}}}ice", c as u32);
            assert_eq!(escape(&format!("al{c}ice")), shown);
            assert_eq!(escape(&c.to_string()), shown.trim_start_matches("al").trim_end_matches("ice"));
        }
        // Where a joiner has nothing to join, and beside another one.
        assert_eq!(escape("🙂\u{200d}"), "🙂\\u{200d}");
        assert_eq!(escape("ب\u{200c}\u{200c}ب"), "ب\\u{200c}\\u{200c}ب");
    }

    #[test]
    fn marks_do_not_pile_up() {
        let shown = escape("a\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}\u{301}b\u{300}").into_owned();
        assert_eq!(shown, "a\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}\\u{0300}\\u{0301}b\u{300}");
        assert_eq!(escape("\u{301}a"), "\\u{0301}a");
        // Nothing is there that this joiner could join.
        assert_eq!(escape("\u{741}\u{200d}\u{741}"), "\\u{0741}\\u{200d}\u{741}");
    }
}
