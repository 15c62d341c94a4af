//! `lab check N PART`, `lab next` and `lab hint`: the graded checks of a stage up to
//! one of its parts. Those of later parts are not asked for yet.

use crate::new_checks::{later_checks, new_checks, parts_of};
use crate::progress::Progress;
use crate::registry::{Part, Registry, Stage};
use crate::say;
use crate::workspace::{cargo, root, without_the_users_settings};
use anyhow::{Context, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

/// The heading of the checks that are not new in the stage.
const EARLIER: &str = "earlier stages";

/// A check that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failed {
    name: String,
    /// What was expected, and what came.
    what: String,
    /// The likely cause.
    hint: String,
}

/// What the checks have found.
#[derive(Debug, Default)]
struct Results {
    /// Passed or not, by name.
    passed: BTreeMap<String, bool>,
    /// In the order in which they ended.
    failed: Vec<Failed>,
    /// Whether all of them have run.
    is_complete: bool,
}

/// Whether each check is shown as it passes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Shown,
    Hidden,
}

/// Runs the checks up to `part`, and says part by part what came of them. Returns
/// `true` if none has failed.
///
/// # Errors
/// When cargo cannot be started, or the checks do not come to their end.
pub fn check(stage: &Stage, part: &Part) -> anyhow::Result<bool> {
    let later = later_checks(stage, part);
    let (results, status) = run(stage, &selection(&later), Output::Shown)?;
    if !results.is_complete {
        bail!("the checks did not run to their end ({status})");
    }
    say!("\nStage {}, up to the part {}:", stage.number, part.name);
    summary(stage, part, &results).iter().for_each(|line| say!("  {line}"));
    if let Some((of, first)) = first_failure(stage, part, &results.failed) {
        say!("First to look at, of {of}: {}", first.name);
        say!("  likely cause: {}", first.hint);
    }
    Ok(results.failed.is_empty())
}

/// Says which part is under way in this working copy, and which check is next. When a
/// part is done, the one behind it is under way.
///
/// # Errors
/// When this is no working copy, or the checks cannot run.
pub fn next(all: &Registry) -> anyhow::Result<()> {
    let progress = Progress::load()?.context(NO_COPY)?;
    let (stage, part) = progress.stage_and_part(all)?;
    let (results, _) = run(stage, &selection(&later_checks(stage, part)), Output::Hidden)?;
    if !results.is_complete {
        bail!(
            "it does not build, or the checks end early: make check {} {} shows why",
            stage.number,
            part.name
        );
    }
    let (at, count) = (stage.parts_before(part).len(), stage.parts.len());
    say!("Stage {}, part {} of {count}: {}, {}", stage.number, at + 1, part.name, part.title);
    summary(stage, part, &results).iter().for_each(|line| say!("  {line}"));
    let unwritten = unwritten(stage, part);
    if !unwritten.is_empty() {
        say!("Bodies that are yet to be written; checks fail in which a program reaches one of them:");
        unwritten.iter().for_each(|line| say!("  {line}"));
    }
    match first_failure(stage, part, &results.failed) {
        Some((of, failed)) => {
            say!("Next, of {of}: {}", sentence(&failed.name));
            say!("    make hint {}    more about it, step by step", failed.name);
        }
        None => match stage.parts.get(at + 1) {
            Some(next) => {
                let progress = Progress { part: next.name.clone(), ..progress };
                progress.write(&root())?;
                say!("This part is done. From now on it is: {}, {}. {}", next.name, next.title, next.teaches);
                say!("    make next    what is first in it");
            }
            None => say!("This part is done, and with it stage {}.", stage.number),
        },
    }
    Ok(())
}

/// Gives the next hint for one check: the first time the requirement, then the likely
/// cause, then the place in the code.
///
/// # Errors
/// When there is no such check, or the checks cannot run.
pub fn hint(all: &Registry, check: Option<&str>) -> anyhow::Result<()> {
    let mut progress = Progress::load()?.context(NO_COPY)?;
    let (stage, part) = progress.stage_and_part(all)?;
    let words = match check {
        Some(check) => vec!["--exact".to_owned(), check.to_owned()],
        None => selection(&later_checks(stage, part)),
    };
    let (results, _) = run(stage, &words, Output::Hidden)?;
    if !results.is_complete {
        bail!(
            "it does not build, or the checks end early: make check {} {} shows why",
            stage.number,
            part.name
        );
    }
    if results.passed.is_empty() {
        bail!(
            "stage {} has no check '{}'; make check {0} ARGS=--list lists them",
            stage.number,
            check.unwrap_or("")
        );
    }
    let Some((of, failed)) = first_failure(stage, part, &results.failed) else {
        say!(
            "{} no hint is needed: make next",
            check.map_or("All checks pass,".into(), |c| format!("{c} passes,"))
        );
        return Ok(());
    };
    let given = progress.hints.entry(failed.name.clone()).or_insert(0);
    *given = (*given + 1).min(STEPS);
    let steps = *given;
    progress.write(&root())?;
    let place =
        new_checks(stage).into_iter().find(|c| c.name == failed.name).map_or(part.name.clone(), |c| c.part);
    let place = stage.parts.iter().find(|p| p.name == place).unwrap_or(part);
    say!("{} (of {of})", failed.name);
    say!("1. the requirement: {}", sentence(&failed.name));
    if steps > 1 {
        say!("2. the likely cause: {}", failed.hint);
        failed.what.lines().for_each(|line| say!("   {}", line.trim()));
    }
    if steps > 2 {
        let modules: Vec<_> = place.modules.iter().map(|m| format!("{}/src/{m}", stage.package)).collect();
        say!("3. the place: {}", modules.join(", "));
        say!("   In the course's folder, make diff {} {} shows what it has there.", stage.number, place.name);
        let unwritten = unwritten(stage, part);
        if !unwritten.is_empty() {
            say!("   A body that is yet to be written may be reached first:");
            unwritten.iter().for_each(|line| say!("   {line}"));
        }
    }
    if steps < STEPS {
        say!("The same command again says more: step {} of {STEPS} is next.", steps + 1);
    }
    Ok(())
}

/// How many hints there are for a check.
const STEPS: usize = 3;

const NO_COPY: &str = "this is no working copy: make start N PART makes one, and this is for use in it";

/// The functions of `part` whose bodies `make start` has left out, a line for each file:
/// where, and how many.
fn unwritten(stage: &Stage, part: &Part) -> Vec<String> {
    let mark = format!("part {}: to be written", part.name);
    let mut files = Vec::new();
    for module in &part.modules {
        let module = Path::new(&stage.package).join("src").join(module);
        files.extend(rust_files(&module));
        files.push(module.with_extension("rs"));
    }
    let count = |file: &PathBuf| {
        let text = fs::read_to_string(root().join(file)).unwrap_or_default();
        let count = text.lines().filter(|line| line.contains(&mark)).count();
        (count > 0).then(|| format!("{count} in {}", file.display()))
    };
    files.iter().filter_map(count).collect()
}

/// The `.rs` files in a folder below the workspace's root, and in the folders in it.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| folder.join(entry.file_name())).collect();
    paths.sort_unstable();
    let files = paths.into_iter().flat_map(|path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            vec![path]
        } else {
            rust_files(&path)
        }
    });
    files.collect()
}

/// A check's name as a sentence: it states the requirement.
fn sentence(name: &str) -> String {
    name.replace('_', " ")
}

/// The words for the checks that leave out those in `later`.
fn selection(later: &[String]) -> Vec<String> {
    let skipped = later.iter().flat_map(|name| ["--skip".to_owned(), name.clone()]);
    // Without it a name would also leave out longer ones that begin with it.
    ["--exact".to_owned()].into_iter().chain(skipped).collect()
}

fn run(stage: &Stage, words: &[String], output: Output) -> anyhow::Result<(Results, ExitStatus)> {
    let report = tempfile::NamedTempFile::new().context("cannot make a file for the report")?;
    let mut command = cargo();
    command.args(["test", "-p", &stage.package, "--test", "checks", "--"]).args(words);
    command.env("TESTKIT_REPORT", report.path());
    without_the_users_settings(&mut command);
    if output == Output::Hidden {
        say!("Building it and running the checks; the first time this takes minutes.");
        command.stdout(Stdio::null()).stderr(Stdio::null());
    }
    let status = command.status().context("cannot start cargo")?;
    let text = fs::read(report.path()).context("cannot read the report")?;
    Ok((results(&String::from_utf8_lossy(&text)), status))
}

fn results(report: &str) -> Results {
    let mut results = Results::default();
    for line in report.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        results.is_complete |= line["end"] == true;
        let Some(name) = line["check"].as_str() else { continue };
        results.passed.insert(name.to_owned(), line["passed"] == true);
        // What waits for another check that has failed says nothing of its own.
        if line["passed"] == false && !line["not_judged"].is_string() {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            results.failed.push(Failed { name: name.to_owned(), what: text("what"), hint: text("hint") });
        }
    }
    results
}

/// A line for the earlier stages and for each part up to `part`.
fn summary(stage: &Stage, part: &Part, results: &Results) -> Vec<String> {
    let owners = parts_of(stage);
    let headings = headings(stage, part);
    let width = headings.iter().map(|heading| heading.len()).max().unwrap_or(0);
    let line = |heading: &&str| {
        let of_it = |name: &String| owners.get(name).map_or(EARLIER, String::as_str) == *heading;
        let of_it: Vec<_> = results.passed.iter().filter(|(name, _)| of_it(name)).collect();
        let passed = of_it.iter().filter(|(_, passed)| **passed).count();
        format!("{heading:width$}  {passed} of {} checks pass", of_it.len())
    };
    headings.iter().map(line).collect()
}

/// What checks are grouped under, in the order in which they are to be mended.
fn headings<'a>(stage: &'a Stage, part: &'a Part) -> Vec<&'a str> {
    let before = stage.parts_before(part).iter().map(|p| p.name.as_str());
    [EARLIER].into_iter().chain(before).chain([part.name.as_str()]).collect()
}

/// The failure to begin with: that of the earliest part, since the later ones rest on it.
fn first_failure<'a>(
    stage: &'a Stage,
    part: &'a Part,
    failed: &'a [Failed],
) -> Option<(&'a str, &'a Failed)> {
    let owners = parts_of(stage);
    headings(stage, part).into_iter().find_map(|heading| {
        let of_it = |one: &&Failed| owners.get(&one.name).map_or(EARLIER, String::as_str) == heading;
        failed.iter().find(of_it).map(|failed| (heading, failed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failures_of_earlier_parts_come_first() {
        let all = Registry::load();
        let stage = all.stage(Some("4")).unwrap();
        let part = all.part(stage, "limits").unwrap();
        let of = |part: &str| new_checks(stage).into_iter().find(|c| c.part == part).unwrap().name;
        let line = |name: &str| format!("{{\"check\":\"{name}\",\"passed\":false,\"hint\":\"because\"}}\n");
        let report = [of("limits"), of("room")].map(|name| line(&name)).concat();
        let results = results(&(report + "{\"check\":\"no_new_one\",\"passed\":true}\n{\"end\":true}\n"));
        assert!(results.is_complete);
        let (heading, first) = first_failure(stage, part, &results.failed).unwrap();
        assert_eq!((heading, &first.name, first.hint.as_str()), ("room", &of("room"), "because"));
        let summary = summary(stage, part, &results);
        let expected = [
            "earlier stages  1 of 1",
            "room            0 of 1",
            "slow-clients    0 of 0",
            "limits          0 of 1",
        ];
        assert!(summary.iter().zip(expected).all(|(is, should)| is.starts_with(should)), "{summary:?}");
    }

    #[test]
    fn a_check_that_waits_for_another_is_no_failure_of_its_own() {
        let results = results("{\"check\":\"a\",\"passed\":false,\"not_judged\":\"b\"}\n");
        assert!(results.failed.is_empty() && results.passed == BTreeMap::from([("a".to_owned(), false)]));
    }
}
