//! The kinds of lines that a server of this stage sends, and how each is shown.

use common::terminal::{Style, notices};

/// How a line that was received is to be shown. Its first word tells: a server
/// puts it there, and no name that could stand in its place has a bracket.
pub fn style(line: &str) -> Style {
    let Some((kind, _)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) else {
        return Style::Plain;
    };
    match kind {
        // Stage 8 says more about some of them.
        kind if kind.starts_with("private") => Style::Private,
        "pub" => Style::Published,
        "HISTORY" => Style::Past,
        "USERS_LIST" | "ROOMS" | "SUBS" => Style::List,
        room if room.starts_with('#') => Style::Published,
        _ => notices(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_tells() {
        for (line, expected) in [
            ("alice: hello", Style::Plain),
            ("alice: [private] bob: hello", Style::Plain),
            ("[private] alice: hello", Style::Private),
            ("[pub] alice: hello", Style::Published),
            ("[#rust] alice: hello", Style::Published),
            ("[HISTORY] 2026-01-31T09:30:00Z alice: hello", Style::Past),
            ("[USERS_LIST] alice,bob", Style::List),
            ("[ROOMS] lobby 2", Style::List),
            ("[SUBS] ", Style::List),
            ("[SERVER] alice joined (2 online)", Style::Notice),
            ("[SERVER] error: no user bob", Style::Error),
            ("[SERVER", Style::Plain),
            ("[", Style::Plain),
            ("", Style::Plain),
        ] {
            assert_eq!(style(line), expected, "{line}");
        }
    }
}
