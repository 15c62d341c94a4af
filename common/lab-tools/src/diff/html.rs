//! The difference as a page of its own, side by side: for a screen in class, or
//! to be read at home. It asks for nothing from elsewhere, and is light or dark
//! as the reader's system is.

use super::{Chapter, Comparison, FileChange, Point};
use crate::parts::{PartFile, hunks};
use lab::registry::Part;
use similar::{ChangeTag, DiffOp, TextDiff};
use std::fmt::Write;

/// Equal lines shown before and after a change; the rest can be unfolded.
const CONTEXT: usize = 4;

const STYLE: &str = include_str!("page.css");

/// The page.
pub fn page(comparison: &Comparison<'_>) -> String {
    let (title, against) = comparison.title();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{0} ({1})</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>{0}</h1>\n<p class=\"against\">{1}</p>\n<p>{2}</p></header>\n",
        escape(&title),
        escape(&against),
        escape(&comparison.to.teaches)
    );
    if comparison.is_part || comparison.chapters.len() > 1 {
        if !comparison.is_part {
            page += &contents(comparison);
        }
        comparison.chapters.iter().for_each(|c| page += &chapter(c, comparison));
        // What is an earlier stage's, unchanged.
        comparison
            .files
            .iter()
            .filter(|file| file.note.is_some())
            .for_each(|file| page += &file_section(file));
    } else {
        comparison.lists().into_iter().for_each(|(heading, points)| page += &list(heading, points));
        comparison.files.iter().for_each(|file| page += &file_section(file));
        let modules = comparison.chapters.iter().flat_map(|c| &c.files);
        modules.for_each(|file| page += &module(file, comparison));
    }
    page + "</body>\n</html>\n"
}

fn list(heading: &str, points: &[Point]) -> String {
    let mut section = format!("<section><h2>{heading}</h2>\n<dl>\n");
    for point in points {
        let stage = point.stage.map_or(String::new(), |n| format!("<span class=\"stage\">{n}</span> "));
        let (name, why) = (escape(&point.name), escape(&point.why));
        section += &format!("<dt>{stage}<code>{name}</code></dt><dd>{why}</dd>\n");
    }
    section + "</dl></section>\n"
}

/// The parts of the stage, with links to their chapters.
fn contents(comparison: &Comparison<'_>) -> String {
    let mut section = "<section><h2>Parts</h2>\n<dl>\n".to_owned();
    for chapter in &comparison.chapters {
        let (name, teaches) = (&chapter.part.name, escape(&chapter.part.teaches));
        section +=
            &format!("<dt><a href=\"#{name}\">{name}</a></dt><dd>{teaches} ({})</dd>\n", chapter.effort());
    }
    section += "</dl></section>\n";
    let lists = comparison.lists().into_iter().filter(|(heading, _)| *heading != "New");
    lists.for_each(|(heading, points)| section += &list(heading, points));
    section
}

/// One part: what it brings, its changes of the flow, and its modules to unfold.
fn chapter(chapter: &Chapter<'_>, comparison: &Comparison<'_>) -> String {
    let Part { name, title, teaches, .. } = chapter.part;
    let mut text = format!("<section class=\"part\" id=\"{name}\"><h2>{}</h2>\n", escape(title));
    text += &format!("<p>{}</p>\n<p class=\"against\">{}</p></section>\n", escape(teaches), chapter.effort());
    if !chapter.new.is_empty() {
        text += &list("New", &chapter.new);
    }
    for (file, changes) in comparison.files.iter().zip(&chapter.changes) {
        let pieces = |is_preparation: bool| {
            pieces(file, |op| changes.iter().any(|c| c.op == *op && c.is_preparation == is_preparation))
        };
        let (steps, preparation) = (pieces(false), pieces(true));
        if steps.is_empty() && preparation.is_empty() {
            continue;
        }
        text += &format!("<section class=\"file\"><h2><code>{}</code></h2>\n{steps}", escape(&file.name));
        if !preparation.is_empty() {
            text += &format!("<details><summary>imports and options</summary>\n{preparation}</details>\n");
        }
        text += "</section>\n";
    }
    chapter.files.iter().for_each(|file| text += &module(file, comparison));
    text
}

/// The chosen changes of a flow file, each with the lines around it.
fn pieces(file: &FileChange, chosen: impl Fn(&DiffOp) -> bool) -> String {
    let (old, new) = file.texts();
    let diff = TextDiff::from_lines(old, new);
    let mut text = String::new();
    for op in hunks(diff.ops(), chosen, CONTEXT).iter().flatten() {
        text += &match *op {
            DiffOp::Equal { old_index, new_index, len } => {
                let lines: Vec<_> = old.lines().skip(old_index).take(len).collect();
                equal(&lines, old_index, new_index, false, true)
            }
            _ => table(&changed(&diff, op)),
        };
    }
    text
}

/// A module's source, folded.
fn module(file: &PartFile, comparison: &Comparison<'_>) -> String {
    let name = format!("{}/src/{}", comparison.to.package, file.path.display());
    format!(
        "<details class=\"module\"><summary><code>{name}</code>, {} lines: {}</summary>\n<pre>{}</pre></details>\n",
        file.lines(),
        escape(&file.purpose()),
        escape(&file.text)
    )
}

fn file_section(file: &FileChange) -> String {
    let mut section = format!("<section class=\"file\"><h2><code>{}</code></h2>\n", escape(&file.name));
    if let Some(note) = &file.note {
        return section + &format!("<p>{}</p></section>\n", escape(note));
    }
    let ((old_path, new_path), (old, new)) = (file.paths(), file.texts());
    let both = format!(
        "<tr class=\"paths\"><th></th><th>{}</th><th></th><th>{}</th></tr>\n",
        escape(&old_path),
        escape(&new_path)
    );
    section += &table(&both);
    let diff = TextDiff::from_lines(old, new);
    let ops = diff.ops();
    for (at, op) in ops.iter().enumerate() {
        match *op {
            DiffOp::Equal { old_index, new_index, len } => {
                let lines: Vec<_> = old.lines().skip(old_index).take(len).collect();
                section += &equal(&lines, old_index, new_index, at == 0, at + 1 == ops.len());
            }
            _ => section += &table(&changed(&diff, op)),
        }
    }
    section + "</section>\n"
}

fn table(rows: &str) -> String {
    format!("<table><colgroup><col class=\"no\"><col><col class=\"no\"><col></colgroup>\n{rows}</table>\n")
}

/// Lines that both have. What is far from a change is folded.
fn equal(lines: &[&str], old: usize, new: usize, first: bool, last: bool) -> String {
    let before = if first { 0 } else { CONTEXT.min(lines.len()) };
    let after = if last { lines.len() } else { lines.len().saturating_sub(CONTEXT) };
    let rows = |from: usize, to: usize| -> String {
        let row = |at: usize| {
            let cell =
                |number: usize| format!("<td class=\"no\">{number}</td><td>{}</td>", escape(lines[at]));
            format!("<tr>{}{}</tr>\n", cell(old + at + 1), cell(new + at + 1))
        };
        (from..to).map(row).collect()
    };
    // To fold three lines saves nothing.
    if after < before + 4 {
        return table(&rows(0, lines.len()));
    }
    let folded = after - before;
    let mut shown = String::new();
    if before > 0 {
        shown += &table(&rows(0, before));
    }
    shown += &format!(
        "<details><summary>{folded} equal lines</summary>\n{}</details>\n",
        table(&rows(before, after))
    );
    if after < lines.len() {
        shown += &table(&rows(after, lines.len()));
    }
    shown
}

/// Lines that differ, the old ones on the left of the new ones.
fn changed<'t>(diff: &TextDiff<'t, 't, str>, op: &DiffOp) -> String {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for change in diff.iter_inline_changes(op) {
        let mut line = String::new();
        for (emphasised, part) in change.iter_strings_lossy() {
            let part = escape(part.trim_end_matches('\n'));
            // Writing to a String cannot fail.
            let _ = if emphasised { write!(line, "<b>{part}</b>") } else { write!(line, "{part}") };
        }
        match change.tag() {
            ChangeTag::Insert => right.push((change.new_index(), line)),
            _ => left.push((change.old_index(), line)),
        }
    }
    let cell = |line: Option<&(Option<usize>, String)>, class: &str| match line {
        Some((number, text)) => {
            let number = number.map_or(String::new(), |n| (n + 1).to_string());
            format!("<td class=\"no {class}\">{number}</td><td class=\"{class}\">{text}</td>")
        }
        None => "<td class=\"no none\"></td><td class=\"none\"></td>".to_owned(),
    };
    let rows = left.len().max(right.len());
    let row = |at: usize| format!("<tr>{}{}</tr>\n", cell(left.get(at), "old"), cell(right.get(at), "new"));
    (0..rows).map(row).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_the_code_is_text_on_the_page() {
        let file = FileChange {
            name: "server.rs".into(),
            old: None,
            new: Some(crate::sources::Flow { of: 1, path: "x".into(), text: "Vec<&str> \"x\"\n".into() }),
            note: None,
        };
        let section = file_section(&file);
        assert!(section.contains("Vec&lt;&amp;str&gt; &quot;x&quot;"), "{section}");
    }

    #[test]
    fn far_from_a_change_lines_are_folded_and_none_is_lost() {
        let lines: Vec<String> = (0..40).map(|n| format!("line {n}")).collect();
        let old: String = lines.iter().map(|l| format!("{l}\n")).collect();
        let new = old.replace("line 20\n", "line twenty\nmore\n");
        let flow = |text: String| Some(crate::sources::Flow { of: 1, path: "x".into(), text });
        let file = FileChange { name: "server.rs".into(), old: flow(old), new: flow(new), note: None };
        let section = file_section(&file);
        assert_eq!(section.matches("<details>").count(), 2, "{section}");
        for line in lines.iter().filter(|l| *l != "line 20") {
            assert_eq!(section.matches(&format!(">{line}</td>")).count(), 2, "{line}");
        }
        assert!(section.contains("more") && section.contains("<td class=\"none\"></td>"));
    }
}
