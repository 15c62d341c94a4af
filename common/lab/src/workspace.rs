//! The workspace and cargo: where things are, and how they get built.

use crate::registry::{Registry, Stage};
use anyhow::{Context, bail};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Which of cargo's profiles to build with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Dev,
    /// Quick to run: for figures.
    Release,
}

/// The programs of a stage, built.
#[derive(Clone)]
pub struct Programs {
    paths: HashMap<String, PathBuf>,
}

/// The folder with the workspace's `Cargo.toml`.
pub fn root() -> PathBuf {
    // `cargo run` tells where the package is now; the folder may have been
    // moved since it was built.
    let lab = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&lab).join("../..").canonicalize().unwrap_or_else(|_| PathBuf::from("."))
}

/// The cargo that started us, or the one on the path, in the workspace.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// Cargo's target folder, wherever it was set to be.
///
/// # Errors
/// When cargo does not say.
pub fn target() -> anyhow::Result<PathBuf> {
    let output = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output();
    let output = output.context("cannot start cargo")?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let folder = metadata["target_directory"].as_str().map(PathBuf::from);
    folder.with_context(|| format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Builds what `stage` needs to run, and nothing else. Cargo's progress and
/// errors go to standard error, so that a first build is not a silent minute.
///
/// # Errors
/// When cargo cannot be started or the build fails.
pub fn build(stage: &Stage, all: &Registry, profile: Profile) -> anyhow::Result<Programs> {
    build_with(stage, all, profile, &[])
}

/// As [`build`], and some more programs.
///
/// # Errors
/// When cargo cannot be started or the build fails.
pub fn build_with(
    stage: &Stage,
    all: &Registry,
    profile: Profile,
    more: &[&str],
) -> anyhow::Result<Programs> {
    let mut command = cargo();
    // Cargo names the files it made: a guess at `target/debug` would be wrong
    // wherever somebody has set another target folder.
    command.args(["build", "--message-format=json-render-diagnostics"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    for program in stage.programs.iter().map(String::as_str).chain(more.iter().copied()) {
        let package = all.package_of(program).with_context(|| format!("no stage has {program}"))?;
        command.args(["-p", package, "--bin", program]);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let messages = child.stdout.take().context("cargo has no standard output")?;
    let mut paths = HashMap::new();
    for line in BufReader::new(messages).lines() {
        let message: serde_json::Value = serde_json::from_str(&line?).unwrap_or_default();
        let (name, path) = (message["target"]["name"].as_str(), message["executable"].as_str());
        if let (Some(name), Some(path)) = (name, path) {
            paths.insert(name.to_owned(), PathBuf::from(path));
        }
    }
    if !child.wait()?.success() {
        bail!("stage {} does not build; the compiler's messages are above", stage.number);
    }
    Ok(Programs { paths })
}

impl Programs {
    /// The file of a program.
    ///
    /// # Errors
    /// When the program is not among those that were built.
    pub fn path(&self, program: &str) -> anyhow::Result<&Path> {
        let path = self.paths.get(program).map(PathBuf::as_path);
        path.with_context(|| format!("{program} was not built; is it in stages.toml under `programs`?"))
    }

    /// A fresh folder for one run, in `target/lab`; kept until `make clean`,
    /// since the server's log in it is worth reading after the end.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, stage: &Stage) -> anyhow::Result<PathBuf> {
        // target/debug/stageN-server
        let target = self.path(&stage.server())?.ancestors().nth(2).context("no target folder")?;
        let runs = target.join("lab");
        std::fs::create_dir_all(&runs).with_context(|| format!("cannot make {}", runs.display()))?;
        let prefix = format!("stage{}-", stage.number);
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(&runs);
        Ok(folder.with_context(|| format!("cannot make a folder in {}", runs.display()))?.keep())
    }

    /// Makes the files that the stage needs in `folder`, where they are missing
    /// and none of the client's `args` names another.
    ///
    /// # Errors
    /// When a program that makes one fails.
    pub fn prepare(&self, stage: &Stage, folder: &Path, args: &[String]) -> anyhow::Result<()> {
        for step in &stage.prepare {
            // It is there already, or the user names another.
            if folder.join(&step.creates).exists() || args.contains(&step.client_option) {
                continue;
            }
            let (program, its_args) =
                step.run.split_first().context("stages.toml: `prepare` without a program")?;
            let mut command = Command::new(self.path(program)?);
            command.args(its_args).current_dir(folder).stdin(Stdio::null());
            let done = command.output().with_context(|| format!("cannot start {program}"))?;
            if !done.status.success() {
                bail!("{program} failed: {}", String::from_utf8_lossy(&done.stderr).trim());
            }
        }
        Ok(())
    }
}
