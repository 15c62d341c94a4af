//! What is to be graded: found out by looking at a folder.

use super::dependencies;
use super::sources::{self, Source, as_compiled, nobody_wrote, without_bom};
use anyhow::{Context, bail};
use lab::registry::{Registry, Stage};
use lab::workspace::root;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The file that names a command.
pub const FILE: &str = "grade.toml";
/// Differences that are named at most.
const NAMED: usize = 5;

/// A program in any language, as `grade.toml` and the command line describe it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Brought {
    /// The number of the stage.
    pub stage: Option<u16>,
    /// The command of the server; `{host}`, `{port}` and `{folder}` are filled in.
    pub server: Option<String>,
    /// The command of the client.
    pub client: Option<String>,
    /// What has to be run before, once.
    pub build: Option<String>,
    /// Checks at once, where the programs cannot bear the usual number.
    pub at_once: Option<u8>,
}

/// A submission that can be graded.
#[derive(Debug)]
pub struct Submission<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// How it comes.
    pub kind: SubmissionKind,
    /// What the instructor should know.
    pub notes: Vec<String>,
    /// Whether the result of an earlier run does not count.
    pub anew: bool,
}

/// How a submission comes.
#[derive(Debug)]
pub enum SubmissionKind {
    /// As the `src` of one of our stages.
    Source(Source),
    /// As commands that are run in a copy of this folder.
    Commands(PathBuf, Brought),
    /// As commands that are run where they were typed.
    CommandsInPlace(PathBuf, Brought),
}

impl Brought {
    /// What is named has to be a command: our own programs would be graded in
    /// place of those that were meant.
    ///
    /// # Errors
    /// A sentence with the name of what is blank.
    pub fn check(&self, named_by: impl Fn(&str) -> String) -> Result<(), String> {
        for (what, command) in [("server", &self.server), ("client", &self.client), ("build", &self.build)] {
            if command.as_ref().is_some_and(|command| command.trim().is_empty()) {
                return Err(format!("{} is empty: name a command, or leave it out", named_by(what)));
            }
        }
        Ok(())
    }

    /// Returns `true` if it names a program.
    pub fn is_named(&self) -> bool {
        self.server.is_some() || self.client.is_some()
    }
}

/// Finds out what `folder` is. What `asked` says comes from the command line.
///
/// # Errors
/// A sentence for the instructor.
pub fn look<'a>(folder: &Path, asked: &Brought, all: &'a Registry) -> anyhow::Result<Submission<'a>> {
    if asked.is_named() {
        return commands(folder, asked.clone(), all);
    }
    let folder = unwrapped(folder, all);
    let file = folder.join(FILE);
    if fs::symlink_metadata(&file).is_err() {
        return ours(&folder, asked.stage, all);
    }
    let text = String::from_utf8(sources::read(&file)?).with_context(|| format!("{FILE} is not UTF-8"))?;
    let mut brought: Brought =
        toml::from_str(without_bom(&text)).with_context(|| format!("{FILE} cannot be read"))?;
    brought.check(|what| format!("{FILE}: {what}")).map_err(anyhow::Error::msg)?;
    if !brought.is_named() {
        bail!("{FILE} names neither a server nor a client");
    }
    if let (Some(said), Some(wanted)) = (brought.stage, asked.stage)
        && said != wanted
    {
        bail!("{FILE} is for stage {said}, and --stage {wanted} was asked for");
    }
    brought.stage = brought.stage.or(asked.stage);
    commands(&folder, brought, all)
}

/// The commands of the command line, run where it was typed.
///
/// # Errors
/// When the stage is missing or wrong.
pub fn commands_in_place<'a>(asked: &Brought, all: &'a Registry) -> anyhow::Result<Submission<'a>> {
    let folder = std::env::current_dir().context("no current folder")?;
    let submission = commands(&folder, asked.clone(), all)?;
    Ok(Submission { kind: SubmissionKind::CommandsInPlace(folder, asked.clone()), ..submission })
}

/// Folders in folders with nothing else, at most.
const WRAPPERS: usize = 3;

/// An unpacked archive often is a folder with one folder in it, and beside that
/// what the student's system has added.
fn unwrapped(folder: &Path, all: &Registry) -> PathBuf {
    let mut folder = folder.to_owned();
    for _ in 0..WRAPPERS {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut seen = entries.filter(|entry| {
            !nobody_wrote(&entry.file_name()) && !entry.file_name().as_encoded_bytes().starts_with(b".")
        });
        let (Some(only), None) = (seen.next(), seen.next()) else { break };
        let name = only.file_name();
        let ours = name == "src" || all.stages.iter().any(|stage| name == stage.package.as_str());
        if ours || !only.file_type().is_ok_and(|kind| kind.is_dir()) {
            break;
        }
        folder = only.path();
    }
    folder
}

fn commands<'a>(folder: &Path, brought: Brought, all: &'a Registry) -> anyhow::Result<Submission<'a>> {
    let Some(number) = brought.stage else { bail!("which stage? give --stage N, or `stage = N` in {FILE}") };
    let stage = find(number, all)?;
    let kind = SubmissionKind::Commands(folder.to_owned(), brought);
    Ok(Submission { stage, kind, notes: Vec::new(), anew: false })
}

fn find(number: u16, all: &Registry) -> anyhow::Result<&Stage> {
    all.stage(Some(&number.to_string())).map_err(anyhow::Error::msg)
}

/// A copy of this workspace, or of one stage of it.
fn ours<'a>(folder: &Path, asked: Option<u16>, all: &'a Registry) -> anyhow::Result<Submission<'a>> {
    let place = |stage: &Stage| {
        let within = folder.join(&stage.package);
        if within.is_dir() { within } else { folder.to_owned() }
    };
    let stage = match asked {
        Some(number) => find(number, all)?,
        None => the_changed_one(folder, all)?,
    };
    let place = place(stage);
    for part in [place.as_path(), &place.join("src")] {
        if fs::symlink_metadata(part).is_ok_and(|about| about.is_symlink()) {
            bail!("{} is a link, and links are not followed", part.display());
        }
    }
    if !place.join("src").is_dir() {
        bail!("there is neither {}/src nor src nor {FILE} in it", stage.package);
    }
    let mut source = Source::read(&place.join("src"))?;
    source.crates = crates(&place, stage, all);
    let mut notes: Vec<String> = source
        .left_out
        .iter()
        .map(|path| format!("src/{} is no plain file: left out", path.display()))
        .collect();
    notes.extend(unused(&place, &root().join(&stage.package)));
    Ok(Submission { stage, kind: SubmissionKind::Source(source), notes, anew: false })
}

/// What its `Cargo.toml` has and ours has not.
fn crates(place: &Path, stage: &Stage, all: &Registry) -> BTreeSet<String> {
    let text = |path: &Path| sources::read(path).ok().and_then(|text| String::from_utf8(text).ok());
    let [theirs, ours, workspace] = [place.to_owned(), root().join(&stage.package), root()]
        .map(|folder| text(&folder.join("Cargo.toml")));
    let (Some(theirs), Some(ours), Some(workspace)) = (theirs, ours, workspace) else {
        return BTreeSet::new();
    };
    dependencies::added(&theirs, &ours, &workspace, stage, all)
}

/// The one stage whose `src` is not ours.
fn the_changed_one<'a>(folder: &Path, all: &'a Registry) -> anyhow::Result<&'a Stage> {
    let mut changed = Vec::new();
    for stage in &all.stages {
        let inside = Path::new(&stage.package).join("src");
        let theirs = folder.join(&inside);
        if sources::leads_out(folder, &inside) {
            bail!("{}/src is a link, and links are not followed", stage.package);
        }
        if !theirs.is_dir() {
            continue;
        }
        if !Source::read(&theirs)?.is_like(&Source::read(&root().join(&stage.package).join("src"))?) {
            changed.push(stage);
        }
    }
    match changed[..] {
        [stage] => Ok(stage),
        [] => bail!("no stage's src differs from ours: which is to be graded? give --stage N"),
        _ => {
            let numbers: Vec<_> = changed.iter().map(|stage| stage.number.to_string()).collect();
            bail!("stages {} differ from ours: which is to be graded? give --stage N", numbers.join(", "))
        }
    }
}

/// A note on what was changed beside `src`, and is not used.
fn unused(theirs: &Path, ours: &Path) -> Option<String> {
    let mut changed = Vec::new();
    for name in ["Cargo.toml", "build.rs", ".cargo/config.toml", "tests/checks.rs"] {
        if !sources::leads_out(theirs, Path::new(name))
            && let Ok(text) = sources::read(&theirs.join(name))
            && fs::read(ours.join(name)).ok().map(|ours| as_compiled(&ours)) != Some(as_compiled(&text))
        {
            changed.push(name.to_owned());
        }
    }
    if let (Ok(there), Ok(here)) = (Source::read(&theirs.join("tests")), Source::read(&ours.join("tests")))
        && !there.is_like(&here)
        && changed.len() < NAMED
    {
        changed.push("tests".to_owned());
    }
    (!changed.is_empty())
        .then(|| format!("only src is taken; not used, though changed: {}", changed.join(", ")))
}

#[cfg(test)]
mod tests;
