//! The one stage of a copy that is to be written.

use super::{Copy, flow, manifest, read};
use crate::lessons::{Lesson, Lessons};
use crate::sources::{FLOW, Flow};
use anyhow::Context;
use lab::registry::Stage;
use lab::workspace::root;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

impl Copy<'_> {
    /// The stage that is to be written.
    pub fn stage(&self) -> anyhow::Result<()> {
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
