//! A clean copy of the workspace, into which one stage's `src` is put.
//!
//! Nobody works in it, so that neither what an instructor is just trying out
//! nor what a submission has changed beside its `src` gets into the build of
//! another: of this workspace only the files that git knows are taken.

use super::dependencies;
use super::sources::{Source, add, write};
use anyhow::Context;
use lab::registry::Stage;
use lab::workspace::root;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders that no build needs.
const NOT_BUILT: [&str; 3] = ["docs", ".ci", "target"];

/// The workspace's files, by their path in it.
pub struct Original {
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Tells another state of the workspace from this one.
    pub digest: String,
}

impl Original {
    /// Reads the workspace.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read() -> anyhow::Result<Original> {
        let mut files = BTreeMap::new();
        let mut digest = Sha256::new();
        for path in tracked()? {
            // One that was removed is not committed yet.
            let Ok(text) = fs::read(root().join(&path)) else { continue };
            add(&mut digest, path.as_os_str().as_encoded_bytes());
            add(&mut digest, &text);
            files.insert(path, text);
        }
        Ok(Original { files, digest: hex(digest) })
    }

    /// Makes `tree` hold these files and no others. What is there already is left
    /// as it is, so that cargo need not build it again.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn lay_out(&self, tree: &Path) -> anyhow::Result<()> {
        for (path, text) in &self.files {
            let there = tree.join(path);
            if fs::read(&there).ok().as_ref() != Some(text) {
                write(&there, text)?;
            }
        }
        for path in present(tree, Path::new("")) {
            if !self.files.contains_key(&path) {
                let _ = fs::remove_file(tree.join(path));
            }
        }
        Ok(())
    }

    /// Puts a submission in the place of the stage's own `src`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn replace(&self, tree: &Path, stage: &Stage, source: &Source) -> anyhow::Result<()> {
        let package = Path::new(&stage.package);
        if !source.crates.is_empty() {
            let manifest = package.join("Cargo.toml");
            let ours =
                self.files.get(&manifest).map(|text| String::from_utf8_lossy(text)).unwrap_or_default();
            write(&tree.join(&manifest), dependencies::with(&ours, &source.crates).as_bytes())?;
        }
        source.write(&tree.join(package).join("src"))
    }

    /// Puts the stage as it was back.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn restore(&self, tree: &Path, stage: &Stage) -> anyhow::Result<()> {
        let package = Path::new(&stage.package);
        let src = tree.join(package).join("src");
        fs::remove_dir_all(&src).with_context(|| format!("cannot empty {}", src.display()))?;
        for (path, text) in self.files.iter().filter(|(path, _)| path.starts_with(package.join("src"))) {
            write(&tree.join(path), text)?;
        }
        for name in [package.join("Cargo.toml"), PathBuf::from("Cargo.lock")] {
            let text = self.files.get(&name).with_context(|| format!("no {}", name.display()))?;
            if fs::read(tree.join(&name)).ok().as_ref() != Some(text) {
                write(&tree.join(&name), text)?;
            }
        }
        Ok(())
    }
}

/// A digest as text.
pub fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files of the workspace: those that git knows, or, where there is no git,
/// all that a build could need.
fn tracked() -> anyhow::Result<Vec<PathBuf>> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let files = match listed {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => {
            let names = String::from_utf8(output.stdout).context("file names that are not UTF-8")?;
            names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect()
        }
        _ => present(&root(), Path::new("")),
    };
    let built = |path: &PathBuf| !NOT_BUILT.iter().any(|folder| path.starts_with(folder));
    Ok(files.into_iter().filter(built).collect())
}

fn present(root: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
        let path = folder.join(entry.file_name());
        match entry.file_type() {
            Ok(kind)
                if kind.is_dir()
                    && entry.file_name() != ".git"
                    && !NOT_BUILT.iter().any(|n| path == Path::new(n)) =>
            {
                files.extend(present(root, &path));
            }
            Ok(kind) if kind.is_file() => files.push(path),
            _ => {}
        }
    }
    files
}
