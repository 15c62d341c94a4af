//! A stage of a copy in which one part is to be written and the others are there.

use super::{Copy, bodies, manifest, read};
use crate::parts;
use lab::registry::Part;
use lab::workspace::root;
use std::fs;
use std::path::{Path, PathBuf};

impl Copy<'_> {
    /// The stage as the course has it, but for the bodies of the part's functions.
    pub fn part(&self, part: &Part) -> anyhow::Result<()> {
        let package = Path::new(&self.stage.package);
        for kept in ["README.md", "src", "tests/checks.rs", "tests/checks", "tests/new-checks.txt"] {
            if root().join(package).join(kept).exists() {
                self.take(&package.join(kept))?;
            }
        }
        let own = read(&self.sources.folder(self.stage).join("Cargo.toml"))?;
        self.write(package.join("Cargo.toml"), &manifest::stage(&own, &[], ""))?;
        let todo = format!("stage {}, part {}: to be written", self.stage.number, part.name);
        for file in parts::files(&self.sources, self.stage, part) {
            let at = self.sources.folder(self.stage).join("src").join(&file.path);
            let tests = fs::read_to_string(unit_tests(&at)).unwrap_or_default();
            let mut text = bodies::without_bodies(&read(&at)?, &tests, &todo);
            if file.path.starts_with("bin") {
                text = bodies::allow_unused(&text, &todo);
            }
            self.write(package.join("src").join(&file.path), &text)?;
        }
        let lib = package.join("src/lib.rs");
        self.write(&lib, &bodies::allow_unused(&read(&self.to.join(&lib))?, &todo))
    }
}

/// Where a module has its unit tests if they are in a file of their own.
fn unit_tests(module: &Path) -> PathBuf {
    if module.ends_with("mod.rs") {
        module.with_file_name("tests.rs")
    } else {
        module.with_extension("").join("tests.rs")
    }
}
