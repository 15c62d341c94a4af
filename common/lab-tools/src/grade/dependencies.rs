//! What a submission's `Cargo.toml` may add to ours: names of crates.
//!
//! A starting point (`make start`) has the dependencies of the stage below, and a
//! student may have taken another crate of the course's own list. Those names are
//! taken over, and nothing else of that file: no version, no feature, no build
//! script, nothing that is not in our `Cargo.lock` already.

use lab::registry::{Registry, Stage};
use std::collections::BTreeSet;
use toml::{Table, Value};

/// The crates that `theirs` depends on and `ours` does not: out of the course's
/// list, and stages below `stage`.
pub fn added(theirs: &str, ours: &str, workspace: &str, stage: &Stage, all: &Registry) -> BTreeSet<String> {
    let [theirs, ours] = [theirs, ours].map(|text| names(text, &["dependencies"]));
    let listed = names(workspace, &["workspace", "dependencies"]);
    // Not what belongs to the course: that grades.
    let other = |name: &String| {
        listed.contains(name)
            && !name.starts_with("stage")
            && !["testkit", "testkit-chat", "lab", "lab-tools"].contains(&name.as_str())
    };
    let below = |name: &String| all.stages.iter().any(|s| s.number < stage.number && s.package == *name);
    theirs.into_iter().filter(|name| !ours.contains(name) && (other(name) || below(name))).collect()
}

/// Our file with these crates, too.
pub fn with(ours: &str, added: &BTreeSet<String>) -> String {
    let line = |name: &String| match name.starts_with("stage") {
        // Those of the workspace's list are not all of them.
        true => format!("{name} = {{ path = \"../{name}\" }}\n"),
        false => format!("{name}.workspace = true\n"),
    };
    let lines: String = added.iter().map(line).collect();
    ours.replacen("[dependencies]\n", &format!("[dependencies]\n{lines}"), 1)
}

fn names(text: &str, path: &[&str]) -> BTreeSet<String> {
    let mut table = text.parse::<Table>().ok();
    for part in path {
        table = match table.and_then(|mut table| table.remove(*part)) {
            Some(Value::Table(table)) => Some(table),
            _ => None,
        };
    }
    table.map(|table| table.into_iter().map(|(name, _)| name).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_courses_own_list_are_taken() {
        let workspace = "[workspace.dependencies]\nclap = '4'\nrand = '1'\nlab = { path = 'x' }\ntestkit = { path = 'x' }\n\
            stage2-echo = { path = 'x' }\nstage5-aes = { path = 'x' }\n";
        let ours = "[package]\nname = 'ours'\n\n[dependencies]\nclap.workspace = true\n";
        let theirs = "[package]\nbuild = 'build.rs'\n[dependencies]\nclap = '1'\nrand = { git = 'evil' }\nevil = '1'\n\
            testkit = '1'\nlab = '1'\nstage5-aes.workspace = true\nstage2-echo.workspace = true\n[build-dependencies]\ncc = '1'\n";
        let registry = Registry::load();
        let added = added(theirs, ours, workspace, registry.stage(Some("4")).unwrap(), &registry);
        assert_eq!(added.iter().collect::<Vec<_>>(), ["rand", "stage2-echo"]);
        let with = with(ours, &added);
        assert!(
            with.contains(
                "[dependencies]\nrand.workspace = true\nstage2-echo = { path = \"../stage2-echo\" }\nclap."
            ),
            "{with}"
        );
    }
}
