//! The workspace and cargo: where things are, and how they get built.

use crate::registry::{Registry, Stage};
use anyhow::{Context, bail};
use common::cli::print_error;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

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
    let mut cargo = Command::new(cargo_path());
    cargo.current_dir(root());
    as_from_a_shell(&mut cargo);
    cargo
}

/// The file of that cargo.
pub fn cargo_path() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Takes out of a cargo's environment what the cargo that started us says about
/// us. Build scripts look at these variables (that of `ring` does): with ours,
/// cargo would build such a crate again each time it is called now by us and
/// now from a shell.
pub fn as_from_a_shell(cargo: &mut Command) {
    const OURS: [&str; 5] =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"];
    let ours = |name: &OsStr| OURS.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes()));
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        cargo.env_remove(name);
    }
}

/// Takes out of a program's environment what the user has set for servers and
/// clients of his own: a run or a check by the course must not write into the
/// user's database.
pub fn without_the_users_settings(command: &mut Command) {
    for name in ["CHAT_DB", "CHAT_PASSWORD", "CHAT_BACKPLANE"] {
        command.env_remove(name);
    }
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
    let mut words = Vec::new();
    if profile == Profile::Release {
        words.push("--release");
    }
    for program in stage.programs.iter().map(String::as_str).chain(more.iter().copied()) {
        let package = all.package_of(program).with_context(|| format!("no stage has {program}"))?;
        words.extend(["-p", package, "--bin", program]);
    }
    let optimised =
        format!("Building stage {} with optimisation; the first time takes a minute or two.", stage.number);
    let optimised = (profile == Profile::Release).then_some(optimised.as_str());
    let paths = run_build(cargo(), &words, at_first_crate(optimised))?;
    let paths = paths
        .with_context(|| format!("stage {} does not build: the compiler's message is above", stage.number))?;
    Ok(Programs { paths })
}

/// The program `lab-tools`. One line says so when it has to be built.
///
/// # Errors
/// When cargo cannot be started or the build fails.
pub fn build_tools() -> anyhow::Result<PathBuf> {
    let announced = "Building the part of the course's tool that is for this; once, and after changes.";
    let words = ["-p", "lab-tools", "--bin", "lab-tools"];
    let paths = run_build(cargo(), &words, at_first_crate(Some(announced)))?;
    let paths = paths.context("the course's tool does not build: the compiler's message is above")?;
    paths.get("lab-tools").cloned().context("cargo does not say where lab-tools is")
}

/// Builds `programs` of the workspace in `folder`, a copy of this one, into `target`: the
/// dependencies that are built there already need not be built again.
///
/// # Errors
/// When cargo cannot be started or the build fails.
pub fn build_copy(
    folder: &Path,
    target: &Path,
    package: &str,
    programs: &[&str],
) -> anyhow::Result<Programs> {
    let mut cargo = cargo();
    cargo.current_dir(folder).env("CARGO_TARGET_DIR", target);
    let bins = programs.iter().flat_map(|program| ["--bin", program]);
    let words: Vec<&str> = ["-p", package].into_iter().chain(bins).collect();
    let paths = run_build(cargo, &words, |_| ())?;
    let paths = paths.with_context(|| format!("{package} does not build in {}", folder.display()))?;
    Ok(Programs { paths })
}

/// Says `text` before the first crate that cargo compiles, if it compiles any.
fn at_first_crate(text: Option<&str>) -> impl FnMut(&str) {
    let mut text = text;
    move |line| {
        if line.contains("Compiling") {
            text.take().into_iter().for_each(print_error);
        }
    }
}

/// Runs `cargo build` and passes on what it says, apart from the line that it
/// has finished: where there is nothing to build, nothing is said. `on_line` sees
/// each line before it is printed. Returns the programs by their names, or `None`
/// when something does not compile.
fn run_build(
    mut command: Command,
    words: &[&str],
    mut on_line: impl FnMut(&str),
) -> anyhow::Result<Option<HashMap<String, PathBuf>>> {
    // Cargo names the files it made: a guess at `target/debug` would be wrong
    // where the user has set another target folder.
    command.args(["build", "--message-format=json-render-diagnostics"]).args(words);
    if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        command.arg("--color=always");
    }
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.context("cannot start cargo")?;
    let (messages, progress) = child.stdout.take().zip(child.stderr.take()).context("cargo without pipes")?;
    let reader = thread::spawn(move || executables(messages));
    for line in BufReader::new(progress).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        if !line.contains("Finished") {
            on_line(&line);
            // As cargo has it, with its colours.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
    let paths = reader.join().expect("reading lines does not panic")?;
    Ok(child.wait()?.success().then_some(paths))
}

/// The programs that cargo's messages name. Ends when cargo does.
fn executables(messages: impl Read) -> std::io::Result<HashMap<String, PathBuf>> {
    let mut paths = HashMap::new();
    for line in BufReader::new(messages).lines() {
        let message: serde_json::Value = serde_json::from_str(&line?).unwrap_or_default();
        let (name, path) = (message["target"]["name"].as_str(), message["executable"].as_str());
        if let (Some(name), Some(path)) = (name, path) {
            paths.insert(name.to_owned(), PathBuf::from(path));
        }
    }
    Ok(paths)
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

    /// These, but where `program` is asked for, another file in its place.
    pub fn with(mut self, program: &str, file: &Path) -> Programs {
        self.paths.insert(program.to_owned(), file.to_owned());
        self
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
