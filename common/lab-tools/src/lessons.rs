//! `lessons.toml`: the sentences that say why each stage is as it is, and where
//! a student begins.

use lab::registry::Stage;
use serde::Deserialize;

const TEXT: &str = include_str!("../lessons.toml");

/// All lessons, a stage each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lessons {
    /// In the order of the stages.
    #[serde(rename = "stage")]
    pub stages: Vec<Lesson>,
}

/// What one stage changes against the stage below it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lesson {
    /// The stage's number.
    pub number: u16,
    /// Why the server's flow is another one now, or why it is not.
    pub server: String,
    /// The same of the client's.
    pub client: String,
    /// Each module and each program that the stage brings.
    pub new: Vec<Why>,
    /// Each module that the stage below uses, and this one no longer.
    #[serde(default)]
    pub gone: Vec<Why>,
    /// Where a student begins.
    #[serde(default)]
    pub todo: Vec<Todo>,
}

/// One thing and its sentence.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// A module (`outbox`), a program (`stage5-keygen`), or a module of an
    /// earlier stage (`stage3_threads::workers`).
    pub name: String,
    /// Why.
    pub why: String,
}

/// A comment in a starting point.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Todo {
    /// The file: `server`, `client`, or the name of another program.
    #[serde(rename = "in")]
    pub file: String,
    /// The beginning of the line before which it stands; without one it stands
    /// below the module's comment.
    pub before: Option<String>,
    /// What is to be done.
    pub what: String,
}

impl Lessons {
    /// Those of this course.
    ///
    /// # Panics
    /// When `lessons.toml` is not what it should be; a test reads it.
    pub fn load() -> Lessons {
        toml::from_str(TEXT).unwrap_or_else(|e| panic!("lessons.toml: {e}"))
    }

    /// The lesson of a stage.
    pub fn of(&self, stage: &Stage) -> Option<&Lesson> {
        self.stages.iter().find(|lesson| lesson.number == stage.number)
    }
}
