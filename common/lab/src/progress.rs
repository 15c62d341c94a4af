//! Where a student is: a file in the working copy that `make start` makes. It is
//! no service, and nothing is lost with it.

use crate::failure::Failure;
use crate::registry::{Part, Registry, Stage};
use crate::workspace::root;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The file, in the copy's root.
pub const FILE: &str = "progress.json";

/// What is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The stage that is to be written.
    pub stage: u16,
    /// Its part.
    pub part: String,
    /// How many hints were given, by the names of the checks.
    #[serde(default)]
    pub hints: BTreeMap<String, usize>,
}

impl Progress {
    /// That of this workspace; `None` where it is no working copy.
    ///
    /// # Errors
    /// When the file cannot be read, or says what it should not.
    pub fn load() -> anyhow::Result<Option<Progress>> {
        let path = root().join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {FILE}"))?;
        serde_json::from_str(&text).map(Some).with_context(|| {
            format!("{FILE} is not as `make start` wrote it; {{\"stage\": 4, \"part\": \"room\"}} would do")
        })
    }

    /// Writes it into the working copy `folder`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("cannot write down the progress")?;
        fs::write(folder.join(FILE), text + "\n").with_context(|| format!("cannot write {FILE}"))
    }

    /// The stage and the part that it names.
    ///
    /// # Errors
    /// When the course has no such part.
    pub fn stage_and_part<'a>(&self, all: &'a Registry) -> anyhow::Result<(&'a Stage, &'a Part)> {
        let of_file = |why: String| anyhow::anyhow!("{FILE}: {why}");
        let stage = all.stage(Some(&self.stage.to_string())).map_err(of_file)?;
        Ok((stage, all.part(stage, &self.part).map_err(of_file)?))
    }
}

/// The part that is checked: the one that was named; in a working copy its own, unless
/// options say which checks are wanted.
///
/// # Errors
/// When the stage has no such part, or both a part and options are named.
pub fn wanted_part<'a>(
    stage: &'a Stage,
    named: Option<&str>,
    args: &[String],
    all: &Registry,
) -> Result<Option<&'a Part>, Failure> {
    let find = |name: &str| all.part(stage, name).map_err(Failure::Usage);
    match named {
        Some(_) if !args.is_empty() => {
            Err(Failure::Usage("a part or options for the checks, not both".to_owned()))
        }
        Some(name) => Ok(Some(find(name)?)),
        None if !args.is_empty() => Ok(None),
        None => match Progress::load()?.filter(|progress| progress.stage == stage.number) {
            Some(progress) => Ok(Some(find(&progress.part)?)),
            None => Ok(None),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let hints = BTreeMap::from([("a_line_arrives_once".to_owned(), 2)]);
        let progress = Progress { stage: 4, part: "limits".into(), hints };
        progress.write(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
        assert_eq!(progress.stage_and_part(&Registry::load()).unwrap().1.name, "limits");
        let elsewhere = Progress { part: "accounts".into(), ..progress };
        let why = elsewhere.stage_and_part(&Registry::load()).unwrap_err().to_string();
        assert!(why.starts_with("progress.json: part 'accounts' is stage 6's"), "{why}");
    }
}
