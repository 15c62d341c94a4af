//! `lab start N`: a student's starting point, a working copy of the course in
//! which stage N is yet to be written.
//!
//! It is made from the course itself and kept nowhere: a copy in the repository
//! would soon be that of an earlier course. Its stage N is the flow of the stage
//! below, with a comment at each place where this stage begins, and with its
//! graded checks; those that are new fail, and the others pass. Which are new
//! stands in `tests/new-checks.txt` of each stage, and a test holds that against
//! what a starting point does.

mod bodies;
mod flow;
mod manifest;
mod part;
mod unwritten;

use crate::sources::Sources;
use anyhow::{Context, bail};
use lab::progress::Progress;
use lab::registry::{Part, Registry, Stage};
use lab::say;
use lab::workspace::{cargo, root};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What the checks of the stages with names share; it brings a database and TLS
/// along, for which an early stage would wait at its first build.
const TESTKIT_CHAT: &str = "testkit-chat";

/// What a copy has besides the stages; the rest of the course is its makers'.
const TAKEN: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "Makefile",
    "README.md",
    ".gitignore",
    ".clippy.toml",
    ".rustfmt.toml",
    "common",
    "docs",
];

/// Not taken: the tests of the tool and of the harness test these two, and
/// nothing of the student's.
const LEFT: [&str; 6] = [
    "common/lab/tests",
    "common/lab-tools/tests",
    "common/testkit/tests",
    "docs/book",
    "target",
    "__pycache__",
];

/// Makes the starting point of `stage`, or of one of its parts, in `folder`, or where it
/// usually is.
///
/// # Errors
/// When there is something already, or it cannot be written.
pub fn run(stage: &Stage, part: Option<&Part>, all: &Registry, folder: Option<&Path>) -> anyhow::Result<()> {
    // The first part begins where the stage does.
    let part = part.filter(|part| !stage.parts_before(part).is_empty());
    let of_part = part.map_or(String::new(), |part| format!("-{}", part.name));
    let usual = root().join("work").join(format!("stage{}{of_part}", stage.number));
    let folder = std::path::absolute(folder.unwrap_or(&usual)).context("no such folder")?;
    if fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        let name = shown(&folder);
        bail!("{name} is there already; remove it, or name another folder: make start {} DIR", stage.number);
    }
    let parent = folder.parent().context("a copy needs a folder to be in")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", shown(parent)))?;
    // Under another name at first, so that there is never half a copy.
    let unfinished = tempfile::Builder::new().prefix(".start-").tempdir_in(parent);
    let unfinished = unfinished.with_context(|| format!("cannot make a folder in {}", shown(parent)))?;
    let to = unfinished.path().join("copy");
    Copy { stage, part, all, sources: Sources::of_course(all), to: to.clone() }.make()?;
    let _ = fs::remove_dir(&folder);
    fs::rename(&to, &folder).with_context(|| format!("cannot make {}", shown(&folder)))?;
    print_next_steps(stage, part, &folder);
    Ok(())
}

fn print_next_steps(stage: &Stage, part: Option<&Part>, folder: &Path) {
    let (number, name) = (stage.number, shown(folder));
    if let Some(part) = part {
        say!(
            "{name} is a copy of the course in which a part of stage {number} is yours to write: {}.",
            part.title
        );
        say!("{}\n", part.teaches);
        say!("The rest of the stage is there in full. Of this part's modules the bodies are missing:");
        part.modules.iter().for_each(|module| say!("    {name}/{}/src/{module}", stage.package));
        say!("The unit tests of these modules are there: cargo test -p {} --lib", stage.package);
        say!("Until a server can start and let clients in, checks of earlier parts fail, too.");
    } else {
        say!("{name} is a copy of the course in which stage {number}, {}, is yours to write:", stage.title);
        say!("{}\n", stage.teaches);
        say!("Begin at the comments that say TODO, in {name}/{}/src, and with its README.md.", stage.package);
    }
    say!("    cd {name}");
    if let (None, [first, _, ..]) = (part, &stage.parts[..]) {
        say!(
            "    # The stage has {} parts; the first is {}: {}",
            stage.parts.len(),
            first.name,
            first.teaches
        );
    }
    say!("    make watch {number}        the checks of the part that is under way, each time you save");
    say!("    make check {number}        the same, once");
    say!(
        "    make next           how far you are, and which check is next; a part that is done leads to the next"
    );
    say!("    make hint           a hint for that check, each time a step further");
}

/// A path as a user at the workspace's root would type it.
fn shown(path: &Path) -> String {
    let from_root = path.strip_prefix(root()).unwrap_or(path);
    from_root.display().to_string()
}

struct Copy<'a> {
    stage: &'a Stage,
    /// A part behind the first one: then the rest of the stage is there in full.
    part: Option<&'a Part>,
    all: &'a Registry,
    sources: Sources<'a>,
    to: PathBuf,
}

impl Copy<'_> {
    fn make(&self) -> anyhow::Result<()> {
        fs::create_dir(&self.to).context("cannot make the copy's folder")?;
        for name in TAKEN {
            self.take(Path::new(name))?;
        }
        for stage in self.all.stages.iter().filter(|s| s.number < self.stage.number) {
            self.take(Path::new(&stage.package))?;
        }
        let later = self.all.stages.iter().filter(|s| s.number > self.stage.number);
        let mut gone: Vec<_> = later.map(|s| s.package.as_str()).collect();
        if !self.needs(TESTKIT_CHAT)? {
            fs::remove_dir_all(self.to.join("common").join(TESTKIT_CHAT))
                .context("cannot leave a package out")?;
            gone.push(TESTKIT_CHAT);
        }
        self.edit("Cargo.toml", |text| Ok(manifest::workspace(&text, &gone)))?;
        self.edit("common/lab/stages.toml", |text| Ok(manifest::registry(&text, self.stage)))?;
        self.edit("common/testkit/Cargo.toml", |text| Ok(manifest::without_tests(&text)))?;
        match self.part {
            Some(part) => self.part(part)?,
            None => self.stage()?,
        }
        let part = self.part.or(self.stage.parts.first()).context("stages.toml: a stage without parts")?;
        let progress = Progress { stage: self.stage.number, part: part.name.clone(), hints: BTreeMap::new() };
        progress.write(&self.to)?;
        self.drop_what_is_not_needed()
    }

    /// Whether this stage or one below it depends on `package`.
    fn needs(&self, package: &str) -> anyhow::Result<bool> {
        for stage in self.all.stages.iter().filter(|s| s.number <= self.stage.number) {
            let manifest = read(&self.sources.folder(stage).join("Cargo.toml"))?;
            if manifest.lines().any(|line| line.starts_with(&format!("{package}."))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes out of the lock file the packages that only later stages need, and
    /// then their settings. If cargo cannot, as long as it has never seen these
    /// packages, it does so at the first build, and warns of the settings.
    fn drop_what_is_not_needed(&self) -> anyhow::Result<()> {
        let mut cargo = cargo();
        cargo.args(["update", "--workspace", "--offline", "--quiet"]).current_dir(&self.to);
        let _ = cargo.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let lock = read(&self.to.join("Cargo.lock"))?;
        self.edit("Cargo.toml", |text| manifest::settings(&text, &lock))
    }

    /// Copies a file or a folder of the course.
    fn take(&self, path: &Path) -> anyhow::Result<()> {
        if LEFT.iter().any(|left| path.ends_with(left)) {
            return Ok(());
        }
        let (from, to) = (root().join(path), self.to.join(path));
        if from.is_dir() {
            for entry in fs::read_dir(&from).with_context(|| format!("cannot read {}", path.display()))? {
                self.take(&path.join(entry?.file_name()))?;
            }
            return Ok(());
        }
        fs::create_dir_all(to.parent().unwrap_or(&self.to))
            .and_then(|()| fs::copy(&from, &to))
            .with_context(|| format!("cannot copy {}", path.display()))?;
        Ok(())
    }

    fn write(&self, path: impl AsRef<Path>, text: &str) -> anyhow::Result<()> {
        let (path, to) = (path.as_ref(), self.to.join(&path));
        fs::create_dir_all(to.parent().unwrap_or(&self.to))
            .and_then(|()| fs::write(&to, text))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn edit(&self, path: &str, edit: impl FnOnce(String) -> anyhow::Result<String>) -> anyhow::Result<()> {
        let text = edit(read(&self.to.join(path))?)?;
        self.write(path, &text)
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", shown(path)))
}
