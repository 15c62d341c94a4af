//! What belongs to which part of a stage: its files, and its changes of the flow.
//! `stages.toml` has the rules, this applies them.

use crate::sources::{FLOW, Sources, rust_files};
use lab::registry::{Part, Stage};
use similar::{DiffOp, TextDiff};
use std::fs;
use std::path::{Path, PathBuf};

/// A file of a part.
pub struct PartFile {
    /// From the stage's `src` folder.
    pub path: PathBuf,
    /// What is in it, without its unit tests.
    pub text: String,
}

impl PartFile {
    /// The first sentence of its documentation, without the marks of links.
    pub fn purpose(&self) -> String {
        let docs = self.text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
        let docs: Vec<_> = docs.take_while(|line| !line.is_empty()).collect();
        let docs = docs.join(" ").replace(['[', ']', '`'], "");
        docs.split_inclusive(". ").next().unwrap_or_default().trim().to_owned()
    }

    /// How many lines there are to read.
    pub fn lines(&self) -> usize {
        self.text.lines().count()
    }
}

/// All files of a stage that belong to parts: neither flow, nor tests, nor what only
/// puts these together.
pub fn all_files(sources: &Sources<'_>, stage: &Stage) -> Vec<PathBuf> {
    let src = sources.folder(stage).join("src");
    let mut files: Vec<_> =
        rust_files(&src).iter().filter_map(|f| Some(f.strip_prefix(&src).ok()?.to_path_buf())).collect();
    let flow = FLOW.map(|file| [format!("{file}.rs"), format!("bin/{file}.rs")]);
    files.retain(|file| {
        file != Path::new("lib.rs") && !flow.as_flattened().iter().any(|flow| file == Path::new(flow))
    });
    files.sort_unstable();
    files
}

/// The parts of `stage` that a file belongs to. There should be one.
pub fn owners<'s>(stage: &'s Stage, file: &Path) -> Vec<&'s Part> {
    // The longest name counts: `store/mysql` is taken out of `store`.
    let length = |part: &Part| {
        part.modules.iter().filter(|module| is_of(file, module)).map(String::len).max().unwrap_or(0)
    };
    let longest = stage.parts.iter().map(length).max().unwrap_or(0);
    stage.parts.iter().filter(|part| longest > 0 && length(part) == longest).collect()
}

/// Returns `true` if `file` is the module, or is in its folder.
pub fn is_of(file: &Path, module: &str) -> bool {
    file.starts_with(module) || file == Path::new(module).with_extension("rs")
}

/// The part's files, in reading order.
pub fn files(sources: &Sources<'_>, stage: &Stage, part: &Part) -> Vec<PartFile> {
    let src = sources.folder(stage).join("src");
    let own: Vec<_> = all_files(sources, stage)
        .into_iter()
        .filter(|file| owners(stage, file).iter().any(|owner| owner.name == part.name))
        .collect();
    let mut ordered: Vec<PathBuf> = Vec::new();
    for module in &part.modules {
        let of_it = |file: &&PathBuf| is_of(file, module) && !ordered.contains(file);
        let mut found: Vec<_> = own.iter().filter(of_it).cloned().collect();
        // What says what a folder is about comes first in it.
        found.sort_by_key(|file| {
            (!(file.ends_with("mod.rs") || file.with_extension("") == Path::new(module)), file.clone())
        });
        ordered.extend(found);
    }
    let text = |path: &PathBuf| without_tests(&fs::read_to_string(src.join(path)).unwrap_or_default());
    ordered.into_iter().map(|path| PartFile { text: text(&path), path }).collect()
}

/// The text of a module without the tests at its end.
fn without_tests(text: &str) -> String {
    let end = text.find("\n#[cfg(test)]\nmod tests {").map_or(text.len(), |at| at + 1);
    text[..end].trim_end().to_owned() + "\n"
}

/// A changed piece of a flow file, and whose part it is.
pub struct Change {
    /// Where, in the old and the new text.
    pub op: DiffOp,
    /// The part's place among those of the stage.
    pub part: usize,
    /// Imports and options: what is needed for the rest, and no step of a connection.
    pub is_preparation: bool,
}

/// The changes from `old` to `new`, in their order, each with its part.
pub fn changes(stage: &Stage, old: &str, new: &str) -> Vec<Change> {
    let diff = TextDiff::from_lines(old, new);
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let changed = diff.ops().iter().filter(|op| !matches!(op, DiffOp::Equal { .. }));
    changed
        .map(|op| {
            let lines = || new[op.new_range()].iter().chain(&old[op.old_range()]);
            let has =
                |part: &Part| part.flow.iter().any(|word| lines().any(|line| line.contains(word.as_str())));
            let part = stage.parts.iter().position(has).unwrap_or(0);
            let item = enclosing_item(&new, op.new_range().start);
            let imports = lines().all(|line| line.starts_with("use ") || line.trim().is_empty());
            let is_preparation = imports || item.is_some_and(|line| line.contains("struct Options"));
            Change { op: *op, part, is_preparation }
        })
        .collect()
}

/// How many lines a change has, as a reader counts: one that was replaced counts once.
pub fn changed_lines(op: &DiffOp) -> usize {
    match op {
        DiffOp::Equal { .. } => 0,
        _ => op.old_range().len().max(op.new_range().len()),
    }
}

/// The line in which the function or the type begins that line `at` is in.
pub fn enclosing_item<'t>(lines: &[&'t str], at: usize) -> Option<&'t str> {
    let starts = |line: &&&str| line.starts_with(|c: char| c.is_alphabetic()) && line.ends_with(['{', '(']);
    let above = &lines[..at.min(lines.len())];
    let start = above.iter().rposition(|line| starts(&line))?;
    let closed = above[start..].contains(&"}");
    (!closed).then(|| above[start])
}

/// What a part is to read and to change, in lines.
pub struct Size {
    /// Lines of its modules.
    pub modules: usize,
    /// Changed lines of `server.rs` and `client.rs`.
    pub flow: [usize; 2],
}

/// The part's size against the stage below.
pub fn size(sources: &Sources<'_>, stage: &Stage, part: &Part) -> Size {
    let at = stage.parts_before(part).len();
    let modules = files(sources, stage, part).iter().map(PartFile::lines).sum();
    let flow = FLOW.map(|file| {
        let old = sources.below(stage).and_then(|below| sources.flow(below, file));
        let Some((old, new)) = old.zip(sources.flow(stage, file)) else { return 0 };
        let changes = changes(stage, &old.text, &new.text);
        changes.iter().filter(|change| change.part == at).map(|change| changed_lines(&change.op)).sum()
    });
    Size { modules, flow }
}

/// The pieces of a difference that have the `chosen` changes, with up to `context`
/// equal lines around them.
pub fn hunks(ops: &[DiffOp], chosen: impl Fn(&DiffOp) -> bool, context: usize) -> Vec<Vec<DiffOp>> {
    let mut hunks: Vec<Vec<DiffOp>> = Vec::new();
    let mut is_open = false;
    for (at, op) in ops.iter().enumerate() {
        match *op {
            DiffOp::Equal { old_index, new_index, len } => {
                let equal = |skip: usize, len: usize| DiffOp::Equal {
                    old_index: old_index + skip,
                    new_index: new_index + skip,
                    len,
                };
                let goes_on = ops.get(at + 1).is_some_and(&chosen);
                if is_open && goes_on && len <= 2 * context {
                    hunks.last_mut().expect("a hunk is open").push(equal(0, len));
                    continue;
                }
                if is_open {
                    hunks.last_mut().expect("a hunk is open").push(equal(0, len.min(context)));
                }
                is_open = goes_on;
                if goes_on {
                    let lines = len.min(context);
                    hunks.push(vec![equal(len - lines, lines)]);
                }
            }
            _ if chosen(op) => {
                if !is_open {
                    hunks.push(Vec::new());
                    is_open = true;
                }
                hunks.last_mut().expect("a hunk is open").push(*op);
            }
            _ => is_open = false,
        }
    }
    hunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_have_what_was_chosen_and_the_lines_around_it() {
        let lines = |from: usize, to: usize| (from..to).map(|n| format!("{n}\n")).collect::<String>();
        let old = lines(0, 40);
        let new =
            old.replace("\n10\n", "\nten\n").replace("\n14\n", "\nother\n").replace("\n30\n", "\nthirty\n");
        let diff = TextDiff::from_lines(&old, &new);
        let hunks = hunks(diff.ops(), |op| [10, 30].contains(&op.new_range().start), 3);
        let ranges: Vec<_> =
            hunks.iter().map(|h| h[0].new_range().start..h.last().unwrap().new_range().end).collect();
        assert_eq!(ranges, [7..14, 27..34]);
    }

    #[test]
    fn a_line_is_inside_of_an_item_until_that_is_closed() {
        let lines = ["use x;", "pub fn run() {", "    a();", "}", "", "fn b() {"];
        assert_eq!(enclosing_item(&lines, 2), Some("pub fn run() {"));
        assert_eq!((enclosing_item(&lines, 0), enclosing_item(&lines, 4)), (None, None));
    }
}
