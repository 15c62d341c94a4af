//! Servers that are wrong on purpose, made from the right ones in Python by
//! `wrong-servers.toml`. For every rule of the model there is one at least that breaks it,
//! and that sessions at random catch.

use serde::Deserialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const TEXT: &str = include_str!("../wrong-servers.toml");

/// The right servers, and what they import.
const RIGHT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/servers");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    wrong: Vec<WrongServer>,
}

/// The right server of a stage, with one mistake.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrongServer {
    /// Whose server it is.
    pub stage: u8,
    /// What it does; it completes "a server that".
    pub name: String,
    /// What the contract says about that.
    pub contract: String,
    /// The rule that it breaks, and then those as which the mistake may show first.
    #[serde(default)]
    pub rules: Vec<String>,
    /// The number of a session that catches it, of the series that all programs get.
    #[serde(default)]
    pub session: usize,
    /// The check that catches it, where no session waits so long, or looks at the bytes of a
    /// line.
    pub check: Option<String>,
    change: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    old: String,
    new: String,
}

/// All of them.
///
/// # Panics
/// When `wrong-servers.toml` is not what it should be; a test reads it.
pub fn all() -> Vec<WrongServer> {
    let file: File = toml::from_str(TEXT).unwrap_or_else(|e| panic!("wrong-servers.toml: {e}"));
    file.wrong
}

impl WrongServer {
    /// The check that it fails, or the rule that it breaks; `None` where the table is wrong.
    pub fn breaks(&self) -> Option<&str> {
        self.check.as_ref().or(self.rules.first()).map(String::as_str)
    }

    fn file(&self) -> String {
        format!("stage{}.py", self.stage)
    }

    /// The text of the server.
    ///
    /// # Errors
    /// When the right server has changed, so that a change has no place in it.
    pub fn source(&self) -> io::Result<String> {
        let mut text = fs::read_to_string(Path::new(RIGHT).join(self.file()))?;
        for Change { old, new } in &self.change {
            text = testkit::changed(&text, old, new)
                .map_err(|why| io::Error::other(format!("{} of {}: {why}", self.name, self.file())))?;
        }
        Ok(text)
    }

    /// Writes the server and what it imports into this folder; gives its path.
    ///
    /// # Errors
    /// As [`source`](Self::source), or when the folder cannot be written to.
    pub fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        for entry in fs::read_dir(RIGHT)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "py") {
                fs::copy(&path, folder.join(path.file_name().unwrap_or_default()))?;
            }
        }
        let path = folder.join(self.file());
        fs::write(&path, self.source()?)?;
        Ok(path)
    }
}
