//! Where submissions get built: a clean tree and a target folder in which the
//! dependencies stay built, so that each submission costs seconds. One slot is
//! one submission at a time; every worker has its own.
//!
//! The trap is the program of the one before: cargo thinks nothing of a source
//! file that is older than what it has built. So all files are written anew, a
//! program is taken away as soon as it is built, and it is an error when cargo
//! calls any part of a submission fresh.

use super::confined_command::CommandRunner;
use super::harness::in_utf8;
use super::limits::Limits;
use super::sources::Source;
use super::supervisor::{ConfinedCommand, Ended};
use super::tree::Original;
use anyhow::{Context, bail};
use lab::registry::Stage;
use lab::workspace::{as_from_a_shell, cargo_path};
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// More runs at once than any machine has.
const SLOTS: usize = 64;
/// Of a submission that does not compile, so many messages are shown.
const MESSAGES: usize = 3;
/// Variables that a build may see. Not all: `env!("TOKEN")` in a submission
/// would have the compiler write it into the program.
const ENVIRONMENT: [&str; 9] = [
    "PATH",
    "HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "RUSTFLAGS",
    "LANG",
    "LD_LIBRARY_PATH",
    "TMPDIR",
];

/// What else changes how cargo builds: without these it would build everything
/// once more for the first submission.
const SETTINGS: [&str; 4] = ["CARGO_PROFILE_", "CARGO_BUILD_", "CARGO_TARGET_", "CARGO_ENCODED_"];

/// A place to build in; dropping it gives it free.
pub struct Slot {
    folder: PathBuf,
    _lock: File,
}

/// What came of a build.
pub enum Built {
    /// The folder with the programs.
    Programs(PathBuf),
    /// The compiler's first messages.
    Failed(String),
    /// The limit that was exceeded.
    Stopped(String),
}

impl Slot {
    /// The first slot that no run uses, in `cache`.
    ///
    /// # Errors
    /// When it cannot be made, or all are in use.
    pub fn take(cache: &Path) -> anyhow::Result<Slot> {
        for number in 1..=SLOTS {
            let folder = cache.join(format!("slot-{number}"));
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            let lock = File::create(folder.join("lock")).context("cannot make a lock file")?;
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return Ok(Slot { folder, _lock: lock });
            }
        }
        bail!("{SLOTS} submissions are being built already")
    }

    fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// Lays out the workspace and builds what submissions of `stage` will need,
    /// unless that was done before. Cargo's progress is shown. `other` is a slot
    /// whose dependencies can be copied.
    ///
    /// # Errors
    /// When the course itself does not build.
    pub fn prepare(&self, stage: &Stage, original: &Original, other: Option<&Slot>) -> anyhow::Result<()> {
        original.lay_out(&self.tree())?;
        let stamp = self.folder.join(format!("ready-{}", stage.number));
        if fs::read_to_string(&stamp).is_ok_and(|text| text == original.digest) {
            return Ok(());
        }
        if let Some(other) = other.filter(|_| !self.folder.join("target").exists()) {
            let target = other.folder.join("target");
            let copied = Command::new("cp").arg("-a").arg(target).arg(&self.folder).status();
            copied.context("cannot copy what another slot has built")?;
        }
        let mut cargo = Command::new(cargo_path());
        cargo.args(["build", "--locked", "--bins", "-p", &stage.package]).current_dir(self.tree());
        as_from_a_shell(&mut cargo);
        cargo.envs(self.settings());
        if !cargo.status().context("cannot start cargo")?.success() {
            bail!("stage {} of the course itself does not build in {}", stage.number, self.tree().display());
        }
        fs::write(&stamp, &original.digest).context("cannot write a stamp")
    }

    /// The same for every build in here, or cargo would build all of it again.
    fn settings(&self) -> Vec<(String, String)> {
        let target = self.folder.join("target").to_string_lossy().into_owned();
        let pairs = [
            ("CARGO_TARGET_DIR", target.as_str()),
            ("CARGO_INCREMENTAL", "0"),
            ("CARGO_TERM_COLOR", "never"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// Builds a submission; its programs are put into `programs`.
    ///
    /// # Errors
    /// When it could not be tried, which says nothing about the submission.
    pub fn build(
        &self,
        stage: &Stage,
        source: &Source,
        original: &Original,
        (runner, limits, programs): (&CommandRunner, &Limits, &Path),
    ) -> anyhow::Result<Built> {
        original.replace(&self.tree(), stage, source)?;
        let built = runner.run(&self.order(stage, source, limits));
        // Whatever came of it: the next submission may be of another stage, and
        // build on this one.
        original.restore(&self.tree(), stage)?;
        let ended = built?;
        if let Some(limit) = ended.stopped {
            return Ok(Built::Stopped(limit));
        }
        let messages: Vec<Value> =
            ended.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if ended.code != Some(0) {
            return Ok(Built::Failed(complaints(&messages, &ended)));
        }
        self.take_programs(&messages, stage, programs)?;
        Ok(Built::Programs(programs.to_owned()))
    }

    /// Takes what was built away, to where the checks find it.
    fn take_programs(&self, messages: &[Value], stage: &Stage, programs: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(programs).context("cannot make a folder for the programs")?;
        let package = self.tree().join(&stage.package);
        let from_it = |message: &&Value| {
            message["reason"] == "compiler-artifact"
                && message["target"]["src_path"]
                    .as_str()
                    .is_some_and(|path| Path::new(path).starts_with(&package))
        };
        for message in messages.iter().filter(from_it) {
            if message["fresh"] != false {
                bail!("cargo did not build {} anew", message["target"]["name"]);
            }
            let Some(path) = message["executable"].as_str().map(Path::new) else { continue };
            let name = path.file_name().context("a program without a name")?;
            fs::copy(path, programs.join(name)).context("cannot keep a program")?;
            fs::remove_file(path).context("cannot remove a program")?;
        }
        for program in [stage.server(), stage.client()] {
            if !programs.join(&program).exists() {
                bail!("cargo did not build {program}");
            }
        }
        Ok(())
    }

    fn order(&self, stage: &Stage, source: &Source, limits: &Limits) -> ConfinedCommand {
        let mut words = vec![cargo_path().to_string_lossy().into_owned()];
        // Without the network: what the course itself needs was fetched before.
        words.extend(["build", "--offline", "--bins", "--message-format=json", "-p"].map(String::from));
        words.push(stage.package.clone());
        if source.crates.is_empty() {
            words.push("--locked".to_owned());
        }
        let is_seen = |(name, _): &(String, String)| {
            let name = name.as_str();
            ENVIRONMENT.contains(&name) || SETTINGS.iter().any(|start| name.starts_with(start))
        };
        let seen = in_utf8().filter(is_seen);
        let environment = seen.chain(self.settings()).collect();
        ConfinedCommand {
            words,
            folder: self.tree(),
            environment,
            limits: limits.clone(),
            watched: self.folder.join("tree"),
        }
    }
}

/// The first errors, as the compiler words them.
fn complaints(messages: &[Value], ended: &Ended) -> String {
    let errors = messages.iter().map(|message| &message["message"]).filter(|m| m["level"] == "error");
    let rendered: Vec<_> = errors.filter_map(|m| m["rendered"].as_str()).take(MESSAGES).collect();
    if rendered.is_empty() { ended.stderr.trim().to_owned() } else { rendered.concat().trim().to_owned() }
}
