//! The modules of a part as a student gets them: with their public items and their
//! documentation, with their unit tests, and with bodies that are yet to be written.
//!
//! The sources are formatted by rustfmt, and that is all that is used here: a function
//! ends at the brace that stands as far to the left as its first line.

use std::collections::BTreeSet;

/// A function in a source text, by its lines.
struct Function {
    name: String,
    /// With its documentation and attributes.
    first: usize,
    /// The last line of its signature.
    signature_end: usize,
    last: usize,
    keep: Keep,
}

/// What becomes of a function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Others call it: the body goes.
    Signature,
    /// It runs when the program is compiled, has no body, or only builds a value: a
    /// server needs these before it can serve a client at all.
    All,
    /// Only this file calls it: whether there is such a function is the student's choice.
    IfNamed,
}

/// `text` without the bodies of its functions, each of which says `todo` now, and without
/// private functions that nothing else names. The unit tests stay, too; `tests` is the text
/// of those that are in a file of their own.
pub fn without_bodies(text: &str, tests: &str, todo: &str) -> String {
    let end = text.find("\n#[cfg(test)]\nmod ").map_or(text.len(), |at| at + 1);
    let lines: Vec<_> = text[..end].lines().collect();
    let mut functions = functions(&lines);
    // Private functions are seen by the modules below, too.
    if lines.iter().any(|line| line.trim_start_matches("pub ").starts_with("mod ")) {
        functions.iter_mut().filter(|f| f.keep == Keep::IfNamed).for_each(|f| f.keep = Keep::Signature);
    }
    let mut named = names_outside(&lines, &functions);
    named.extend(text[end..].lines().chain(tests.lines()).flat_map(words).map(str::to_owned));
    let mut all = String::new();
    let mut at = 0;
    let mut push = |line: &str| all.push_str(&format!("{line}\n"));
    for function in &functions {
        lines[at..function.first].iter().for_each(|line| push(line));
        at = function.last + 1;
        if function.keep == Keep::All {
            lines[function.first..at].iter().for_each(|line| push(line));
        } else if function.keep == Keep::Signature || named.contains(&function.name) {
            signature(&lines, function).iter().for_each(|line| push(line));
            let indent = indent(lines[function.signature_end]);
            // A panic while another one is under way would end the whole program.
            let body =
                if function.name == "drop" { format!("// {todo}") } else { format!("todo!(\"{todo}\")") };
            push(&format!("{indent}    {body}"));
            push(&format!("{indent}}}"));
        } else if lines.get(at).is_some_and(|line| line.is_empty()) {
            at += 1;
        }
    }
    lines[at..].iter().for_each(|line| push(line));
    // What stood behind a private function may be the end of a block.
    while all.contains("\n\n}") {
        all = all.replace("\n\n}", "\n}");
    }
    let tests = &text[end..];
    all.trim_end().to_owned() + "\n" + if tests.is_empty() { "" } else { "\n" } + tests
}

/// The lines up to the brace that opens the body, and no more of a body in the same line.
fn signature(lines: &[&str], function: &Function) -> Vec<String> {
    let mut signature: Vec<_> =
        lines[function.first..=function.signature_end].iter().map(|line| (*line).to_owned()).collect();
    if let Some(last) = signature.last_mut()
        && !last.ends_with('{')
        && let Some(brace) = last.find(" {")
    {
        last.truncate(brace + 2);
    }
    signature
}

fn functions(lines: &[&str]) -> Vec<Function> {
    let (mut functions, mut at) = (Vec::new(), 0);
    // Whether what is declared at the left edge just now is seen from outside.
    let mut of_trait = false;
    while at < lines.len() {
        let line = lines[at];
        if line.starts_with("impl") || line.starts_with("pub trait ") || line.starts_with("trait ") {
            of_trait = line.contains(" for ") || line.contains("trait ");
        } else if line.trim_start().starts_with("for ") {
            // Of an `impl` whose head takes several lines.
            of_trait = true;
        } else if line == "}" {
            of_trait = false;
        }
        let Some(name) = function_name(line) else {
            at += 1;
            continue;
        };
        let signature_end = (at..lines.len()).find(|n| lines[*n].ends_with(['{', ';', '}'])).unwrap_or(at);
        let closing = format!("{}}}", indent(line));
        let opens = lines[signature_end].ends_with('{');
        let last = if opens { (signature_end..lines.len()).find(|n| lines[*n] == closing) } else { None };
        let words = line.trim_start();
        let signature = lines[at..=signature_end].concat();
        // Of an `impl Trait` the compiler learns the type from the body.
        let typed_by_body = words.contains("const fn ") || signature.contains("-> impl ");
        let last = last.unwrap_or(signature_end);
        let builds = ["new", "default"].contains(&name) && !lines[at..=last].iter().any(|l| decides(l));
        let keep = if typed_by_body || builds || lines[signature_end].ends_with(';') {
            Keep::All
        } else if words.starts_with("pub") || (of_trait && line.starts_with(' ')) || name == "main" {
            Keep::Signature
        } else {
            Keep::IfNamed
        };
        let above = lines[..at].iter().rev();
        let docs = above
            .take_while(|l| l.trim_start().starts_with("///") || l.trim_start().starts_with("#["))
            .count();
        functions.push(Function { name: name.to_owned(), first: at - docs, signature_end, last, keep });
        at = last + 1;
    }
    functions
}

/// Returns `true` if what this line does depends on something, or can fail.
fn decides(line: &str) -> bool {
    line.contains("?;") || words(line).any(|word| ["if", "match", "for", "while", "loop"].contains(&word))
}

/// The name of the function whose first line this is.
fn function_name(line: &str) -> Option<&str> {
    let words = line.trim_start();
    let words = words.strip_prefix("pub(crate) ").or(words.strip_prefix("pub(super) ")).unwrap_or(words);
    let words = words.strip_prefix("pub ").unwrap_or(words);
    let words = words.strip_prefix("const ").unwrap_or(words).strip_prefix("fn ")?;
    self::words(words).next()
}

fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

/// The names in all that is kept besides bodies: attributes and constants may name functions.
fn names_outside(lines: &[&str], functions: &[Function]) -> BTreeSet<String> {
    let inside =
        |at: &usize| functions.iter().any(|f| f.keep != Keep::All && (f.first..=f.last).contains(at));
    let kept = (0..lines.len()).filter(|at| !inside(at)).map(|at| lines[at]);
    let code = kept.filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(words).map(str::to_owned).collect()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// A crate's first file for as long as bodies are missing: imports and fields are unused,
/// and functions that only these bodies call.
pub fn allow_unused(text: &str, todo: &str) -> String {
    let docs: usize = text.split_inclusive('\n').take_while(|l| l.starts_with("//!")).map(str::len).sum();
    let allow = format!("\n// {todo}; then take this line out.\n#![allow(unused)]\n");
    format!("{}{allow}{}", &text[..docs], &text[docs..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "\
//! Docs of the module.

use std::fmt;

/// A limit.
#[derive(Debug)]
pub struct Limit(#[arg(value_parser = parsed)] u32);

const fn at_compile_time() -> u32 {
    3
}

impl Limit {
    /// Makes one.
    pub fn new(
        limit: u32,
    ) -> Limit {
        if limit > 3 { Limit(checked(limit)) } else { Limit(3) }
    }

    fn hidden(&self) -> u32 {
        if self.0 > 3 {
            return 1;
        }
        2
    }
}

impl Default for Limit {
    fn default() -> Limit {
        Limit(4)
    }
}

impl<T> Drop for Limit
where
    T: Copy,
{
    fn drop(&mut self) {
        self.hidden();
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, \"{}\", self.0) }
}

fn parsed(text: &str) -> u32 {
    text.len() as u32
}

/// Checks.
fn checked(limit: u32) -> u32 {
    limit
}

fn tested() -> u32 {
    3
}

#[cfg(test)]
mod tests {
    fn x() {
        super::tested();
    }
}
";

    #[test]
    fn what_others_see_stays_and_the_bodies_go() {
        let text = without_bodies(MODULE, "", "write it");
        let expected = "\
//! Docs of the module.

use std::fmt;

/// A limit.
#[derive(Debug)]
pub struct Limit(#[arg(value_parser = parsed)] u32);

const fn at_compile_time() -> u32 {
    3
}

impl Limit {
    /// Makes one.
    pub fn new(
        limit: u32,
    ) -> Limit {
        todo!(\"write it\")
    }
}

impl Default for Limit {
    fn default() -> Limit {
        Limit(4)
    }
}

impl<T> Drop for Limit
where
    T: Copy,
{
    fn drop(&mut self) {
        // write it
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!(\"write it\")
    }
}

fn parsed(text: &str) -> u32 {
    todo!(\"write it\")
}

fn tested() -> u32 {
    todo!(\"write it\")
}

#[cfg(test)]
mod tests {
    fn x() {
        super::tested();
    }
}
";
        assert_eq!(text, expected);
        let allowed =
            "//! Docs of the module.\n\n// write it; then take this line out.\n#![allow(unused)]\n\nuse";
        assert!(allow_unused(MODULE, "write it").starts_with(allowed));
    }
}
