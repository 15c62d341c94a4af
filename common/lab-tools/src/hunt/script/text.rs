//! Texts of scripts: escapes, what clients have, and what a script cannot know.

use super::Language;
use anyhow::{Context, bail};

/// The most bytes that one `\{TEXT*N}` makes.
const MOST_BYTES: usize = 1 << 20;

/// Bytes, with places for what a script cannot know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub Vec<Part>);

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What this client has: its address, `IP:PORT`, or its token.
    Own(String),
    /// What follows goes into a sealed line.
    Seal,
    /// Here the sealed line ends.
    Sealed,
    /// Received: a time as the history has it.
    Time,
    /// Received: a token that no client had before.
    NewToken,
    /// Received: anything, but not nothing.
    Rest,
}

/// A text to be received, with its words for what a script cannot know.
pub fn expected(written: &str, language: Language) -> anyhow::Result<Text> {
    if language == Language::Addresses {
        return text(written, language);
    }
    let history = "[HISTORY] TIME ";
    let (mut parts, written) = match written.strip_prefix(history) {
        Some(rest) => (vec![Part::Bytes(b"[HISTORY] ".into()), Part::Time, Part::Bytes(b" ".into())], rest),
        None => (Vec::new(), written),
    };
    let token = written.strip_suffix(" TOKEN").filter(|before| before.starts_with("AUTH_SUCCESS "));
    let (written, end) = match (token, written.strip_suffix('…')) {
        (Some(before), _) => (&written[..=before.len()], Some(Part::NewToken)),
        (_, Some(before)) => (before, Some(Part::Rest)),
        _ => (written, None),
    };
    parts.extend(text(written, language)?.0);
    parts.extend(end);
    Ok(Text(parts))
}

/// A text with its escapes and what clients have.
pub fn text(written: &str, language: Language) -> anyhow::Result<Text> {
    let mut parts = Vec::new();
    let mut rest = written;
    if let (Language::Logins, Some((before, sealed))) = (language, written.split_once("\\s{")) {
        let (sealed, after) = sealed.split_once('}').context("\\s{TEXT} is the sealed line of TEXT")?;
        let parts = [text(before, language)?.0, vec![Part::Seal], text(sealed, language)?.0];
        let end = [vec![Part::Sealed], text(after, language)?.0];
        return Ok(Text([parts.concat(), end.concat()].concat()));
    }
    let own = language.own();
    while let Some(at) = rest.find(own) {
        let start = rest[..at].rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |end| end + 1);
        // A character before the name may be longer than a byte.
        let start = (start..=at).find(|start| rest.is_char_boundary(*start)).unwrap_or(at);
        if start == at {
            bail!("whose {}?", own.trim_start_matches("'s "));
        }
        parts.push(Part::Bytes(unescaped(&rest[..start])?));
        parts.push(Part::Own(rest[start..at].to_owned()));
        rest = &rest[at + own.len()..];
    }
    parts.push(Part::Bytes(unescaped(rest)?));
    Ok(Text(parts))
}

fn unescaped(written: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = written;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let mut letters = escape.chars();
        let letter = letters.next().context("a \\ at the end of the line; a backslash itself is \\\\")?;
        rest = letters.as_str();
        match letter {
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            '0' => bytes.push(0),
            '\\' => bytes.push(b'\\'),
            'x' => {
                let digits = rest.get(..2).context("\\x takes two hexadecimal digits")?;
                bytes.push(u8::from_str_radix(digits, 16).context("\\x takes two hexadecimal digits")?);
                rest = &rest[2..];
            }
            'u' => {
                let inner = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
                let (digits, after) = inner.context("\\u{…} takes a code point")?;
                let number = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                let c = number.context("\\u{…} takes a code point in hexadecimal digits")?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            }
            '{' => {
                let (text, times, after) = repeated(rest).context("\\{TEXT*N} is TEXT, N times")?;
                let text = unescaped(text)?;
                if text.len().saturating_mul(times) > MOST_BYTES {
                    bail!("\\{{TEXT*N}} makes {MOST_BYTES} bytes at most");
                }
                bytes.extend(text.repeat(times));
                rest = after;
            }
            other => bail!("no escape \\{other}; there are \\n \\r \\t \\0 \\\\ \\xNN \\u{{N}} \\{{TEXT*N}}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The text, the number and what stands behind `TEXT*N}`. The text may have braces.
fn repeated(rest: &str) -> Option<(&str, usize, &str)> {
    rest.match_indices('*').find_map(|(at, _)| {
        let (times, after) = rest[at + 1..].split_once('}')?;
        Some((&rest[..at], times.parse().ok()?, after))
    })
}
