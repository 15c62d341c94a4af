//! Servers that are wrong on purpose, made from our own by `wrong-servers.toml`.
//!
//! Each is built in a copy of the workspace, into the same target folder: the crates of
//! others are built there already. So that nothing of ours is overwritten there, its programs
//! have names of their own, and all packages of the copy another version. (Cargo tells
//! packages from each other by name, version and their place below the workspace.)

use anyhow::{Context, ensure};
use lab::registry::Stage;
use lab::workspace::{Programs, build_copy, root, target};
use serde::Deserialize;
use std::fs;
use std::path::Path;
use testkit::changed;

const TEXT: &str = include_str!("../../wrong-servers.toml");

/// What a copy can be built without.
const LEFT: [&str; 3] = ["target", "docs", "work"];

/// What the programs' names begin with in the copy.
const MARK: &str = "wrong-";

/// The version of all packages, in the workspace's `Cargo.toml` and in the copy's.
const VERSIONS: [&str; 2] = ["\nversion = \"0.", "\nversion = \"999."];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    wrong: Vec<WrongServer>,
}

/// A server with one bug that a product has shipped.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrongServer {
    /// Its name on the command line.
    pub name: String,
    /// What it does; it completes "a server that".
    pub mistake: String,
    /// The product, and what its users saw.
    pub product: String,
    /// The address of the report.
    pub source: String,
    change: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Below the stage's folder.
    file: String,
    old: String,
    new: String,
}

/// All of them.
///
/// # Panics
/// When `wrong-servers.toml` is not what it should be; a test reads it.
pub fn all() -> Vec<WrongServer> {
    let file: File = toml::from_str(TEXT).unwrap_or_else(|e| panic!("wrong-servers.toml: {e}"));
    file.wrong
}

/// Those of this name, or all.
///
/// # Errors
/// A sentence with all names, if no server has this one.
pub fn named(name: &str) -> anyhow::Result<Vec<WrongServer>> {
    let mut servers = all();
    let names: Vec<_> = servers.iter().map(|server| server.name.clone()).collect();
    servers.retain(|server| name == "all" || server.name == name);
    ensure!(!servers.is_empty(), "no wrong server is called {name}; there are: all, {}", names.join(", "));
    Ok(servers)
}

/// Waits until no other `lab` has a wrong server: there is one copy for all. Others wait while
/// the result lives.
///
/// # Errors
/// When there can be no lock.
pub fn alone() -> anyhow::Result<fs::File> {
    let folder = target()?;
    fs::create_dir_all(&folder).context("cannot make the target folder")?;
    let file = fs::File::create(folder.join("wrong-servers.lock")).context("cannot make a lock file")?;
    file.lock().context("cannot lock the copy of the workspace")?;
    Ok(file)
}

impl WrongServer {
    /// Builds its server and its administrator program, in place of those in `right`.
    ///
    /// # Errors
    /// When the workspace has changed, so that a change has no place, or the build fails.
    pub fn build(&self, stage: &Stage, right: &Programs) -> anyhow::Result<Programs> {
        let target = target()?;
        let copy = target.join("wrong-servers");
        let text = |path: &Path, text: String| self.text(stage, path, text);
        take(&root(), &copy, Path::new(""), &text)?;
        let admin = stage.admin().context("a stage without a database")?;
        let wrong = [stage.server(), admin].map(|program| (format!("{MARK}{program}"), program));
        let names = wrong.each_ref().map(|(name, _)| name.as_str());
        let built = build_copy(&copy, &target, &stage.package, &names)?;
        let mut programs = right.clone();
        for (name, program) in &wrong {
            programs = programs.with(program, built.path(name)?);
        }
        Ok(programs)
    }

    /// What stands in a file of the copy, where this stands in ours.
    fn text(&self, stage: &Stage, path: &Path, mut text: String) -> anyhow::Result<String> {
        if path == Path::new("Cargo.toml") {
            let [ours, wrong] = VERSIONS;
            return changed(&text, ours, wrong).context("the version of all packages, in Cargo.toml");
        }
        let Ok(path) = path.strip_prefix(&stage.package) else { return Ok(text) };
        if path == Path::new("Cargo.toml") {
            let bin = format!("[[bin]]\nname = \"stage{}", stage.number);
            return Ok(text.replace(&bin, &format!("[[bin]]\nname = \"{MARK}stage{}", stage.number)));
        }
        for change in self.change.iter().filter(|change| path == Path::new(&change.file)) {
            text = changed(&text, change.old.trim_end(), change.new.trim_end())
                .with_context(|| format!("{} in {}", self.name, path.display()))?;
        }
        Ok(text)
    }
}

/// Copies what is at `path` below `from` to the same place below `to`. A file that is there
/// already with the same content is left alone, so that cargo does not build it again.
fn take(
    from: &Path,
    to: &Path,
    path: &Path,
    text: &impl Fn(&Path, String) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let source = from.join(path);
    if source.is_dir() {
        fs::create_dir_all(to.join(path)).context("cannot make a folder for the copy")?;
        for entry in fs::read_dir(&source).with_context(|| format!("cannot read {}", source.display()))? {
            let name = entry?.file_name();
            let is_left = LEFT.iter().any(|left| name == *left) || name.as_encoded_bytes().starts_with(b".");
            if !is_left {
                take(from, to, &path.join(name), text)?;
            }
        }
        return Ok(());
    }
    // What is no text is not compiled.
    let Ok(ours) = fs::read_to_string(&source) else { return Ok(()) };
    let (wrong, file) = (text(path, ours)?, to.join(path));
    if fs::read_to_string(&file).ok().as_ref() != Some(&wrong) {
        fs::write(&file, wrong).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab::registry::Registry;

    #[test]
    fn each_change_of_a_wrong_server_has_its_place_in_our_own_server() {
        let registry = Registry::load();
        let stage = registry.stage(Some("7")).unwrap();
        for server in all() {
            assert!(!server.change.is_empty(), "{}", server.name);
            let mut paths: Vec<_> = server.change.iter().map(|change| &change.file).collect();
            paths.dedup();
            for file in paths {
                let path = Path::new(&stage.package).join(file);
                let ours = fs::read_to_string(root().join(&path)).unwrap();
                let wrong = server.text(stage, &path, ours.clone()).unwrap();
                assert_ne!(wrong, ours, "{}", server.name);
            }
        }
    }

    #[test]
    fn the_book_names_each_wrong_server_and_its_source() {
        let page = fs::read_to_string(root().join("docs/src/stage7-several-servers.md")).unwrap();
        for server in all() {
            assert!(page.contains(&format!("`{}`", server.name)), "{}", server.name);
            assert!(page.contains(&server.source), "{}", server.source);
        }
    }

    #[test]
    fn a_name_that_no_server_has_is_refused_with_all_names() {
        let why = named("nothing").err().unwrap().to_string();
        assert!(why.contains("never-reaps"), "{why}");
        assert_eq!(named("all").unwrap().len(), 9);
        assert_eq!(named("never-reaps").unwrap().len(), 1);
    }
}
