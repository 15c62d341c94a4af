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
    pub rules: Vec<String>,
    /// The number of a session that catches it, of the series that everybody gets.
    pub session: usize,
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
            let count = text.matches(old).count();
            if count != 1 {
                let (name, file) = (&self.name, self.file());
                let why = format!("{name}: what is to change stands {count} times in {file}:\n{old}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            text = text.replace(old, new);
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
