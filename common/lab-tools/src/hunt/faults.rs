//! What can be wrong with a server. Some mistakes are options of the servers in Python;
//! from stage 6 on, others are changes of their text, which the checks have too
//! (`common/testkit-chat/wrong-servers.toml`).

use super::servers::{FIRST_LOGIN, file};
use anyhow::{Context, bail};
use lab::workspace::root;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// One way to be wrong.
pub struct Fault {
    /// The rule of the contract that it breaks.
    pub rule: String,
    /// What it is about the server.
    pub does: String,
    /// What Python is to run, and with which options.
    pub arguments: Vec<String>,
}

/// The faults of a stage that show in a script.
///
/// # Errors
/// When Python or a file is missing.
pub fn of(stage: u16, python: &Path) -> anyhow::Result<Vec<Fault>> {
    let hunted = hunted(stage)?;
    let mut faults = switches(stage, python, &hunted)?;
    if stage >= FIRST_LOGIN {
        let right = fs::read_to_string(file(stage))?;
        for wrong in table()?.into_iter().filter(|wrong| wrong.stage == stage) {
            faults.extend(wrong.fault(&right, &hunted)?);
        }
    }
    Ok(faults)
}

/// What `faults.toml` has of a stage: names and rules, and under `left-out` names and
/// reasons.
type Hunted = BTreeMap<String, BTreeMap<String, String>>;

fn hunted(stage: u16) -> anyhow::Result<Hunted> {
    let mut all: BTreeMap<String, Hunted> = toml::from_str(include_str!("faults.toml"))?;
    Ok(all.remove(&format!("stage{stage}")).unwrap_or_default())
}

/// The faults that are switched on by an option.
fn switches(stage: u16, python: &Path, hunted: &Hunted) -> anyhow::Result<Vec<Fault>> {
    let file = file(stage);
    let mut list = Command::new(python);
    list.arg(&file).arg("--list-faults");
    if stage < FIRST_LOGIN {
        list.args(["--rules", "yes", "--stage", &stage.min(4).to_string()]);
    } else {
        list.args(["--texts", "yes"]);
    }
    let output = list.output().context("cannot start python3")?;
    if !output.status.success() {
        bail!("{file}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let fault = |line: &str| {
        let mut words = line.split('\t').map(str::to_owned);
        let name = words.next()?;
        let rule = if stage < FIRST_LOGIN { words.next() } else { hunted.get("hunted")?.get(&name).cloned() };
        let does = format!("it {}", words.next()?);
        let fault = Fault { rule: rule?, does, arguments: vec![file.clone(), "--fault".to_owned(), name] };
        // None: it takes more than a script to see it.
        (fault.rule != "None").then_some(fault)
    };
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(fault).collect())
}

/// A row of the table of wrong servers, which explains itself. It is read here and not by
/// `testkit-chat`, which would bring a database and TLS along.
#[derive(Deserialize)]
struct Wrong {
    stage: u16,
    name: String,
    contract: String,
    #[serde(default)]
    rules: Vec<String>,
    change: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    old: String,
    new: String,
}

fn table() -> anyhow::Result<Vec<Wrong>> {
    let path = root().join("common/testkit-chat/wrong-servers.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut table: BTreeMap<String, Vec<Wrong>> = toml::from_str(&text)?;
    Ok(table.remove("wrong").unwrap_or_default())
}

impl Wrong {
    /// The right server with these changes, if it is hunted.
    fn fault(self, right: &str, hunted: &Hunted) -> anyhow::Result<Option<Fault>> {
        let listed = |list: &str| hunted.get(list).and_then(|list| list.get(&self.name));
        let rule = listed("hunted").or(self.rules.first()).filter(|_| listed("left-out").is_none());
        let Some(rule) = rule.cloned() else { return Ok(None) };
        // It imports what it imports as if it were among the servers.
        let folder = root().join("common/testkit/servers");
        let mut text = format!("import sys; sys.path.insert(0, {:?})\n{right}", folder.display().to_string());
        for Change { old, new } in &self.change {
            text = testkit::changed(&text, old, new).with_context(|| self.name.clone())?;
        }
        let does = format!("{}, where the contract says: {}", self.name, self.contract.trim());
        Ok(Some(Fault { rule, does, arguments: vec!["-c".to_owned(), text] }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_hunted_or_left_out_with_a_reason() {
        let table = table().unwrap();
        for stage in FIRST_LOGIN..=8 {
            let hunted = hunted(stage).unwrap();
            let text = fs::read_to_string(file(stage)).unwrap();
            let switches = text.split("FAULTS = {\n").nth(1).unwrap().split("\n}").next().unwrap();
            let switches = switches.lines().map(|line| line.split('"').nth(1).unwrap());
            let rows: Vec<_> = table.iter().filter(|wrong| wrong.stage == stage).collect();
            let in_table = |name: &str| rows.iter().any(|row| row.name == name && !row.rules.is_empty());
            let is_listed = |list: &str, name: &str| hunted[list].contains_key(name);
            let names: Vec<_> = switches.chain(rows.iter().map(|row| row.name.as_str())).collect();
            for name in &names {
                let places = [is_listed("hunted", name), is_listed("left-out", name), in_table(name)];
                let wanted =
                    [[true, false, false], [false, true, false], [false, false, true], [false, true, true]];
                assert!(wanted.contains(&places), "stage {stage}: {name}");
            }
            let mut listed = hunted.values().flat_map(BTreeMap::keys);
            assert!(listed.all(|name| names.contains(&name.as_str())), "stage {stage}");
        }
    }

    #[test]
    fn the_rules_are_those_of_the_contract() {
        let rules: Vec<_> =
            super::super::servers::rules().unwrap().into_iter().map(|(name, _)| name).collect();
        for stage in FIRST_LOGIN..=8 {
            let hunted = hunted(stage).unwrap();
            assert!(hunted["hunted"].values().all(|rule| rules.contains(rule)), "stage {stage}");
        }
    }
}
