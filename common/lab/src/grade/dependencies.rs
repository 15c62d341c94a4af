//! What a submission's `Cargo.toml` may add to ours: names of crates.
//!
//! A starting point (`make start`) has the dependencies of the stage below, and a
//! student may have taken another crate of the course's own list. Those names are
//! taken over, and nothing else of that file: no version, no feature, no build
//! script, nothing that is not in our `Cargo.lock` already.

use crate::registry::Stage;
use std::collections::BTreeSet;
use toml::{Table, Value};

/// The crates that `theirs` depends on and `ours` does not, as far as stage
/// `stage` may have them; `workspace` is the text of the workspace's own file.
pub fn added(theirs: &str, ours: &str, workspace: &str, stage: &Stage) -> BTreeSet<String> {
    let [theirs, ours] = [theirs, ours].map(|text| names(text, &["dependencies"]));
    let listed = names(workspace, &["workspace", "dependencies"]);
    theirs
        .into_iter()
        .filter(|name| listed.contains(name) && !ours.contains(name) && may(stage, name))
        .collect()
}

/// Our file with these crates, too.
pub fn with(ours: &str, added: &BTreeSet<String>) -> String {
    let lines: String = added.iter().map(|name| format!("{name}.workspace = true\n")).collect();
    ours.replacen("[dependencies]\n", &format!("[dependencies]\n{lines}"), 1)
}

/// Stages rest on those below them, and on nothing that grades them.
fn may(stage: &Stage, name: &str) -> bool {
    let below = |rest: &str| {
        rest.split_once('-').is_some_and(|(number, _)| number.parse().is_ok_and(|n: u16| n < stage.number))
    };
    match name.strip_prefix("stage") {
        Some(rest) => below(rest),
        None => !["testkit", "chatkit", "lab"].contains(&name),
    }
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
    use crate::registry::Registry;

    #[test]
    fn only_names_of_the_courses_own_list_are_taken() {
        let workspace = "[workspace.dependencies]\nclap = '4'\nrand = '1'\nlab = { path = 'x' }\ntestkit = { path = 'x' }\n\
            stage2-echo = { path = 'x' }\nstage5-aes = { path = 'x' }\n";
        let ours = "[package]\nname = 'ours'\n\n[dependencies]\nclap.workspace = true\n";
        let theirs = "[package]\nbuild = 'build.rs'\n[dependencies]\nclap = '1'\nrand = { git = 'evil' }\nevil = '1'\n\
            testkit = '1'\nlab = '1'\nstage5-aes.workspace = true\nstage2-echo.workspace = true\n[build-dependencies]\ncc = '1'\n";
        let registry = Registry::load();
        let added = added(theirs, ours, workspace, registry.stage(Some("4")).unwrap());
        assert_eq!(added.iter().collect::<Vec<_>>(), ["rand", "stage2-echo"]);
        let with = with(ours, &added);
        assert!(
            with.contains("[dependencies]\nrand.workspace = true\nstage2-echo.workspace = true\nclap."),
            "{with}"
        );
    }
}
