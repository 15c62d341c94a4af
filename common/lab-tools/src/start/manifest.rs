//! The manifests of a starting point. They are edited as text: what is left in
//! them keeps its comments, and a student reads the same file as in the course.

use anyhow::Context;
use lab::registry::Stage;
use serde::Deserialize;
use std::collections::BTreeSet;

/// A manifest in pieces: each begins with its `[header]`, and with the comments
/// above that.
fn sections(text: &str) -> Vec<String> {
    let (mut sections, mut waiting) = (vec![String::new()], String::new());
    for line in text.split_inclusive('\n') {
        if line.starts_with('[') {
            sections.push(std::mem::take(&mut waiting) + line);
        } else if line.starts_with('#') || line.trim().is_empty() {
            waiting += line;
        } else {
            let last = sections.last_mut().expect("there is one from the start");
            *last += &(std::mem::take(&mut waiting) + line);
        }
    }
    sections
}

fn header(section: &str) -> &str {
    section.lines().find(|line| line.starts_with('[')).unwrap_or_default()
}

/// The workspace's manifest without the packages that are `gone`.
pub fn workspace(text: &str, gone: &[&str]) -> String {
    let of_these = |line: &str| {
        let member = line.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix("\","));
        let member = member.map(|path| path.rsplit('/').next().unwrap_or(path));
        let dependency = line.split_once(" = { path").map(|(name, _)| name);
        member.or(dependency).is_some_and(|name| gone.contains(&name))
    };
    text.split_inclusive('\n').filter(|line| !of_these(line)).collect()
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
}

/// The workspace's manifest without settings for packages that are not in the
/// lock file: cargo would warn of each.
///
/// # Errors
/// When `lock` is not a lock file.
pub fn settings(text: &str, lock: &str) -> anyhow::Result<String> {
    let lock: Lock = toml::from_str(lock).context("Cargo.lock cannot be read")?;
    let used = |name: &str| name == "*" || lock.package.iter().any(|p| p.name == name);
    let kept = sections(text).into_iter().filter(|section| {
        let package = header(section).strip_prefix("[profile.").and_then(|h| h.split_once(".package."));
        package.is_none_or(|(_, name)| used(name.trim_end_matches(']').trim_matches('"')))
    });
    Ok(kept.collect())
}

/// A stage's manifest for its starting point: of its tests the graded checks
/// only, and besides its own dependencies those that the flow of `from` needs.
pub fn stage(text: &str, from: &[(&Stage, String)], flow: &str) -> String {
    let mut all = String::new();
    for section in sections(text) {
        if header(&section) == "[[test]]" && !section.contains("name = \"checks\"") {
            continue;
        }
        all += section.trim();
        if header(&section) == "[dependencies]" {
            for name in missing(&section, from, flow) {
                // Not every stage is among the workspace's dependencies.
                let is_stage = from.iter().any(|(stage, _)| stage.package == name);
                all += &if is_stage {
                    format!("\n{name} = {{ path = \"../{name}\" }}")
                } else {
                    format!("\n{name}.workspace = true")
                };
            }
        }
        all += "\n\n";
    }
    all.trim().to_owned() + "\n"
}

/// The dependencies of the flow that `own` does not have.
fn missing(own: &str, from: &[(&Stage, String)], flow: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (stage, manifest) in from {
        let sections = sections(manifest);
        let theirs = sections.iter().filter(|s| header(s) == "[dependencies]").flat_map(|s| s.lines());
        let theirs = theirs.filter_map(|line| line.split_once(".workspace")).map(|(name, _)| name);
        names.extend(theirs.chain([stage.package.as_str()]).map(str::to_owned));
    }
    names.retain(|name| {
        let in_code = format!("{}::", name.replace('-', "_"));
        flow.contains(&in_code) && !own.lines().any(|line| line.starts_with(&format!("{name}.")))
    });
    names
}

/// The manifest of a package of which only the programs are taken along.
pub fn without_tests(text: &str) -> String {
    sections(text).into_iter().filter(|section| header(section) != "[[test]]").collect()
}

/// The registry with the stages up to `stage` only.
pub fn registry(text: &str, stage: &Stage) -> String {
    // Before the first of these lines stands the file's own comment.
    let pieces = 1 + usize::from(stage.number);
    let kept: Vec<_> = text.split("\n[[stage]]\n").take(pieces).collect();
    kept.join("\n[[stage]]\n").trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab::registry::Registry;
    use lab::workspace::root;
    use std::fs;

    #[test]
    fn packages_that_are_gone_are_named_no_more() {
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert_eq!(workspace(&manifest, &[]), manifest);
        let without = workspace(&manifest, &["stage5-aes", "testkit"]);
        for gone in ["    \"stage5-aes\",", "stage5-aes = {", "    \"common/testkit\",", "testkit = {"] {
            assert!(manifest.contains(gone) && !without.contains(&format!("\n{gone}")), "{gone}");
        }
        assert_eq!(without.lines().count(), manifest.lines().count() - 4);
    }

    #[test]
    fn settings_of_packages_that_are_not_there_go() {
        let text = "[a]\nx = 1\n\n# Why.\n[profile.dev.package.aes]\nopt-level = 3\n\n\
                    [profile.dev.package.\"*\"]\ndebug = false\n[profile.dev.package.lab]\n";
        let lock = "[[package]]\nname = \"lab\"\nversion = \"1.0.0\"\n";
        let kept = "[a]\nx = 1\n\n[profile.dev.package.\"*\"]\ndebug = false\n[profile.dev.package.lab]\n";
        assert_eq!(settings(text, lock).unwrap(), kept);
    }

    #[test]
    fn the_registry_of_an_early_stage_ends_with_it() {
        let text = fs::read_to_string(root().join("common/lab/stages.toml")).unwrap();
        let all = Registry::load();
        for stage in &all.stages {
            let kept: Registry = toml::from_str(&registry(&text, stage)).unwrap();
            assert_eq!(kept.stages.len(), usize::from(stage.number));
        }
    }
}
