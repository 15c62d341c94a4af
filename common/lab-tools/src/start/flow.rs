//! The sources of a starting point: the flow of the stage below, as this stage's.

use crate::lessons::Todo;
use crate::sources::Flow;
use anyhow::{Context, bail};
use lab::registry::Stage;
use std::fmt::Write;

/// A flow file of `from`, made the flow of `stage`: what was its own module is
/// imported now, and the program has this stage's name and port.
pub fn adapt(flow: &Flow, from: &Stage, stage: &Stage) -> String {
    let own: String = flow.text.split_inclusive('\n').filter(|line| !line.starts_with("pub mod ")).collect();
    let mut text = own.replace("\n\n\n", "\n\n").replace("crate::", &format!("{}::", from.crate_name()));
    for (old, new) in [(from.server(), stage.server()), (from.client(), stage.client())] {
        text = text.replace(&old, &new);
    }
    text.replace(&format!(":{}\"", from.default_port()), &format!(":{}\"", stage.default_port()))
}

/// `text` with a comment for each of `todos`, where a student is to begin.
///
/// # Errors
/// When a line that a comment is to stand before is not there, or there twice.
pub fn with_todos<'a>(
    mut text: String,
    stage: &Stage,
    todos: impl Iterator<Item = &'a Todo>,
) -> anyhow::Result<String> {
    for todo in todos {
        let at = match &todo.before {
            Some(start) => line_that_starts(&text, start)?,
            None => end_of_module_docs(&text),
        };
        let indent: String = text[at..].chars().take_while(|c| *c == ' ').collect();
        let mut comment = comment(&format!("TODO(stage {}): {}", stage.number, todo.what), &indent);
        if todo.before.is_none() {
            comment.insert(0, '\n');
        }
        text.insert_str(at, &comment);
    }
    Ok(text)
}

/// Where the one line begins that starts with `start`, or its doc comment does.
fn line_that_starts(text: &str, start: &str) -> anyhow::Result<usize> {
    let (mut at, mut docs, mut found) = (0, None, None);
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        if trimmed.starts_with(start) {
            if found.is_some() {
                bail!("two lines start with `{start}`");
            }
            found = Some(docs.unwrap_or(at));
        }
        docs = if trimmed.starts_with("///") || trimmed.starts_with("#[") { docs.or(Some(at)) } else { None };
        at += line.len();
    }
    found.with_context(|| format!("no line starts with `{start}`"))
}

fn end_of_module_docs(text: &str) -> usize {
    text.split_inclusive('\n').take_while(|line| line.starts_with("//!")).map(str::len).sum()
}

/// A comment in lines of usual length.
pub fn comment(text: &str, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one from the start");
        if !line.is_empty() && indent.len() + 3 + line.len() + 1 + word.len() > 80 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.iter().fold(String::new(), |mut all, line| {
        // Writing to a String cannot fail.
        let _ = writeln!(all, "{indent}// {line}");
        all
    })
}

/// The `main` of a program that runs one of the stage's flow files.
pub fn main_of(stage: &Stage, file: &str) -> String {
    let (number, name) = (stage.number, stage.crate_name());
    format!(
        "//! `stage{number}-{file}`: see [`{name}::{file}`].\n\n\
         use clap::Parser;\nuse {name}::{file};\nuse std::process::ExitCode;\n\n\
         fn main() -> ExitCode {{\n    let options = {file}::Options::parse();\n    \
         common::cli::run(|| {file}::run(&options))\n}}\n"
    )
}

/// A program that says that it is yet to be written.
pub fn stub(stage: &Stage, file: &str, todo: &str) -> String {
    let program = format!("stage{}-{file}", stage.number);
    format!(
        "//! `{program}`: not written yet.\n\nuse std::process::ExitCode;\n\n\
         fn main() -> ExitCode {{\n{todo}    \
         common::cli::print_error(\"error: {program} is not written yet\");\n    ExitCode::FAILURE\n}}\n"
    )
}

/// A program that does nothing: before the first stage there is no flow.
pub fn nothing(stage: &Stage, file: &str, todo: &str) -> String {
    format!("//! `stage{}-{file}`: yours to write.\n\nfn main() {{\n{todo}}}\n", stage.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab::registry::Registry;

    fn todo(before: Option<&str>) -> Todo {
        Todo { file: "server".into(), before: before.map(str::to_owned), what: "begin here".into() }
    }

    #[test]
    fn a_comment_stands_before_the_docs_of_what_it_is_about() {
        let stage = &Registry::load().stages[3];
        let text = "//! Docs.\n\nfn a() {}\n\n/// Docs of b.\n#[inline]\nfn b() {\n    x();\n}\n";
        let with = |before| with_todos(text.to_owned(), stage, [todo(before)].iter());
        let comment = "// TODO(stage 4): begin here\n";
        assert!(with(Some("fn b(")).unwrap().contains(&format!("\n\n{comment}/// Docs of b.")));
        assert!(with(Some("x()")).unwrap().contains(&format!("{{\n    {comment}    x();")));
        assert!(with(None).unwrap().starts_with(&format!("//! Docs.\n\n{comment}\nfn a")));
        assert!(with(Some("fn")).unwrap_err().to_string().contains("two lines"));
        assert!(with(Some("fn c")).unwrap_err().to_string().contains("no line"));
    }

    #[test]
    fn a_flow_becomes_that_of_the_next_stage() {
        let all = Registry::load();
        let text =
            "//! Docs.\n\npub mod line;\n\nuse crate::line::X; name = \"stage2-server\" \"127.0.0.1:9002\" stage2_echo 9002".to_owned();
        let flow = Flow { of: 2, path: "x".into(), text };
        let text = adapt(&flow, &all.stages[1], &all.stages[2]);
        assert_eq!(
            text,
            "//! Docs.\n\nuse stage2_echo::line::X; name = \"stage3-server\" \"127.0.0.1:9003\" stage2_echo 9002"
        );
    }
}
