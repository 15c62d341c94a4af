//! `lab start N`: a student's starting point, a working copy of the course in
//! which stage N is yet to be written.
//!
//! It is made from the course itself and kept nowhere: a copy in the repository
//! would soon be that of an earlier course. Its stage N is the flow of the stage
//! below, with a comment at each place where this stage begins, and with its
//! graded checks; those that are new fail, and the others pass. Which are new
//! stands in `tests/new-checks.txt` of each stage, and a test holds that against
//! what a starting point does.

mod flow;
mod manifest;

use crate::lessons::{Lesson, Lessons};
use crate::output::say;
use crate::registry::{Registry, Stage};
use crate::sources::{FLOW, Flow, Sources};
use crate::workspace::{cargo, root};
use anyhow::{Context, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the checks of the stages with names share; it brings a database and TLS
/// along, for which an early stage would wait at its first build.
const CHATKIT: &str = "chatkit";

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
const LEFT: [&str; 5] = ["common/lab/tests", "common/testkit/tests", "docs/book", "target", "__pycache__"];

/// Makes the starting point of `stage` in `folder`, or where it usually is.
///
/// # Errors
/// When there is something already, or it cannot be written.
pub fn run(stage: &Stage, all: &Registry, folder: Option<&Path>) -> anyhow::Result<()> {
    let usual = root().join("work").join(format!("stage{}", stage.number));
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
    Copy { stage, all, sources: Sources::here(all), to: to.clone() }.make()?;
    let _ = fs::remove_dir(&folder);
    fs::rename(&to, &folder).with_context(|| format!("cannot make {}", shown(&folder)))?;
    tell(stage, &folder);
    Ok(())
}

fn tell(stage: &Stage, folder: &Path) {
    let (number, name) = (stage.number, shown(folder));
    say!("{name} is a copy of the course in which stage {number}, {}, is yours to write:", stage.title);
    say!("{}\n", stage.teaches);
    say!("Begin at the comments that say TODO, in {name}/{}/src, and with its README.md.", stage.package);
    say!("    cd {name}");
    say!("    make watch {number}        the checks, each time you save");
    say!("    make check {number}        all of them, once");
}

/// A path as a person at the workspace's root would type it.
fn shown(path: &Path) -> String {
    let from_root = path.strip_prefix(root()).unwrap_or(path);
    from_root.display().to_string()
}

struct Copy<'a> {
    stage: &'a Stage,
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
        if !self.needs(CHATKIT)? {
            fs::remove_dir_all(self.to.join("common").join(CHATKIT)).context("cannot leave a package out")?;
            gone.push(CHATKIT);
        }
        self.edit("Cargo.toml", |text| Ok(manifest::workspace(&text, &gone)))?;
        self.edit("common/lab/stages.toml", |text| Ok(manifest::registry(&text, self.stage)))?;
        self.edit("common/testkit/Cargo.toml", |text| Ok(manifest::without_tests(&text)))?;
        self.stage()?;
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

    /// The stage that is to be written.
    fn stage(&self) -> anyhow::Result<()> {
        let package = Path::new(&self.stage.package);
        for kept in ["README.md", "tests/checks.rs", "tests/checks", "tests/new-checks.txt"] {
            if root().join(package).join(kept).exists() {
                self.take(&package.join(kept))?;
            }
        }
        let lessons = Lessons::load();
        let lesson = lessons.of(self.stage).context("lessons.toml has nothing for this stage")?;
        let below = self.sources.below(self.stage);
        let (mut flows, mut from) = (String::new(), Vec::new());
        for file in FLOW {
            let flow = below.and_then(|below| self.sources.flow(below, file));
            if let Some((text, owner)) = self.flow(file, flow, lesson)? {
                flows += &text;
                from.push((owner, read(&self.sources.folder(owner).join("Cargo.toml"))?));
            }
        }
        for tool in self.sources.tools(self.stage) {
            let program = format!("stage{}-{tool}", self.stage.number);
            let text = flow::stub(self.stage, &tool, &todos(self.stage, lesson, &program));
            self.write(package.join("src/bin").join(tool).with_extension("rs"), &text)?;
        }
        let own = read(&self.sources.folder(self.stage).join("Cargo.toml"))?;
        self.write(package.join("Cargo.toml"), &manifest::stage(&own, &from, &flows))?;
        self.write(package.join("src/lib.rs"), &self.lib(lesson, below))?;
        self.tidy(&package.join("src"));
        Ok(())
    }

    /// Writes one flow file and its program. Returns its text, where there is
    /// one, and the stage that it was taken from.
    fn flow(
        &self,
        file: &str,
        flow: Option<Flow>,
        lesson: &Lesson,
    ) -> anyhow::Result<Option<(String, &Stage)>> {
        let src = Path::new(&self.stage.package).join("src");
        let program = src.join("bin").join(file).with_extension("rs");
        let Some(flow) = flow else {
            let todo = todos(self.stage, lesson, file);
            self.write(program, &flow::nothing(self.stage, file, &todo))?;
            return Ok(None);
        };
        if self.lent(file).is_some() {
            self.take(&program)?;
            return Ok(None);
        }
        let owner =
            self.all.stages.iter().find(|s| s.number == flow.of).context("a stage without a place")?;
        let of_this = lesson.todo.iter().filter(|todo| todo.file == file);
        let text = flow::with_todos(flow::adapt(&flow, owner, self.stage), self.stage, of_this)
            .with_context(|| format!("lessons.toml, stage {}, {file}", self.stage.number))?;
        self.write(src.join(file).with_extension("rs"), &text)?;
        self.write(program, &flow::main_of(self.stage, file))?;
        Ok(Some((text, owner)))
    }

    /// The `pub use` of a flow that this stage imports in the course too: that it
    /// does not change is the lesson, and not a student's work.
    fn lent(&self, file: &str) -> Option<String> {
        let flow = self.sources.flow(self.stage, file).filter(|flow| flow.of != self.stage.number)?;
        let owner = self.all.stages.iter().find(|s| s.number == flow.of)?;
        Some(format!(
            "\n/// Stage {}'s {file}, unchanged: that it can stay is a lesson of its own.\npub use {}::{file};\n",
            flow.of,
            owner.crate_name()
        ))
    }

    fn lib(&self, lesson: &Lesson, below: Option<&Stage>) -> String {
        let mut text = format!("//! Stage {}: {}\n//!\n", self.stage.number, self.stage.teaches);
        let begin = match below {
            None => "Nothing is written yet. The two programs in `bin` are yours.".to_owned(),
            Some(below) => format!(
                "The flow is still that of stage {}. Look for TODO, and declare your modules here.",
                below.number
            ),
        };
        text += &flow::comment(&begin, "").replace("// ", "//! ");
        for todo in lesson.todo.iter().filter(|todo| todo.file == "lib") {
            let what = format!("TODO(stage {}): {}", self.stage.number, todo.what);
            text += &format!("\n{}", flow::comment(&what, ""));
        }
        let mut own: Vec<_> =
            FLOW.iter().filter(|file| below.is_some() && self.lent(file).is_none()).collect();
        own.sort_unstable();
        if !own.is_empty() {
            text.push('\n');
        }
        own.iter().for_each(|file| text += &format!("pub mod {file};\n"));
        FLOW.iter()
            .filter(|_| below.is_some())
            .filter_map(|file| self.lent(file))
            .for_each(|lent| text += &lent);
        text
    }

    /// Puts the imports into their usual order. Without rustfmt they stay as they
    /// are, which is no fault.
    fn tidy(&self, src: &Path) {
        let Ok(config) = fs::canonicalize(self.to.join(".rustfmt.toml")) else { return };
        let mut rustfmt = Command::new("rustfmt");
        rustfmt.args(["--edition", "2024", "--config-path"]).arg(config);
        for file in FLOW.iter().map(|file| self.to.join(src).join(file).with_extension("rs")) {
            if file.exists() {
                rustfmt.arg(file);
            }
        }
        if rustfmt.get_args().count() > 4 {
            let _ = rustfmt.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

/// The comments of a program that has no text yet to place them in.
fn todos(stage: &Stage, lesson: &Lesson, file: &str) -> String {
    let of_this = lesson.todo.iter().filter(|todo| todo.file == file);
    of_this
        .map(|todo| flow::comment(&format!("TODO(stage {}): {}", stage.number, todo.what), "    "))
        .collect()
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", shown(path)))
}
