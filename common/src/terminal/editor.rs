//! What rustyline asks us: with what to complete a word, and how to draw.
//!
//! The trap in completing: rustyline shows what comes in while it waits for a key, but not
//! while it waits for the next key of a completion: when it cycles through
//! candidates, asks whether to list them all, or pauses after a page of them.
//! A user who leaves the keyboard then would see nothing more, and in the end the
//! client would be disconnected because it does not read. So here it never waits: there is one list,
//! shown at once, which fits on the screen.

use super::screen::Screen;
use rustix::termios::tcgetwinsize;
use rustyline::completion::{Completer, Pair, longest_common_prefix};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{ColorMode, CompletionType, Config, Context, Editor, Helper};
use std::borrow::Cow;
use std::io;
use std::sync::Arc;

/// Where the candidates come from. Asked by the thread that reads the keyboard,
/// while others may be changing what there is.
pub trait Complete: Send + Sync {
    /// What the word at the end of `line` could become: where in `line` it
    /// begins, and words to put in its place.
    fn complete(&self, line: &str) -> (usize, Vec<String>);
}

pub(super) type LineEditor = Editor<Helpers, DefaultHistory>;

/// An editor that draws what `screen` has, too, and completes `words`.
///
/// # Errors
/// When the terminal cannot be set up.
pub(super) fn open(screen: &Arc<Screen>, words: Option<Arc<dyn Complete>>) -> rustyline::Result<LineEditor> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .completion_prompt_limit(usize::MAX)
        // A paste is typed, line by line, as if by fast fingers. As one text of
        // 65,536 rows it would overflow the editor's count of rows.
        .bracketed_paste(false)
        // So that it asks for the prompt's colour, which is where we draw.
        .color_mode(ColorMode::Forced)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Helpers { screen: screen.clone(), words }));
    Ok(editor)
}

/// What rustyline asks.
pub(super) struct Helpers {
    screen: Arc<Screen>,
    words: Option<Arc<dyn Complete>>,
}

impl Highlighter for Helpers {
    /// Called whenever the prompt is drawn, the cursor being where it is to begin:
    /// so there is the place for what came in meanwhile. How wide the prompt is was
    /// measured before. (Another than the usual one is that of a search.)
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, usual: bool) -> Cow<'b, str> {
        self.screen.with_what_waits(prompt, usual).into()
    }
}

impl Completer for Helpers {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let Some(words) = &self.words else { return Ok((pos, Vec::new())) };
        let (start, words) = words.complete(&line[..pos]);
        let rows = tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_row);
        // The list, the line itself, and a row to spare.
        Ok((start, fitting(words, pos - start, usize::from(rows).saturating_sub(2))))
    }
}

/// Candidates for a word of which `typed` bytes are there, at most `most` of them:
/// each takes a row of the screen in the worst case.
fn fitting(words: Vec<String>, typed: usize, most: usize) -> Vec<Pair> {
    let pair = |word: String| Pair { display: word.clone(), replacement: word };
    if words.len() <= most.max(1) {
        return words.into_iter().map(pair).collect();
    }
    let common = longest_common_prefix(&words).unwrap_or_default().to_owned();
    if most < 2 {
        return if common.len() > typed { vec![pair(common)] } else { Vec::new() };
    }
    // It stands for the others: what is common to all is no less than to these.
    let rest = Pair { display: format!("(and {} more)", words.len() - (most - 1)), replacement: common };
    words.into_iter().take(most - 1).map(pair).chain([rest]).collect()
}

impl Hinter for Helpers {
    type Hint = String;
}

impl Validator for Helpers {}

impl Helper for Helpers {}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("word{n}")).collect()
    }

    #[test]
    fn a_list_that_fits_is_shown_whole() {
        let shown = fitting(words(5), 0, 5);
        assert_eq!(shown.iter().map(|p| p.display.as_str()).collect::<Vec<_>>(), words(5));
    }

    #[test]
    fn a_longer_one_is_cut_and_completes_what_is_common_to_all() {
        let mut all = words(5);
        all.push("wonder".into());
        let shown = fitting(all, 1, 4);
        assert_eq!(shown.len(), 4);
        assert_eq!(shown[3].display, "(and 3 more)");
        let replacements: Vec<_> = shown.iter().map(|p| p.replacement.as_str()).collect();
        assert_eq!(longest_common_prefix(&replacements), Some("wo"));
    }

    #[test]
    fn a_screen_without_room_completes_and_lists_nothing() {
        for most in [0, 1] {
            assert_eq!(fitting(words(5), 1, most)[0].replacement, "word", "{most}");
            assert!(fitting(words(5), 4, most).is_empty(), "{most}: that takes nothing away");
            assert_eq!(fitting(words(1), 1, most)[0].replacement, "word0", "{most}");
        }
        assert!(fitting(Vec::new(), 0, 20).is_empty());
    }
}
