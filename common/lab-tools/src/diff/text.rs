//! The difference as text, for a terminal or a pipe.

use super::{Chapter, Comparison, FileChange, Point};
use crate::parts::{PartFile, hunks};
use lab::output::wrapped;
use similar::{ChangeTag, DiffOp, TextDiff};
use std::fmt::Write;

/// Lines around a change.
const CONTEXT: usize = 3;

/// The longest line of a sentence.
const WIDTH: usize = 100;

/// Writes text with colours, or without.
struct Page {
    text: String,
    colour: bool,
}

const BOLD: &str = "1";
const CYAN: &str = "36";
const RED: &str = "31";
const GREEN: &str = "32";
/// Foreground and background exchanged: what changed inside of a line.
const EXCHANGED: &str = "7";

impl Page {
    fn put(&mut self, text: &str, colours: &[&str]) {
        if self.colour && !colours.is_empty() && !text.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(self.text, "\x1b[{}m{text}\x1b[0m", colours.join(";"));
        } else {
            self.text.push_str(text);
        }
    }

    fn line(&mut self, text: &str, colours: &[&str]) {
        self.put(text, colours);
        self.text.push('\n');
    }

    fn points(&mut self, points: &[Point]) {
        let label = |p: &Point| match p.stage {
            Some(stage) => format!("{stage}  {}", p.name),
            None => p.name.clone(),
        };
        let width = points.iter().map(|p| label(p).len()).max().unwrap_or(0);
        for point in points {
            let label = label(point);
            self.put(&format!("  {label:width$}  "), &[CYAN]);
            let mut lines = wrapped(&point.why, WIDTH.saturating_sub(width + 4).max(40)).into_iter();
            self.line(&lines.next().unwrap_or_default(), &[]);
            lines.for_each(|line| self.line(&format!("{:1$}{line}", "", width + 4), &[]));
        }
    }

    fn file(&mut self, file: &FileChange) {
        self.text.push('\n');
        if let Some(note) = &file.note {
            self.put(&file.name, &[BOLD]);
            return self.line(&format!("  {note}"), &[]);
        }
        let ((old_path, new_path), (old, new)) = (file.paths(), file.texts());
        self.line(&format!("--- {old_path}"), &[BOLD]);
        self.line(&format!("+++ {new_path}"), &[BOLD]);
        let diff = TextDiff::from_lines(old, new);
        self.hunks(&diff, old, &diff.grouped_ops(CONTEXT));
    }

    fn hunks(&mut self, diff: &TextDiff<'_, '_, str>, old: &str, hunks: &[Vec<DiffOp>]) {
        for hunk in hunks {
            self.line(&header(hunk, old), &[CYAN]);
            for change in hunk.iter().flat_map(|op| diff.iter_inline_changes(op)) {
                let (sign, colour) = match change.tag() {
                    ChangeTag::Equal => (" ", None),
                    ChangeTag::Delete => ("-", Some(RED)),
                    ChangeTag::Insert => ("+", Some(GREEN)),
                };
                let usual: Vec<_> = colour.into_iter().collect();
                self.put(sign, &usual);
                for (emphasised, part) in change.iter_strings_lossy() {
                    let mut colours = usual.clone();
                    colours.extend(emphasised.then_some(EXCHANGED));
                    self.put(part.trim_end_matches('\n'), &colours);
                }
                self.text.push('\n');
            }
        }
    }
}

impl Page {
    /// The parts of the stage and how large they are.
    fn parts(&mut self, comparison: &Comparison<'_>) {
        self.text.push('\n');
        self.line(&format!("Parts (make diff {} PART shows one)", comparison.to.number), &[BOLD]);
        let width = comparison.chapters.iter().map(|c| c.part.name.len()).max().unwrap_or(0);
        for chapter in &comparison.chapters {
            self.put(&format!("  {:width$}  ", chapter.part.name), &[CYAN]);
            self.line(&chapter.part.teaches, &[]);
            self.line(&format!("  {:width$}  {}", "", chapter.effort()), &[]);
        }
    }

    /// One part: what it brings, its changes of the flow, and what to read.
    fn chapter(&mut self, chapter: &Chapter<'_>, comparison: &Comparison<'_>) {
        self.line(&format!("{}. {}", chapter.part.title, chapter.part.teaches), &[]);
        self.line(&chapter.effort(), &[]);
        if !chapter.new.is_empty() {
            self.text.push('\n');
            self.line("New", &[BOLD]);
            self.points(&chapter.new);
        }
        for (file, changes) in comparison.files.iter().zip(&chapter.changes) {
            let (old, new) = file.texts();
            let diff = TextDiff::from_lines(old, new);
            // What happens to a connection comes first, what only makes that possible last.
            for (is_preparation, heading) in [(false, ""), (true, ", imports and options")] {
                let mine =
                    |op: &DiffOp| changes.iter().any(|c| c.op == *op && c.is_preparation == is_preparation);
                let hunks = hunks(diff.ops(), mine, CONTEXT);
                if !hunks.is_empty() {
                    self.text.push('\n');
                    self.line(&format!("{}{heading}", file.paths().1), &[BOLD]);
                    self.hunks(&diff, old, &hunks);
                }
            }
        }
        self.text.push('\n');
        self.line("To read, in this order", &[BOLD]);
        let name = |file: &PartFile| format!("{}/src/{}", comparison.to.package, file.path.display());
        let width = chapter.files.iter().map(|file| name(file).len()).max().unwrap_or(0);
        for file in &chapter.files {
            self.put(&format!("  {:width$}", name(file)), &[CYAN]);
            self.line(&format!("  {:4} lines  {}", file.lines(), file.purpose()), &[]);
        }
    }
}

/// All of it.
pub fn render(comparison: &Comparison<'_>, colour: bool) -> String {
    let mut page = Page { text: String::new(), colour };
    let (title, against) = comparison.title();
    page.put(&title, &[BOLD]);
    page.line(&format!(" ({against})"), &[]);
    if comparison.is_part {
        comparison.chapters.iter().for_each(|chapter| page.chapter(chapter, comparison));
        return page.text;
    }
    page.line(&comparison.to.teaches, &[]);
    if comparison.chapters.len() > 1 {
        page.parts(comparison);
    }
    for (heading, points) in comparison.lists() {
        page.text.push('\n');
        page.line(heading, &[BOLD]);
        page.points(points);
    }
    comparison.files.iter().for_each(|file| page.file(file));
    page.text
}

/// `@@ -1,7 +1,9 @@`, and the function in which that is.
fn header(hunk: &[DiffOp], old: &str) -> String {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return String::new() };
    let range = |start: usize, end: usize| match end - start {
        // The line after which it is.
        0 => format!("{start},0"),
        length => format!("{},{length}", start + 1),
    };
    let old_start = first.old_range().start;
    let (old_range, new_range) =
        (range(old_start, last.old_range().end), range(first.new_range().start, last.new_range().end));
    let above: Vec<_> = old.lines().take(old_start).collect();
    let item = above
        .iter()
        .rev()
        .find(|line| line.starts_with(|c: char| c.is_alphabetic()) && line.ends_with(['{', '(']));
    let item = item.map_or(String::new(), |line| format!(" {}", line.trim_end_matches([' ', '{', '('])));
    format!("@@ -{old_range} +{new_range} @@{item}")
}
