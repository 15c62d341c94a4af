//! What the stages' sources say about the course: whose flow a stage has, which
//! modules it brings, what it imports from which stage.
//!
//! Read from the files and not from a list, which would say one thing while the
//! code says another. The house rules make the reading simple: a module is
//! declared in `lib.rs`, and a stage is always called by its crate's name.

use lab::registry::{Registry, Stage};
use lab::workspace::root;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The two files whose difference is the lesson.
pub const FLOW: [&str; 2] = ["server", "client"];

/// A flow file as a stage has it: its own, or an earlier stage's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The stage whose file it is.
    pub of: u16,
    /// The file, from the workspace's root.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

/// A module of a stage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Module {
    /// The stage.
    pub stage: u16,
    /// Its name.
    pub name: String,
}

/// The workspace's stages, to be looked into.
pub struct Sources<'a> {
    all: &'a Registry,
    root: PathBuf,
}

impl<'a> Sources<'a> {
    /// Those of this workspace.
    pub fn of_course(all: &'a Registry) -> Sources<'a> {
        Sources { all, root: root() }
    }

    /// The stage's folder.
    pub fn folder(&self, stage: &Stage) -> PathBuf {
        self.root.join(&stage.package)
    }

    /// The stage below this one; `None` below the first.
    pub fn below(&self, stage: &Stage) -> Option<&'a Stage> {
        self.all.stages.iter().rfind(|s| s.number < stage.number)
    }

    fn numbered(&self, number: u16) -> Option<&'a Stage> {
        self.all.stages.iter().find(|s| s.number == number)
    }

    /// `server` or `client` of a stage; `None` where nothing is written yet.
    pub fn flow(&self, stage: &Stage, file: &str) -> Option<Flow> {
        let path = Path::new(&stage.package).join("src").join(file).with_extension("rs");
        if let Ok(text) = fs::read_to_string(self.root.join(&path)) {
            return Some(Flow { of: stage.number, path, text });
        }
        // `pub use stage4_multichat::server;`: where the lesson is that nothing
        // changes.
        let lender = imports(&self.lib(stage)).into_iter().find(|import| import.name == file)?.stage;
        self.flow(self.numbered(lender).filter(|s| s.number < stage.number)?, file)
    }

    /// The modules that the stage brings, in the order of its `lib.rs`, and then those
    /// of its flow (`client/receiver`): neither its flow nor its tests.
    pub fn modules(&self, stage: &Stage) -> Vec<String> {
        let mut names = declared(&self.lib(stage));
        names.retain(|name| !FLOW.contains(&name.as_str()));
        for file in FLOW {
            let own = self.flow(stage, file).filter(|flow| flow.of == stage.number);
            let below = own.map(|flow| declared(&flow.text)).unwrap_or_default();
            names.extend(below.into_iter().map(|name| format!("{file}/{name}")));
        }
        names
    }

    /// The stage's programs besides server and client, by the names of their
    /// files in `src/bin`.
    pub fn tools(&self, stage: &Stage) -> Vec<String> {
        let entries = fs::read_dir(self.folder(stage).join("src/bin")).into_iter().flatten().flatten();
        let names = entries.filter_map(|e| Some(e.path().file_stem()?.to_string_lossy().into_owned()));
        let mut names: Vec<_> = names.filter(|name| !FLOW.contains(&name.as_str())).collect();
        names.sort_unstable();
        names
    }

    /// All modules that the stage's code imports from earlier stages, and those
    /// of its own that its programs name. An imported flow brings along what it
    /// imports.
    pub fn uses(&self, stage: &Stage) -> BTreeSet<Module> {
        let mut all = BTreeSet::new();
        for file in rust_files(&self.folder(stage).join("src")) {
            all.extend(imports(&fs::read_to_string(file).unwrap_or_default()));
        }
        for flow in FLOW.iter().filter_map(|file| self.flow(stage, file)) {
            let Some(owner) = self.numbered(flow.of) else { continue };
            all.extend(imports(&flow.text.replace("crate::", &format!("{}::", owner.crate_name()))));
        }
        all.retain(|module| !FLOW.contains(&module.name.as_str()));
        all
    }

    /// What `stage`'s own modules `names` import, and those of its modules that they
    /// are made of: whoever imports them has all of it along.
    pub fn brought_by(&self, stage: &Stage, names: impl IntoIterator<Item = String>) -> BTreeSet<Module> {
        let (mut todo, mut all): (Vec<_>, _) = (names.into_iter().collect(), BTreeSet::new());
        let src = self.folder(stage).join("src");
        while let Some(name) = todo.pop() {
            let mut files = rust_files(&src.join(&name));
            files.push(src.join(&name).with_extension("rs"));
            for file in files {
                let text = fs::read_to_string(file).unwrap_or_default();
                for module in imports(&text.replace("crate::", &format!("{}::", stage.crate_name()))) {
                    if module.stage == stage.number && !all.contains(&module) {
                        todo.push(module.name.clone());
                    }
                    all.insert(module);
                }
            }
        }
        all
    }

    fn lib(&self, stage: &Stage) -> String {
        fs::read_to_string(self.folder(stage).join("src/lib.rs")).unwrap_or_default()
    }
}

/// The modules that a file declares, without those of its tests.
fn declared(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut before = "";
    for line in text.lines() {
        let declared = line.strip_prefix("pub mod ").or(line.strip_prefix("mod "));
        if let Some(name) = declared.and_then(|rest| rest.strip_suffix(';'))
            && before != "#[cfg(test)]"
        {
            names.push(name.to_owned());
        }
        before = line;
    }
    names
}

/// The modules of other stages that a text names: `stage2_echo::line`, and each
/// of `stage3_threads::{workers, experiments::race}`.
pub fn imports(text: &str) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    // What a comment speaks of is not imported.
    let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let text = code.join("\n");
    for (at, _) in text.match_indices("stage") {
        let rest = &text[at + "stage".len()..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = rest.split_at(digits);
        let (Ok(stage), Some((name, path))) = (number.parse(), rest.split_once("::")) else { continue };
        let is_crate = name.starts_with('_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_crate {
            found.extend(first_names(path).into_iter().map(|name| Module { stage, name }));
        }
    }
    found
}

/// What stands after the `::`: one name, or those at the top of a group.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        text[..end].to_owned()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let (mut depth, mut names, mut start) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                names.push(name(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    names
}

/// All `.rs` files in and below `folder`, without unit tests: what a test
/// imports is no part of the programs.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != "tests" {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && name != "tests.rs" {
            files.push(path);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        imports(text).into_iter().map(|m| format!("{}:{}", m.stage, m.name)).collect()
    }

    #[test]
    fn an_import_is_found_however_it_is_written() {
        assert_eq!(names("use stage2_echo::line::{self, LineReader};"), ["2:line"]);
        assert_eq!(names("use stage6_auth::{admin, store::SCHEMA};"), ["6:admin", "6:store"]);
        assert_eq!(
            names("use stage4_multichat::{\n    outbox::{Outbox, Terms},\n    rate,\n};"),
            ["4:outbox", "4:rate"]
        );
        assert_eq!(names("let x = stage5_aes::cipher::random_iv();"), ["5:cipher"]);
        assert!(names("see(stage5-keygen, stage 4::x, stage::y)\n    // stage2_echo::line").is_empty());
    }

    #[test]
    #[ignore = "self-test of the course: make test-course"]
    fn an_imported_flow_is_the_lenders() {
        let all = Registry::load();
        let sources = Sources::of_course(&all);
        let (three, five) = (&all.stages[2], &all.stages[4]);
        assert_eq!(sources.flow(three, "client").unwrap().of, 2);
        assert_eq!(sources.flow(five, "server").unwrap().of, 4);
        assert_eq!(sources.flow(five, "client").unwrap().of, 5);
        let outbox = Module { stage: 4, name: "outbox".into() };
        assert!(sources.uses(five).contains(&outbox), "through stage 4's server");
    }
}
